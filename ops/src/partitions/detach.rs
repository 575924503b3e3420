//! Taking a day out of `access_log` beside running consumers.

use tokio_postgres::Client;

use super::days::{Day, State};
use crate::Error;
use crate::operator::busy;

const HELD: &str = "a day is not detached yet: a session that has read or written it is still in its \
    transaction (a backup, `gatelog verify`, a report, a consumer that looks for a counter that came \
    twice). Nothing is lost; the same command again goes on where this one stopped";

/// Detaches a day, or finishes what an interrupted detach has begun. CONCURRENTLY: the plain form
/// waits for open batches with a lock that every COPY behind it, of whatever day, waits for.
pub(super) async fn detach(client: &Client, day: &Day) -> Result<(), Error> {
    let how = match day.state {
        State::Detached => return Ok(()),
        State::Pending => "FINALIZE",
        State::Attached => "CONCURRENTLY",
    };
    let sql = format!("ALTER TABLE access_log DETACH PARTITION {} {how}", day.table);
    client.batch_execute(&sql).await.map_err(busy(HELD))
}
