//! The fence: may this batch be applied, and by us?

use std::collections::{HashMap, HashSet};

use registry::Timestamptz;
use seal::Seal;
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Store, Transaction};
use crate::batch::Part;
use crate::chunk::Claim;
use crate::claims::{Claims, Loss};
use crate::error::Error;
use crate::progress::Progress;
use crate::store::seals::Sums;

/// One partition's share of a batch, and what it makes of the partition.
#[derive(Debug, Clone)]
pub(crate) struct Share<'b> {
    pub(crate) part: &'b Part,
    pub(crate) dead: i64,
    /// How far the partition is after the batch.
    pub(crate) after: Progress,
    /// The buckets that are complete by then.
    pub(crate) seals: Vec<Seal>,
}

/// What became of the fence.
#[derive(Debug)]
pub(crate) enum Fenced {
    /// Every partition was where we left it.
    Through(Ahead),
    /// Some were not.
    Stopped(Vec<(i32, Fence)>),
}

/// What there is to be done besides the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Partitions that have lanes.
    pub(crate) with_lanes: Vec<i32>,
    /// Whether letters wait for their replays.
    pub(crate) is_replaying: bool,
}

/// Why a partition could not be advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    /// The claim is lost.
    Lost(Loss),
    /// It is ours and ahead: a commit whose reply was lost had landed, up to here.
    Landed(Progress),
}

impl Transaction<'_> {
    /// Advances all partitions, on `owner = ours AND next_offset = first`.
    pub(crate) async fn fence(&self, shares: &[Share<'_>]) -> Result<Fenced, Error> {
        let doing = "advancing the partitions";
        let partitions: Vec<i32> = column(shares, |s| s.part.claim.partition);
        let owners: Vec<Uuid> = column(shares, |s| s.part.claim.owner);
        let first: Vec<i64> = column(shares, |s| s.part.first);
        let next: Vec<i64> = column(shares, |s| s.part.next);
        let dead: Vec<i64> = column(shares, |s| s.dead);
        let gaps: Vec<i64> =
            column(shares, |s| s.part.gaps.iter().map(|gap| gap.end - gap.first).sum());
        let latest = column(shares, |s| Timestamptz(s.after.occurred_at_max));
        let open = Sums::of(shares.iter().map(|s| &s.after.open.sum));
        let chains: Vec<&[u8]> = shares.iter().map(|s| &s.after.open.chain.0[..]).collect();
        let parameters: [&(dyn ToSql + Sync); 12] = [
            &partitions,
            &owners,
            &first,
            &next,
            &dead,
            &gaps,
            &latest,
            &open.events,
            &open.digests,
            &open.occurred_min,
            &open.occurred_max,
            &chains,
        ];
        let rows = self
            .inner
            .query(&self.statements.fence, &parameters)
            .await
            .map_err(Error::postgres(doing))?;
        if rows.len() == shares.len() {
            let with_lanes = rows.iter().filter(|row| row.get::<_, i64>(1) > 0);
            return Ok(Fenced::Through(Ahead {
                with_lanes: with_lanes.map(|row| row.get(0)).collect(),
                is_replaying: rows.iter().any(|row| row.get(2)),
            }));
        }
        let through: HashSet<i32> = rows.iter().map(|row| row.get(0)).collect();
        let found = read_offsets(&self.inner, &partitions).await?;
        let stopped = shares
            .iter()
            .filter(|share| !through.contains(&share.part.claim.partition))
            .map(|share| {
                let partition = share.part.claim.partition;
                (partition, why_stopped(share.part, found.get(&partition).copied()))
            });
        Ok(Fenced::Stopped(stopped.collect()))
    }
}

impl Store {
    /// Which claims the rows they stand for say are lost: a partition without traffic, which meets no
    /// fence, must not miss that it was put back.
    pub(crate) async fn look_after(&self, claims: &Claims) -> Result<Vec<(Claim, Loss)>, Error> {
        // Before the rows are read: by then they can only be further.
        let held = claims.held();
        let partitions: Vec<i32> = held.keys().map(|claim| claim.partition).collect();
        let found = read_offsets(self.client(), &partitions).await?;
        let lost = held.into_iter().filter_map(|(claim, progress)| {
            let row = found.get(&claim.partition).copied();
            Some((claim, loss(claim, progress.open.next_offset, row)?))
        });
        Ok(lost.collect())
    }
}

/// Owner and progress of partitions, as their rows say now.
async fn read_offsets(
    client: &impl GenericClient,
    partitions: &[i32],
) -> Result<HashMap<i32, (Uuid, Progress)>, Error> {
    let sql = include_str!("../sql/read_offsets.sql");
    let rows = client.query(sql, &[&partitions]).await;
    let rows = rows.map_err(Error::postgres("reading how far the partitions are"))?;
    rows.iter().map(|row| Ok((row.get(0), (row.get(1), Progress::read(row)?)))).collect()
}

fn column<T>(shares: &[Share<'_>], pick: impl Fn(&Share<'_>) -> T) -> Vec<T> {
    shares.iter().map(pick).collect()
}

fn why_stopped(part: &Part, found: Option<(Uuid, Progress)>) -> Fence {
    match (found, loss(part.claim, part.first, found)) {
        (_, Some(loss)) => Fence::Lost(loss),
        (Some((_, at)), None) => Fence::Landed(at),
        (None, None) => Fence::Lost(Loss::PutBack),
    }
}

/// Whether the row of a claim that had come to `next_offset` says that it is lost.
///
/// A row that is behind means another past, whoever owns it there: an earlier copy of the database,
/// or an operator's reset. Nobody who only takes a partition over moves it back.
fn loss(claim: Claim, next_offset: i64, found: Option<(Uuid, Progress)>) -> Option<Loss> {
    match found {
        None => Some(Loss::PutBack),
        Some((_, at)) if at.open.next_offset < next_offset => Some(Loss::PutBack),
        Some((owner, _)) if owner != claim.owner => Some(Loss::Taken),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use schemas::Millis;
    use seal::Open;

    use super::*;

    #[test]
    fn the_readings_of_a_row_that_did_not_advance() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let claim = Claim { partition: 0, owner: ours };
        let at = |next_offset| Progress {
            open: Open::start(next_offset),
            occurred_at_max: Millis::from_unix_ms(0),
            applied_to: next_offset,
        };
        let part = Part { claim, first: 10, next: 20, gaps: Vec::new(), before: at(10) };
        assert_eq!(why_stopped(&part, Some((theirs, at(10)))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((theirs, at(20)))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((theirs, at(5)))), Fence::Lost(Loss::PutBack));
        assert_eq!(why_stopped(&part, Some((ours, at(20)))), Fence::Landed(at(20)));
        assert_eq!(why_stopped(&part, Some((ours, at(5)))), Fence::Lost(Loss::PutBack));
        assert_eq!(why_stopped(&part, None), Fence::Lost(Loss::PutBack));
    }
}
