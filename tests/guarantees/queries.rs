//! `gatelog query`: what people see who ask without SQL, and what they are told where they err.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::{Event, Totals, World, live, swipe};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn ask(world: &World, arguments: &[&str]) -> Result<(i32, String, String)> {
    world.gatelog(&[&["query"], arguments].concat()).await
}

async fn answer(world: &World, arguments: &[&str]) -> Result<Value> {
    let (code, out, err) = ask(world, &[arguments, &["--json"]].concat()).await?;
    ensure!(code == 0, "{arguments:?}: exit code {code}: {out}{err}");
    serde_json::from_str(&out).with_context(|| format!("{arguments:?}: {out}{err}"))
}

/// Requires a refusal that says `what`.
async fn refused(world: &World, arguments: &[&str], what: &str) -> Result<()> {
    let (code, out, err) = ask(world, arguments).await?;
    ensure!(code == 2 && out.is_empty() && err.contains(what), "{arguments:?}: {code}: {out}{err}");
    Ok(())
}

/// Five swipes of 2016-06-01: c1 enters the hall, is denied the laboratory and enters the hall again
/// at its other terminal; c2 enters the hall; and a card that nobody knows.
async fn some_swipes() -> Result<World> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    let _consumer = world.consumer()?;
    let swipes = [
        swipe("c1", "t-hall", 0),
        swipe("c1", "t-lab", 60_000),
        swipe("c1", "t-hall-2", 120_000),
        swipe("c2", "t-hall", 180_000),
        swipe("stranger", "t-hall", 240_000),
    ];
    world.log.publish_swipes(&swipes).await?;
    assert_eq!(world.caught_up().await?, Totals { rows: 5, ..Totals::default() });
    Ok(world)
}

#[tokio::test]
async fn people_ask_without_sql() -> Result<()> {
    let world = some_swipes().await?;
    let day = ["--from", "2016-06-01", "--to", "2016-06-01"];
    let inside = answer(&world, &["who-is-in", "hall", "--at", "2016-06-01T00:02:30Z"]).await?;
    let wanted = json!([{ "card_id": "c1", "since": "2016-06-01T00:02:00.000Z",
        "innermost_zone": "hall", "last_pass_at": "2016-06-01T00:02:00.000Z" }]);
    assert_eq!(inside["rows"], wanted);
    let late = ["who-is-in", "hall", "--at", "2016-06-01T01:00:00Z", "--look-back", "58m"];
    let inside = answer(&world, &late).await?;
    assert_eq!(inside["rows"].as_array().map(Vec::len), Some(1), "c2 alone: {inside}");

    let card = answer(&world, &[&["card", "c1"], &day[..]].concat()).await?;
    let decisions: Vec<_> = card["rows"]
        .as_array()
        .context("rows")?
        .iter()
        .map(|row| (&row["terminal_id"], &row["decision"], &row["reasons"]))
        .collect();
    let (hall, lab) = ((json!("t-hall"), json!("granted"), json!([])), json!(["unauthorized"]));
    assert_eq!(
        decisions,
        [
            (&hall.0, &hall.1, &hall.2),
            (&json!("t-lab"), &json!("denied"), &lab),
            (&json!("t-hall-2"), &hall.1, &hall.2)
        ]
    );
    let first =
        answer(&world, &[&["terminal", "t-hall", "--limit", "2"], &day[..]].concat()).await?;
    assert_eq!((first["rows"].as_array().map(Vec::len), &first["more"]), (Some(2), &json!(true)));
    let all = answer(&world, &[&["terminal", "t-hall", "--limit", "3"], &day[..]].concat()).await?;
    assert_eq!(all["more"], json!(false), "three and no more");

    let (_, out, _) = ask(&world, &[&["denials", "--csv"], &day[..]].concat()).await?;
    let wanted = "occurred_at,card_id,zone_id,zone_name,terminal_id,reasons,live\n\
        2016-06-01T00:01:00.000Z,c1,lab,Laboratory,t-lab,unauthorized,no\n\
        2016-06-01T00:04:00.000Z,stranger,hall,Hall,t-hall,credential_not_found,no\n";
    assert_eq!(out, wanted);
    for (by, first) in [("reason", "credential_not_found"), ("zone", "hall"), ("card", "c1")] {
        let counted = answer(&world, &[&["denials", "--by", by], &day[..]].concat()).await?;
        let row = &counted["rows"][0];
        let value = row.as_object().context("a row")?.values().any(|value| value == first);
        ensure!(value && row["swipes"] == 1, "{by}: {counted}");
    }
    let (code, out, _) =
        ask(&world, &[&["denials", "--by", "terminal"], &day[..]].concat()).await?;
    ensure!(code == 0 && out.contains("2 rows: denied") && out.contains("t-lab"), "{out}");
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() -> Result<()> {
    let world = some_swipes().await?;
    refused(&world, &["who-is-in", "attic"], "there is no zone attic; the zones are hall, lab")
        .await?;
    refused(&world, &["card", "c3"], "no card c3 is registered, and none was read from").await?;
    refused(&world, &["terminal", "t-attic"], "the terminals are t-hall, t-hall-2, t-lab").await?;
    let span = ["--from", "2016-06-02", "--to", "2016-06-01"];
    refused(&world, &[&["denials"], &span[..]].concat(), "--from must lie before --to").await?;
    refused(&world, &["denials", "--from", "monday"], "must be a day, as 2016-06-01").await?;
    refused(&world, &["who-is-in", "hall", "--look-back", "long"], "as 90m, 12h or 2d").await?;
    refused(&world, &["denials", "--json", "--csv"], "cannot be used with").await?;
    // A card that is known by its swipes alone, or by its registration alone, is no error.
    let stranger = ["card", "stranger", "--from", "2016-06-01", "--to", "2016-06-01"];
    assert_eq!(answer(&world, &stranger).await?["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        answer(&world, &["card", "c1"]).await?["rows"],
        json!([]),
        "nothing since yesterday"
    );
    Ok(())
}

#[tokio::test]
async fn the_slowest_are_named_with_their_traces() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    // Published before a consumer runs, so that they wait; the ages say who waited longest.
    let mut slow = live("c1", "t-hall", 0);
    slow.age_ms = Some(600_000);
    let mut slower = live("c2", "t-hall", 0);
    slower.age_ms = Some(3_600_000);
    // What an offline terminal kept for a day is no slowness.
    let mut kept = swipe("c3", "t-hall", 0);
    (kept.occurred_at, kept.age_ms) = (slow.occurred_at, Some(86_400_000));
    let mut traced = Event::from(&slow);
    let header = format!("00-{TRACE}-00f067aa0ba902b7-01");
    traced.headers.push(("traceparent".to_owned(), header.into_bytes()));
    world.log.publish([traced, Event::from(&slower), Event::from(&kept)]).await?;
    let _consumer = world.consumer()?;
    assert_eq!(world.caught_up().await?, Totals { rows: 3, ..Totals::default() });

    let slowest = ["slowest", "--from", "2016-06-01", "--to", "2016-06-01"];
    let found = answer(&world, &[&slowest[..], &["--limit", "2"]].concat()).await?;
    let rows = found["rows"].as_array().context("rows")?;
    let events: Vec<&Value> = rows.iter().map(|row| &row["event_id"]).collect();
    let wanted = [slower.event_id, slow.event_id].map(|id| json!(id.to_string()));
    assert_eq!(events, wanted.iter().collect::<Vec<_>>(), "{found}");
    let traces: Vec<&Value> = rows.iter().map(|row| &row["trace_id"]).collect();
    assert_eq!(traces, [&Value::Null, &json!(TRACE)], "{found}");
    ensure!(rows[0]["to_row_ms"].as_i64() >= Some(3_600_000), "{found}");
    let waited = rows[1]["to_row_ms"].as_i64().context("a number")?;
    ensure!((600_000..3_600_000).contains(&waited), "{found}");
    let all = answer(&world, &slowest).await?;
    let last = &all["rows"][2];
    ensure!(last["event_id"] == json!(kept.event_id.to_string()), "{all}");
    ensure!(last["to_row_ms"].as_i64() < Some(600_000), "from its upload on: {all}");

    // Without Kafka everything else is answered, and it says what is missing.
    let mut command = std::process::Command::new(
        std::path::Path::new(&std::env::var("GATELOG_BIN_DIR")?).join("gatelog"),
    );
    command.arg("query").args(slowest).arg("--json").envs(world.environment());
    command.env("GATELOG_KAFKA", "127.0.0.1:1");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.contains("no trace ids: Kafka"), "{said}");
    let alone: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(alone["rows"][1]["event_id"], wanted[1]);
    assert_eq!(alone["rows"][1]["trace_id"], Value::Null);
    Ok(())
}
