//! `gatelog dlq` with a consumer at work: look, put right, send once more, and be told what became
//! of it.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use support::{Event, Totals, World, swipe};

const IDLE: [(&str, &str); 1] = [("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "3600000")];

async fn json(world: &World, arguments: &[&str], code: i32) -> Result<Value> {
    let (found, out, err) = world.gatelog(arguments).await?;
    ensure!(found == code, "{arguments:?}: exit code {found}, expected {code}: {out}{err}");
    serde_json::from_str(&out).with_context(|| format!("{arguments:?}: {out}{err}"))
}

async fn states(world: &World) -> Result<Vec<String>> {
    let sql = "SELECT state FROM dead_letter ORDER BY log_offset";
    Ok(world.db.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn letters_are_replayed_edited_and_given_up() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    let rubbish = Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    let stranger = Event::from(&swipe("c1", "t-new", 1));
    let misspelt = Event::from(&swipe("c1", "t-hal", 2));
    world.log.publish([rubbish, stranger, misspelt]).await?;
    assert_eq!(world.caught_up().await?, Totals { dead: 3, ..Totals::default() });
    let (code, out, err) = world.gatelog(&["dlq", "summary"]).await?;
    ensure!(
        code == 0 && out.contains("unknown_terminal") && out.contains("undecodable"),
        "{out}{err}"
    );

    // A dry run changes nothing.
    json(&world, &["dlq", "replay", "--all", "--json"], 0).await?;
    assert_eq!(states(&world).await?, ["open"; 3]);

    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    let apply = ["--apply", "--reason", "put right", "--json"];
    let replay = [&["dlq", "replay", "--terminal", "t-new"], &apply[..]].concat();
    json(&world, &replay, 0).await?;
    assert_eq!(states(&world).await?, ["open", "resolved", "open"]);

    let sql = "SELECT dead_letter_id::text FROM dead_letter WHERE terminal_id = 't-hal'";
    let id: String = world.db.query_one(sql, &[]).await?.get(0);
    let edit =
        [&["dlq", "edit", &id, "--set", "terminal_id=t-hall", "--replay"], &apply[..]].concat();
    json(&world, &edit, 0).await?;
    assert_eq!(states(&world).await?, ["open", "resolved", "resolved"]);

    // The same bytes fail again, and their replay is merged.
    let again = ["dlq", "replay", "--cause", "undecodable", "--force"];
    json(&world, &[&again[..], &apply].concat(), 1).await?;
    assert_eq!(states(&world).await?, ["open", "resolved", "resolved", "merged"]);
    let discard = [&["dlq", "discard", "--cause", "undecodable"], &apply[..]].concat();
    json(&world, &discard, 0).await?;
    assert_eq!(states(&world).await?, ["discarded", "resolved", "resolved", "merged"]);

    assert_eq!(world.caught_up().await?, Totals { rows: 2, dead: 4, ..Totals::default() });
    let sql = "SELECT count(*), count(*) FILTER (WHERE terminal_id = 't-hall') FROM access_log";
    let row = world.db.query_one(sql, &[]).await?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 1), "rows, of the edited one");
    world.verify_clean().await
}

#[tokio::test]
async fn what_the_table_lacks_comes_back_from_the_topic() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    let bad = |ms| Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c1", "t-hall", ms)) };
    world.log.publish((0..20).map(bad)).await?;
    world.caught_up().await?;
    world.outbox_is_empty().await?;
    world.db.execute("DELETE FROM dead_letter WHERE log_offset < 7", &[]).await?;
    let apply = ["--apply", "--reason", "lost", "--json"];
    json(&world, &[&["dlq", "rebuild"], &apply[..]].concat(), 0).await?;
    assert_eq!(states(&world).await?.len(), 20);
    world.verify_clean().await
}

#[tokio::test]
async fn what_comes_back_from_the_topic_says_how_often_it_failed_and_waits_for_an_operator()
-> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    world.log.publish_swipes(&[swipe("c1", "t-new", 0), swipe("c1", "t-newer", 1)]).await?;
    world.caught_up().await?;
    let apply = ["--apply", "--reason", "to see", "--json"];
    for _ in 0..2 {
        let replay = ["dlq", "replay", "--terminal", "t-new", "--force"];
        json(&world, &[&replay[..], &apply].concat(), 1).await?;
    }
    world.outbox_is_empty().await?;
    let letters = "SELECT string_agg(concat_ws(' ', log_offset, state, replay_count, terminal_id,
                                     merged_into), ', ' ORDER BY log_offset) FROM dead_letter";
    let before: String = world.db.query_one(letters, &[]).await?.get(0);
    ensure!(before.starts_with("0 open 2 t-new, 1 open 0 t-newer, 2 merged 0"), "{before}");
    world.db.batch_execute("DELETE FROM dead_letter_action; DELETE FROM dead_letter").await?;
    let dry = json(&world, &["dlq", "rebuild", "--json"], 0).await?;
    let done = json(&world, &[&["dlq", "rebuild"], &apply[..]].concat(), 0).await?;
    assert_eq!(dry["put_back"], serde_json::json!({ "merged": 2, "open": 2 }));
    assert_eq!(dry["put_back"], done["put_back"]);
    let after: String = world.db.query_one(letters, &[]).await?.get(0);
    assert_eq!(before, after, "the letters are what they were");
    let sql = "SELECT count(compensate_at), count(a.id) FROM dead_letter
               LEFT JOIN dead_letter_action a USING (dead_letter_id)
               WHERE a.action = 'rebuild' AND a.reason = 'to see' AND a.actor LIKE '% as %'";
    let row = world.db.query_one(sql, &[]).await?;
    let (by_themselves, noted): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!((by_themselves, noted), (0, 4));
    world.verify_clean().await
}

#[tokio::test]
async fn an_edit_is_made_once_and_an_exported_letter_comes_back() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["4711"]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    let misread = Event::from(&swipe("471", "t-new", 0));
    let other = Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("4711", "t-hall", 1)) };
    world.log.publish([misread, other]).await?;
    world.caught_up().await?;
    let sql = "SELECT dead_letter_id::text FROM dead_letter WHERE terminal_id = 't-new'";
    let id: String = world.db.query_one(sql, &[]).await?.get(0);
    let apply = ["--if-version", "1", "--apply", "--reason", "misread", "--json"];
    // A prefix names it; what looks like a number is a card all the same.
    let card = ["dlq", "edit", &id[..8], "--set", "card_id=4711"];
    json(&world, &[&card[..], &apply].concat(), 0).await?;
    // Of two who have seen the same version, the second is told.
    let terminal = ["dlq", "edit", &id, "--set", "terminal_id=t-hall"];
    let (code, out, err) = world.gatelog(&[&terminal[..], &apply].concat()).await?;
    ensure!(code == 4, "exit code {code}: {out}{err}");
    let apply = ["--replay", "--apply", "--reason", "and the terminal", "--json"];
    json(&world, &[&terminal[..], &apply].concat(), 0).await?;
    let sql = "SELECT card_id, terminal_id FROM access_log";
    let row = world.db.query_one(sql, &[]).await?;
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("4711", "t-hall"));

    let file = std::env::temp_dir().join(format!("{}-export.ndjson", world.group));
    let file = file.to_str().context("a path that is no text")?;
    let (code, out, err) = world.gatelog(&["dlq", "export", file, "--state", "all"]).await?;
    ensure!(code == 0, "{out}{err}");
    // Moments are exported in whole milliseconds.
    let letters = "SELECT md5(string_agg((to_jsonb(d) - '{created_at,settled_at}'::text[] \
                       || jsonb_build_object('c', date_trunc('ms', created_at - interval '1 us'), \
                                             's', date_trunc('ms', settled_at - interval '1 us')) \
                   )::text, ',' ORDER BY log_offset)) FROM dead_letter d";
    let before: String = world.db.query_one(letters, &[]).await?.get(0);
    world.db.batch_execute("DELETE FROM dead_letter_action; DELETE FROM dead_letter").await?;
    json(&world, &["dlq", "import", file, "--json"], 0).await?;
    assert_eq!(states(&world).await?.len(), 0, "a dry run puts nothing back");
    let import = ["dlq", "import", file, "--apply", "--reason", "deleted by mistake", "--json"];
    json(&world, &import, 0).await?;
    let after: String = world.db.query_one(letters, &[]).await?.get(0);
    assert_eq!(before, after, "the letters are what they were");
    std::fs::remove_file(file)?;
    world.verify_clean().await
}

/// The words of a command, as a shell would take them apart; quoted ones stay whole.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let mut words = Vec::new();
    for (i, part) in parts {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The letters that the handbook speaks of, one of each kind; the ids that it calls them by.
async fn letters_of_the_handbook(world: &mut World) -> Result<Vec<(&'static str, String)>> {
    world.open_the_hall(&["c1"]).await?;
    let refuse = "ALTER TABLE access_log ADD CONSTRAINT no_way CHECK (log_offset <> 5) NOT VALID";
    world.db.batch_execute(refuse).await?;
    let event = |ms| Event::from(&swipe("c1", "t-hall", ms));
    world
        .log
        .publish([
            Event { value: Some(b"{}".to_vec()), ..event(0) },
            Event::from(&swipe("c1", "t-new", 1)),
            Event::from(&swipe("c1", "t-hal", 2)),
            Event { key: Some(b"another".to_vec()), ..event(3) },
            Event { value: Some(vec![b' '; 20_000]), ..event(4) },
            event(5),
        ])
        .await?;
    assert_eq!(world.caught_up().await?, Totals { dead: 6, ..Totals::default() });
    world.outbox_is_empty().await?;
    let sql = "SELECT reason, dead_letter_id::text FROM dead_letter ORDER BY log_offset";
    let letters: Vec<(String, String)> =
        world.db.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.0.as_str()).collect();
    let unknown = "unknown_terminal";
    assert_eq!(reasons, ["undecodable", unknown, unknown, "wrong_key", "oversize", "bad_row"]);
    // What the handbook tells to do first.
    world.db.batch_execute("ALTER TABLE access_log DROP CONSTRAINT no_way").await?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    let called = [("0195f3a2", 0), ("0195f3c4", 2), ("0195f3d8", 3)];
    Ok(called.map(|(name, letter)| (name, letters[letter].1.clone())).into())
}

#[tokio::test]
async fn every_command_of_the_handbook_works() -> Result<()> {
    let mut world = World::new(1).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    let called = letters_of_the_handbook(&mut world).await?;
    let handbook = include_str!("../../docs/operators.md");
    let folder = std::env::temp_dir();
    let file = |name: &str| folder.join(format!("{}-{name}", world.group)).display().to_string();
    let (letters, event) = (file("letters.ndjson"), file("event.json"));
    std::fs::write(
        &event,
        r#"{"card_id":"c1","terminal_id":"t-hall","occurred_at":"2016-06-01T00:00:09.000Z",
            "received_at":"2016-06-01T00:00:09.000Z","mode":"offline"}"#,
    )?;
    let mut tried = Vec::new();
    for block in handbook.split("```sh\n").skip(1) {
        let commands = block.split("```").next().unwrap_or_default();
        for line in commands.lines() {
            let mut said = line.replace("letters.ndjson", &letters).replace("event.json", &event);
            for (name, id) in &called {
                said = said.replace(name, id);
            }
            let words = words(&said);
            let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
            let (code, out, err) = world.gatelog(&arguments).await?;
            ensure!(words[0] == "gatelog" && code == 0, "{line}: exit code {code}: {out}{err}");
            ensure!(!out.contains("no such letter"), "{line} finds nothing: {out}");
            ensure!(!out.contains("0 letters"), "{line} finds nothing: {out}");
            tried.push(arguments[1].to_owned());
        }
    }
    for command in
        ["summary", "list", "show", "replay", "edit", "discard", "export", "import", "rebuild"]
    {
        ensure!(tried.iter().any(|tried| tried == command), "{command} is not in the handbook");
    }
    // All but the one that was edited and not replayed, and the one that was given up.
    let states = states(&world).await?;
    let resolved = "resolved";
    assert_eq!(states, ["open", resolved, resolved, resolved, "discarded", resolved]);
    assert_eq!(world.caught_up().await?, Totals { rows: 4, dead: 6, ..Totals::default() });
    std::fs::remove_file(letters)?;
    std::fs::remove_file(event)?;
    world.verify_clean().await
}
