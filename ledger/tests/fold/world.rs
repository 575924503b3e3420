//! Rows and deltas as a consumer would leave them.

use std::time::Duration;

use ledger::{Delta, Folded, INSERT, Round, fold};
use registry::Cache;
use schemas::{Millis, TerminalCounter};
use tokio_postgres::Client;
use uuid::Uuid;

/// A swipe: terminal, epoch, counter, and when it was, in ms since 2016-06-01.
pub(crate) type Swipe<'t> = (&'t str, u32, u64, i64);

/// 2016-06-01, in ms since 1970.
const BEGINS_MS: i64 = 1_464_739_200_000;
/// Keeps the days that these swipes are of.
pub(crate) const KEEP: &str = "UPDATE retention SET oldest_day = '2016-01-01'";
/// A day, in ms.
pub(crate) const DAY: i64 = 86_400_000;

/// A batch of swipes, one a card, with its delta; their offsets go on from `offset`. Received when they
/// happened.
pub(crate) async fn batch(client: &mut Client, offset: i64, swipes: &[Swipe<'_>]) {
    let rows: Vec<(Swipe<'_>, Uuid, i64)> =
        swipes.iter().map(|swipe| (*swipe, Uuid::new_v4(), swipe.3)).collect();
    batch_of(client, offset, &rows).await;
}

/// The same, of swipes with their ids and when they were received.
pub(crate) async fn batch_of(client: &mut Client, offset: i64, rows: &[(Swipe<'_>, Uuid, i64)]) {
    let transaction = client.transaction().await.unwrap();
    for (at, ((terminal, epoch, seq, ms), id, received)) in (offset..).zip(rows) {
        let day = "SELECT ensure_day((timestamptz 'epoch' + $1 * interval '1 ms')::date)";
        let moment = (BEGINS_MS + ms) as f64;
        transaction.execute(day, &[&moment]).await.unwrap();
        transaction
            .execute(
                ROW,
                &[
                    &moment,
                    &((BEGINS_MS + received) as f64),
                    &at,
                    &i64::try_from(*seq).unwrap(),
                    &i32::try_from(*epoch).unwrap(),
                    id,
                    &format!("c{at}"),
                    terminal,
                ],
            )
            .await
            .unwrap();
    }
    let swipes: Vec<Swipe<'_>> = rows.iter().map(|(swipe, ..)| *swipe).collect();
    add(&transaction, &swipes).await;
    transaction.commit().await.unwrap();
}

const ROW: &str = "INSERT INTO access_log
    (occurred_at, received_at, log_partition, log_offset, permission_clock, reasons, granted, live,
     online, notes, terminal_seq, terminal_epoch, event_id, card_id, terminal_id, zone_id)
    VALUES (timestamptz 'epoch' + $1 * interval '1 ms', timestamptz 'epoch' + $2 * interval '1 ms',
            0, $3, 1, 0, true, false, true, 0, $4, $5, $6, $7, $8, 'hall')";

/// The delta alone.
pub(crate) async fn add(client: &impl tokio_postgres::GenericClient, swipes: &[Swipe<'_>]) {
    let mut cache = Cache::new(std::num::NonZeroUsize::MIN);
    let mut delta = Delta::default();
    for (terminal, epoch, seq, ms) in swipes {
        let terminal = cache.terminal(terminal);
        let counter = TerminalCounter { epoch: *epoch, seq: *seq };
        delta.add(terminal, counter, Millis::from_unix_ms(BEGINS_MS + ms));
    }
    let columns = delta.columns(|terminal| cache.terminal_id(terminal));
    client.execute(INSERT, &columns.parameters()).await.unwrap();
}

/// One that others may follow at once.
pub(crate) const RESTLESS: Round =
    Round { events_max: 500_000, lookups_max: 8, rest: 0, timeout: Duration::from_secs(60) };

/// A round.
pub(crate) async fn round(client: &mut Client) -> Folded {
    fold(client, &RESTLESS).await.unwrap()
}

/// The conflicts: offset, and offset of the other.
pub(crate) async fn conflicts(client: &Client) -> Vec<(i64, i64)> {
    let sql = "SELECT log_offset, other_offset FROM identity_conflict
               WHERE kind = 'counter_reused' ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The ledger: terminal, epoch, day of June 2016, ranges, events.
pub(crate) async fn ledger(client: &Client) -> Vec<String> {
    let sql = "SELECT format('%s %s %s %s %s', terminal_id, terminal_epoch,
                             1 + day - date '2016-06-01', range_agg(seen), sum(events))
               FROM terminal_ledger GROUP BY terminal_id, terminal_epoch, day
               ORDER BY terminal_id, terminal_epoch, day";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
