//! The real data, through the real path, ends in the right rows: counted here from the file alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use support::World;

fn demo(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo").join(file)
}

type ByZoneAndDay = BTreeMap<(String, String), i64>;

/// Swipes by zone and day, and all of them, from the file: the line that stands there twice counts
/// once.
fn counted() -> Result<(ByZoneAndDay, usize)> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(demo("prox-fixed.csv"))?;
    let mut seen = std::collections::HashSet::new();
    let (mut counts, mut lines) = (BTreeMap::new(), 0);
    for record in reader.records() {
        let record = record?;
        lines += 1;
        if seen.insert(record.iter().collect::<Vec<_>>().join("|")) {
            let zone = format!("f{}-z{}", &record[3], record[4].to_lowercase().replace(' ', "-"));
            *counts.entry((zone, record[0][..10].to_owned())).or_default() += 1;
        }
    }
    Ok((counts, lines))
}

#[tokio::test]
async fn the_file_ends_in_the_right_rows_and_again_changes_none() -> Result<()> {
    let mut world = World::new(12).await?;
    let gatelog = async |world: &World, arguments: &[&str]| -> Result<String> {
        let (code, out, err) = world.gatelog(arguments).await?;
        anyhow::ensure!(code == 0, "gatelog {arguments:?} exits with {code}: {out}{err}");
        Ok(out)
    };
    world.db.execute("UPDATE retention SET oldest_day = '2016-01-01'", &[]).await?;
    let access = demo("access.json").to_string_lossy().into_owned();
    gatelog(&world, &["access", "import", &access]).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let _consumers = [world.consumer()?, world.consumer()?];
    let url = format!("http://{}", gateway.address().await?);
    let csv = demo("prox-fixed.csv").to_string_lossy().into_owned();
    let import = ["import", &csv, "--mapping", "vast", "--gateway", &url, "--json"];
    gatelog(&world, &import).await?;
    let totals = world.caught_up().await?;

    let (counts, lines) = counted()?;
    let distinct: i64 = counts.values().sum();
    assert_eq!((lines, distinct), (29_763, 29_762), "the file is the one we know");
    assert_eq!((totals.rows, totals.duplicates), (29_762, 1), "{totals:?}");
    assert_eq!(totals.all(), 29_763, "no collision, no dead letter: {totals:?}");
    let sql = "SELECT t.zone_id, t.terminal_id, to_char(occurred_at, 'YYYY-MM-DD'), count(*) \
               FROM access_log a JOIN terminal t USING (terminal_id) GROUP BY 1, 2, 3";
    let mut found = BTreeMap::new();
    for row in world.db.query(sql, &[]).await? {
        let terminal: String = row.get(1);
        let zone = terminal.strip_prefix("vast-").context("a terminal of the mapping")?.to_owned();
        *found.entry((zone, row.get(2))).or_default() += row.get::<_, i64>(3);
    }
    assert_eq!(found, counts, "rows by zone and day");

    // Once more: the log grows, the table does not.
    let snapshot =
        "SELECT md5(string_agg(a::text, ',' ORDER BY occurred_at, card_id)) FROM access_log a";
    let before: String = world.db.query_one(snapshot, &[]).await?.get(0);
    gatelog(&world, &import).await?;
    let totals = world.caught_up().await?;
    assert_eq!((totals.rows, totals.duplicates), (29_762, 29_764), "{totals:?}");
    let after: String = world.db.query_one(snapshot, &[]).await?.get(0);
    assert_eq!(before, after, "the same upload again changed a row");
    world.verify_clean().await
}
