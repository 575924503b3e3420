//! The page that analysts start from says what they will see: each query on it, on the real data,
//! has the answer that is printed there.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use support::World;
use tokio_postgres::SimpleQueryMessage;

const PAGE: &str = include_str!("../../docs/analysts.md");

/// A query of the page, in SQL or as a command, and its answer.
struct Example {
    language: &'static str,
    query: &'static str,
    answer: &'static str,
}

/// Every block of the page that asks something.
fn examples() -> Result<Vec<Example>> {
    let mut blocks = PAGE.split("```").skip(1).step_by(2).map(|block| block.split_once('\n'));
    let mut examples = Vec::new();
    while let Some(block) = blocks.next() {
        let (language, query) = block.context("a block of one line")?;
        ensure!(["sql", "sh"].contains(&language), "a block of {language} that answers nothing");
        let answer = blocks.next().flatten().filter(|(language, _)| *language == "text");
        let (_, answer) = answer.with_context(|| format!("no answer follows\n{query}"))?;
        examples.push(Example { language, query, answer });
    }
    Ok(examples)
}

/// The world of the demo: its cards and zones, and all of its swipes.
async fn demo() -> Result<World> {
    let mut world = World::new(12).await?;
    let file = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo").join(name);
        path.to_string_lossy().into_owned()
    };
    world.db.execute("UPDATE retention SET oldest_day = '2016-01-01'", &[]).await?;
    command(&world, &["access", "import", &file("access.json")]).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let _consumer = world.consumer()?;
    let url = format!("http://{}", gateway.address().await?);
    let csv = file("prox-fixed.csv");
    command(&world, &["import", &csv, "--mapping", "vast", "--gateway", &url, "--json"]).await?;
    let totals = world.caught_up().await?;
    ensure!((totals.rows, totals.duplicates) == (29_762, 1), "{totals:?}");
    Ok(world)
}

async fn command(world: &World, arguments: &[&str]) -> Result<String> {
    let (code, out, err) = world.gatelog(arguments).await?;
    ensure!(code == 0, "gatelog {arguments:?} exits with {code}: {out}{err}");
    Ok(out)
}

/// A table as its cells, whatever the width of its columns: psql's, or one of `rows`.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with("--"));
    lines.map(|line| line.split('|').map(str::trim).collect()).collect()
}

/// What psql prints of an answer, but for the width of its columns.
fn as_psql_prints(messages: &[SimpleQueryMessage]) -> String {
    let (mut lines, mut rows) = (Vec::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
                lines.push(names.join("|"));
            }
            SimpleQueryMessage::Row(row) => {
                let cell = |at| row.get(at).unwrap_or_default();
                lines.push((0..row.len()).map(cell).collect::<Vec<_>>().join("|"));
                rows += 1;
            }
            _ => {}
        }
    }
    lines.push(format!("({rows} row{})", if rows == 1 { "" } else { "s" }));
    lines.join("\n")
}

#[tokio::test]
async fn the_page_says_what_analysts_see() -> Result<()> {
    let examples = examples()?;
    let world = demo().await?;
    world.db.batch_execute("SET timezone = 'UTC'").await?;
    for Example { language, query, answer } in &examples {
        if *language == "sql" {
            let found = as_psql_prints(&world.db.simple_query(query).await?);
            assert_eq!(cells(&found), cells(answer), "{query}");
            continue;
        }
        let mut words = query.split_whitespace();
        ensure!(words.next() == Some("gatelog"), "not a command of ours: {query}");
        let found = command(&world, &words.collect::<Vec<_>>()).await?;
        let lines = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&found), lines(answer), "{query}");
    }
    ensure!(examples.len() >= 14, "{} queries found", examples.len());
    // Once its days are indexed, each has the same answer.
    let out = command(&world, &["partitions", "index", "--json"]).await?;
    let round: serde_json::Value = serde_json::from_str(&out)?;
    ensure!(round["days"].as_array().is_some_and(|days| days.len() == 13), "{out}");
    for Example { query, answer, .. } in examples.iter().filter(|e| e.language == "sql") {
        let found = as_psql_prints(&world.db.simple_query(query).await?);
        assert_eq!(cells(&found), cells(answer), "with the index: {query}");
    }
    Ok(())
}
