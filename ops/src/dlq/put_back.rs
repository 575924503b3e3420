//! Letters that the table lacks, put back from somewhere else: only where the place of each is
//! known to have ended as a dead letter and nothing else.

use std::collections::{BTreeMap, HashSet};

use registry::Timestamptz;
use schemas::{DeadLetterReason, dead_letter_id};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::letter::{Letter, Says};
use crate::operator::Run;
use crate::{Error, Verdict};

use report::Report;

mod report;
mod write;

/// Puts letters back, some in one transaction.
pub(super) struct PutBack<'a> {
    client: &'a mut Client,
    /// Namespace of the ids of this database's letters.
    log_id: Uuid,
    actor: String,
    action: &'static str,
    run: &'a Run,
    batch: Vec<Placed>,
    batch_bytes: usize,
    /// Replays that failed, read before the letter that they are replays of.
    early: Vec<Placed>,
    early_bytes: usize,
    /// In a dry run, those that would be there by now.
    would: Would,
    report: Report,
}

/// A letter, and where it was read.
struct Placed {
    place: String,
    letter: Letter,
}

/// What a dry run would have put back so far.
#[derive(Default)]
struct Would {
    ids: HashSet<Uuid>,
    by_partition: BTreeMap<i32, i64>,
}

/// What speaks against a letter; none if it was there, or can be written.
enum Stand {
    PutBack,
    There,
    /// The letter that it is a replay of is not there yet.
    Early,
    Skipped(String),
}

/// Letters that the counters of each partition have, and the table has not.
type Room = BTreeMap<i32, i64>;

/// The last of the reasons of may_stand.sql.
const NOT_MERGED: &str = "the letter that it is merged into is not there";
/// Why one is skipped where too many wait for their first letters.
const TOO_EARLY: &str = "it comes before the letter that it is merged into, as do too many: the same \
                         command again takes it";
/// Why one is skipped where all of its partition are there.
const NO_ROOM: &str = "its partition has as many dead letters as its counters say already";
/// Letters of one transaction.
const AT_ONCE: usize = 500;
/// Bytes of the letters of one transaction, but for the last of them.
const AT_ONCE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of letters that are kept to the end.
const EARLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The lock of whoever puts letters back: what one has counted, no other fills.
const LOCK: i64 = 7_310_306_032;

impl<'a> PutBack<'a> {
    pub(super) async fn new(
        client: &'a mut Client,
        action: dead_letters::Action,
        run: &'a Run,
    ) -> Result<Self, Error> {
        let row = client.query_opt("SELECT log_id FROM log_topic", &[]).await?;
        let log_id = row.map(|row| row.get(0)).ok_or_else(|| {
            let text = "no consumer has run yet, so no offset has ended as a dead letter: there is \
                        nothing to put back";
            Error::Usage(text.to_owned())
        })?;
        let actor = crate::operator::actor(client).await?;
        Ok(Self {
            client,
            log_id,
            actor,
            action: action.as_str(),
            run,
            batch: Vec::new(),
            batch_bytes: 0,
            early: Vec::new(),
            early_bytes: 0,
            would: Would::default(),
            report: Report::new(run.is_dry()),
        })
    }

    /// Namespace of the ids of this database's letters.
    pub(super) fn log_id(&self) -> Uuid {
        self.log_id
    }

    /// Counts one that is no letter.
    pub(super) fn unreadable(&mut self, why: &str, place: String) {
        self.report.read += 1;
        self.report.skip(why, place);
    }

    /// Whether an identity is a row or a collision.
    pub(super) async fn is_applied(&self, says: Option<&Says>) -> Result<bool, Error> {
        match says {
            Some(says) => says.is_applied(&*self.client).await,
            None => Ok(false),
        }
    }

    /// Puts this one back with those that come after it, or only says whether it could.
    pub(super) async fn add(&mut self, place: String, letter: Letter) -> Result<(), Error> {
        self.report.read += 1;
        self.batch_bytes += letter.bytes();
        self.batch.push(Placed { place, letter });
        if self.batch.len() == AT_ONCE || self.batch_bytes >= AT_ONCE_BYTES {
            self.write_batch().await?;
        }
        Ok(())
    }

    /// Puts back what is left, gives the account, and says no where something was skipped. If the
    /// reading went wrong, that is the error, and the account is of what was done before.
    pub(super) async fn end(
        mut self,
        read: Result<(), Error>,
        from: &str,
        json: bool,
    ) -> Result<Verdict, Error> {
        let ended = match read {
            Ok(()) => self.rest().await,
            Err(error) => Err(error),
        };
        self.report.complete = ended.is_ok();
        self.report.print(from, json)?;
        ended.map(|()| if self.report.skipped.is_empty() { Verdict::Fine } else { Verdict::No })
    }

    async fn rest(&mut self) -> Result<(), Error> {
        self.write_batch().await?;
        let early = std::mem::take(&mut self.early);
        // All that was to be read has been: what is not there now will not come.
        self.early_bytes = usize::MAX;
        for placed in early {
            self.batch_bytes += placed.letter.bytes();
            self.batch.push(placed);
            if self.batch.len() == AT_ONCE || self.batch_bytes >= AT_ONCE_BYTES {
                self.write_batch().await?;
            }
        }
        self.write_batch().await
    }

    async fn write_batch(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let reason = match self.run {
            Run::Dry => "dry run",
            Run::Apply { reason } => reason,
        };
        let is_dry = self.run.is_dry();
        let by = (self.actor.as_str(), self.action, reason);
        let mut transaction = self.client.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        let mut room = room(&transaction, &batch, &self.would).await?;
        let mut stands = Vec::with_capacity(batch.len());
        for Placed { letter, .. } in &batch {
            let stand = if is_dry && self.would.ids.contains(&letter.dead_letter_id) {
                Stand::There
            } else {
                let context = (self.log_id, &self.would, is_dry);
                one(&mut transaction, letter, context, &mut room, by).await?
            };
            if is_dry && matches!(stand, Stand::PutBack) {
                self.would.ids.insert(letter.dead_letter_id);
                *self.would.by_partition.entry(letter.log_partition).or_default() += 1;
            }
            stands.push(stand);
        }
        if is_dry {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        // Only what is committed is counted.
        batch.into_iter().zip(stands).for_each(|(placed, stand)| self.count(placed, stand));
        Ok(())
    }

    fn count(&mut self, Placed { place, letter }: Placed, stand: Stand) {
        match stand {
            Stand::PutBack => *self.report.put_back.entry(letter.state).or_default() += 1,
            Stand::There => self.report.there += 1,
            Stand::Early if self.early_bytes < EARLY_BYTES_MAX => {
                self.early_bytes += letter.bytes();
                self.early.push(Placed { place, letter });
            }
            Stand::Early if self.early_bytes == usize::MAX => self.report.skip(NOT_MERGED, place),
            Stand::Early => self.report.skip(TOO_EARLY, place),
            Stand::Skipped(why) => self.report.skip(&why, place),
        }
    }
}

async fn room(
    transaction: &Transaction<'_>,
    batch: &[Placed],
    would: &Would,
) -> Result<Room, Error> {
    let partitions: Vec<i32> = batch.iter().map(|placed| placed.letter.log_partition).collect();
    let rows = transaction.query(include_str!("sql/room.sql"), &[&partitions]).await?;
    let taken = |partition| would.by_partition.get(&partition).copied().unwrap_or_default();
    let left = |row: &tokio_postgres::Row| (row.get(0), row.get::<_, i64>(1) - taken(row.get(0)));
    Ok(rows.iter().map(left).collect())
}

/// Writes one letter with its action, if nothing speaks against it.
async fn one(
    transaction: &mut Transaction<'_>,
    letter: &Letter,
    (log_id, would, is_dry): (Uuid, &Would, bool),
    room: &mut Room,
    by: (&str, &str, &str),
) -> Result<Stand, Error> {
    if let Some(why) = is_none_of_ours(letter, log_id) {
        return Ok(Stand::Skipped(why.to_owned()));
    }
    let at = letter.says.as_ref().map(|says| Timestamptz(says.occurred_at));
    let card = letter.says.as_ref().map(|says| says.card_id.as_str());
    let Letter { dead_letter_id: id, log_partition, log_offset, merged_into, .. } = letter;
    let against = transaction
        .query_one(
            include_str!("sql/may_stand.sql"),
            &[id, log_partition, log_offset, &at, &card, merged_into],
        )
        .await?;
    let would_be_merged = is_dry && merged_into.is_some_and(|first| would.ids.contains(&first));
    match against.get::<_, Option<&str>>(0) {
        Some("is there") => return Ok(Stand::There),
        Some(NOT_MERGED) if !would_be_merged => return Ok(Stand::Early),
        Some(NOT_MERGED) | None => {}
        Some(why) => return Ok(Stand::Skipped(why.to_owned())),
    }
    let room = room.entry(*log_partition).or_default();
    if *room <= 0 {
        return Ok(Stand::Skipped(NO_ROOM.to_owned()));
    }
    // Its first letter is not written in a dry run, so neither can this be.
    if !would_be_merged && let Some(why) = write::letter(transaction, letter, by).await? {
        return Ok(Stand::Skipped(why));
    }
    *room -= 1;
    Ok(Stand::PutBack)
}

/// What no letter of this database would say.
fn is_none_of_ours(letter: &Letter, log_id: Uuid) -> Option<&'static str> {
    let reason = DeadLetterReason::ALL.into_iter().find(|known| known.as_str() == letter.reason);
    let Some(reason) = reason else { return Some("its cause is none that this program knows") };
    if reason.stage().as_str() != letter.stage {
        return Some("its cause is not found by the step that it names");
    }
    let id = dead_letter_id(log_id, letter.log_partition, letter.log_offset, &letter.stage);
    (id != letter.dead_letter_id).then_some("its id is not one of this database's log")
}
