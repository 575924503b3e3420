//! The fence: may this batch be applied, and by us?

use std::collections::HashMap;

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Transaction;
use crate::batch::Part;
use crate::claims::Loss;
use crate::error::Error;

/// One partition's share of a batch, as the fence counts it.
#[derive(Debug, Clone)]
pub(crate) struct Share<'b> {
    pub(crate) part: &'b Part,
    pub(crate) dead: i64,
    pub(crate) occurred_at_max: Millis,
}

/// What became of the fence.
#[derive(Debug)]
pub(crate) enum Fenced {
    /// Every partition was where we left it; their latest `occurred_at` before this batch.
    Through(HashMap<i32, Millis>),
    /// Some were not.
    Stopped(Vec<(i32, Fence)>),
}

/// Why a partition could not be advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    /// The claim is lost.
    Lost(Loss),
    /// It is ours and ahead: a commit whose reply was lost had landed, up to here.
    Landed(i64),
}

impl Transaction<'_> {
    /// Advances all partitions, on `owner = ours AND next_offset = first`.
    pub(crate) async fn fence(&self, shares: &[Share<'_>]) -> Result<Fenced, Error> {
        let doing = "advancing the partitions";
        let column = |pick: fn(&Share<'_>) -> i64| shares.iter().map(pick).collect::<Vec<i64>>();
        let partitions: Vec<i32> = shares.iter().map(|s| s.part.claim.partition).collect();
        let owners: Vec<Uuid> = shares.iter().map(|s| s.part.claim.owner).collect();
        let first = column(|s| s.part.first);
        let next = column(|s| s.part.next);
        let dead = column(|s| s.dead);
        let gaps = column(|s| s.part.gaps.iter().map(|gap| gap.end - gap.first).sum());
        let latest: Vec<_> = shares.iter().map(|s| Timestamptz(s.occurred_at_max)).collect();
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&partitions, &owners, &first, &next, &dead, &gaps, &latest];
        let rows = self
            .inner
            .query(&self.statements.fence, &parameters)
            .await
            .map_err(Error::postgres(doing))?;
        let through: HashMap<i32, Millis> =
            rows.iter().map(|row| (row.get(0), row.get::<_, Timestamptz>(1).0)).collect();
        if through.len() == shares.len() {
            return Ok(Fenced::Through(through));
        }
        let rows = self
            .inner
            .query(include_str!("../sql/read_offsets.sql"), &[&partitions])
            .await
            .map_err(Error::postgres(doing))?;
        let found: HashMap<i32, (Uuid, i64)> =
            rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let stopped = shares
            .iter()
            .filter(|share| !through.contains_key(&share.part.claim.partition))
            .map(|share| {
                let partition = share.part.claim.partition;
                (partition, why_stopped(share.part, found.get(&partition).copied()))
            });
        Ok(Fenced::Stopped(stopped.collect()))
    }
}

fn why_stopped(part: &Part, found: Option<(Uuid, i64)>) -> Fence {
    match found {
        Some((owner, _)) if owner != part.claim.owner => Fence::Lost(Loss::Taken),
        Some((_, next)) if next > part.first => Fence::Landed(next),
        _ => Fence::Lost(Loss::PutBack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Claim;

    #[test]
    fn the_readings_of_a_row_that_did_not_advance() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let claim = Claim { partition: 0, owner: ours };
        let part = Part { claim, first: 10, next: 20, gaps: Vec::new() };
        assert_eq!(why_stopped(&part, Some((theirs, 10))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((theirs, 20))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((ours, 20))), Fence::Landed(20));
        assert_eq!(why_stopped(&part, Some((ours, 5))), Fence::Lost(Loss::PutBack));
        assert_eq!(why_stopped(&part, None), Fence::Lost(Loss::PutBack));
    }
}
