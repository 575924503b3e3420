//! Tens of terminals come back from days offline and upload at once, parts of it twice: nothing
//! overwrites anything, whatever the order (S3).

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use support::{Totals, World, eventually};

const TERMINALS: usize = 40;
const READS: usize = 250;
const CARDS: usize = 30;
/// Lines of one upload.
const LINES: usize = 100;

/// A read that a terminal kept: which one, which card, and when (ms after 2016-06-01).
type Read = (usize, usize, usize);

/// What a terminal kept. Terminals read the same cards in the same milliseconds now and then.
fn kept(terminal: usize) -> Vec<Read> {
    (0..READS).map(|i| (terminal, (i * 7 + terminal) % CARDS, i * 40_000 + terminal % 5)).collect()
}

fn line((terminal, card, ms): Read) -> String {
    let at = schemas::Millis::from_unix_ms(1_464_739_200_000 + ms as i64);
    format!(
        r#"{{"card_id":"c{card}","terminal_id":"t{terminal}","occurred_at":"{at}","mode":"offline","terminal_epoch":1,"terminal_seq":{ms}}}"#
    )
}

/// What a terminal sends, in pieces: some from the end, some a part of it twice.
fn uploads(terminal: usize) -> Vec<Vec<Read>> {
    let mut pieces: Vec<Vec<Read>> = kept(terminal).chunks(LINES).map(<[Read]>::to_vec).collect();
    if terminal % 2 == 1 {
        pieces.reverse();
    }
    if terminal.is_multiple_of(3) {
        pieces.push(pieces[0].clone());
    }
    pieces
}

async fn upload(client: &Client, url: &str, terminal: usize) -> Result<usize> {
    let mut sent = 0;
    for piece in uploads(terminal) {
        let body: Vec<String> = piece.iter().map(|read| line(*read)).collect();
        let body = body.join("\n");
        // The gateway works on a few at a time; a terminal tries again.
        let text = eventually("the gateway has room for a batch", async || {
            let request = client.post(url).header("content-type", "application/x-ndjson");
            let answer = request.body(body.clone()).send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status.is_success() || status == 429, "terminal {terminal}: {status}: {text}");
            Ok(status.is_success().then_some(text))
        })
        .await?;
        let taken = text.lines().filter(|line| line.contains(r#""status":200"#)).count();
        ensure!(taken == piece.len(), "terminal {terminal}: {taken} of {} taken", piece.len());
        sent += piece.len();
    }
    Ok(sent)
}

#[tokio::test]
async fn everything_is_kept_whatever_the_order() -> Result<()> {
    let mut world = World::new(6).await?;
    let cards: Vec<String> = (0..CARDS).map(|card| format!("c{card}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let terminals: Vec<String> = (0..TERMINALS).map(|terminal| format!("t{terminal}")).collect();
    let register = "INSERT INTO terminal SELECT t, 'hall', 'in' FROM unnest($1::text[]) AS t";
    world.db.execute(register, &[&terminals]).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let _consumers = [world.consumer()?, world.consumer()?];

    let url = format!("http://{}/v1/swipes:batch", gateway.address().await?);
    let client = Client::new();
    let sent: Vec<usize> = stream::iter(0..TERMINALS)
        .map(|terminal| upload(&client, &url, terminal))
        .buffer_unordered(TERMINALS)
        .try_collect()
        .await
        .context("uploading")?;

    let reads: Vec<Read> = (0..TERMINALS).flat_map(kept).collect();
    let keys: BTreeSet<(usize, usize)> = reads.iter().map(|(_, card, ms)| (*card, *ms)).collect();
    let (sent, rows) = (sent.iter().sum::<usize>(), keys.len());
    assert!(rows < reads.len() && reads.len() < sent, "there are collisions and duplicates");
    let expected = Totals {
        rows: rows as i64,
        collisions: (reads.len() - rows) as i64,
        duplicates: (sent - reads.len()) as i64,
        ..Totals::default()
    };
    assert_eq!(world.caught_up().await?, expected);
    // Whoever was first in the log has the row, and every collision and duplicate names it.
    let sql = "SELECT count(*) FROM collision c JOIN access_log a USING (occurred_at, card_id)
               WHERE c.log_partition = a.log_partition AND c.row_offset = a.log_offset
                 AND a.log_offset < c.log_offset AND a.event_id <> c.event_id";
    let named: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert_eq!(named, expected.collisions, "collisions that name an earlier row of their key");
    world.verify_clean().await
}
