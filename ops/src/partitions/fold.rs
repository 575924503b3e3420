//! Seals that nothing stands behind any more, at the beginning of a partition, become one base.

use seal::{BUCKET_OFFSETS, bucket_of, bucket_start};
use tokio_postgres::{Client, Row};

use crate::Error;

/// A bucket that is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sealed {
    bucket: i64,
    chain: Vec<u8>,
    /// Whether events of it went with their days.
    is_dropped: bool,
    /// Whether all its events are gone or dead letters.
    is_bare: bool,
}

/// Folds what can be folded; how many seals that were.
pub(super) async fn fold(client: &mut Client) -> Result<i64, Error> {
    let sql = "SELECT o.log_partition, o.first_offset, b.first_bucket \
               FROM consumer_offset o LEFT JOIN log_base b USING (log_partition) ORDER BY 1";
    let mut folded = 0;
    for row in client.query(sql, &[]).await? {
        let (partition, first_offset): (i32, i64) = (row.get(0), row.get(1));
        let begins = row.get::<_, Option<i64>>(2).unwrap_or_else(|| bucket_of(first_offset));
        let sql = include_str!("sql/sealed.sql");
        let sealed = client.query(sql, &[&partition, &BUCKET_OFFSETS]).await?;
        let sealed: Vec<Sealed> = sealed.iter().map(Sealed::read).collect();
        if let Some(last) = last_to_fold(begins, &sealed) {
            fold_up_to(client, partition, first_offset, last).await?;
            folded += last.bucket + 1 - begins;
        }
    }
    Ok(folded)
}

/// The last bucket of the unbroken run from `begins` of which nothing stands. Dead letters alone are
/// no reason to fold: they end a run only where dropped events follow.
fn last_to_fold(begins: i64, sealed: &[Sealed]) -> Option<&Sealed> {
    let run =
        sealed.iter().zip(begins..).take_while(|(s, wanted)| s.bucket == *wanted && s.is_bare);
    run.map(|(sealed, _)| sealed).filter(|sealed| sealed.is_dropped).last()
}

async fn fold_up_to(
    client: &mut Client,
    partition: i32,
    first_offset: i64,
    last: &Sealed,
) -> Result<(), Error> {
    let first_bucket = last.bucket + 1;
    let transaction = client.transaction().await?;
    let sql = include_str!("sql/fold.sql");
    let row = transaction
        .query_one(sql, &[&partition, &first_bucket, &last.chain, &BUCKET_OFFSETS])
        .await?;
    let (found, wanted): (i64, i64) = (row.get(0), bucket_start(first_bucket) - first_offset);
    if found != wanted {
        return Err(Error::Usage(format!(
            "partition {partition}: {found} outcomes are known before offset {}, and must be {wanted}; \
             its seals stay as they are. The days are dropped; `gatelog verify` says what is wrong",
            bucket_start(first_bucket)
        )));
    }
    for sql in [
        "DELETE FROM log_seal WHERE log_partition = $1 AND bucket < $2",
        "DELETE FROM dropped_sum WHERE log_partition = $1 AND bucket < $2",
    ] {
        transaction.execute(sql, &[&partition, &first_bucket]).await?;
    }
    Ok(transaction.commit().await?)
}

impl Sealed {
    fn read(row: &Row) -> Self {
        Self {
            bucket: row.get("bucket"),
            chain: row.get("chain"),
            is_dropped: row.get("is_dropped"),
            is_bare: row.get::<_, i64>("events") == row.get::<_, i64>("accounted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_folded_up_to_its_last_dropped_bucket() {
        let sealed =
            |bucket, is_dropped, is_bare| Sealed { bucket, chain: Vec::new(), is_dropped, is_bare };
        let last = |begins, all: &[Sealed]| last_to_fold(begins, all).map(|sealed| sealed.bucket);
        let (gone, dead) = (|n| sealed(n, true, true), |n| sealed(n, false, true));
        assert_eq!(last(0, &[]), None);
        assert_eq!(last(0, &[gone(0), dead(1), gone(2), dead(3)]), Some(2));
        assert_eq!(last(0, &[gone(0), sealed(1, true, false), gone(2)]), Some(0));
        assert_eq!(last(0, &[gone(1)]), None, "the run does not begin where it must");
        assert_eq!(last(4, &[gone(4), gone(6)]), Some(4));
        assert_eq!(last(0, &[dead(0)]), None);
    }
}
