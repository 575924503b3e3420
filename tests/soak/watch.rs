//! Looks at how far the consumers are, all the time: what paces the faults, and what says how long
//! a takeover took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

/// How often it looks.
const GLANCE: Duration = Duration::from_millis(40);
/// How long a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// One partition.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    /// Who has claimed it.
    pub(crate) owner: String,
    /// Its next offset.
    pub(crate) next_offset: i64,
    /// When this owner was last seen to have advanced it.
    pub(crate) worked: Option<Instant>,
}

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// By partition.
    pub(crate) partitions: BTreeMap<i32, Partition>,
    /// Offsets that were seen to be passed, those that were passed again included.
    pub(crate) advanced: i64,
    /// The same by owner.
    pub(crate) advanced_by: BTreeMap<String, i64>,
}

/// The task that looks.
pub(crate) struct Watch {
    sights: watch::Receiver<Sight>,
    looking: JoinHandle<()>,
}

impl Watch {
    /// Begins to look at the database at `url`, which may go away and come back.
    pub(crate) fn start(url: String) -> Self {
        let (sender, sights) = watch::channel(Sight::default());
        let looking = tokio::spawn(look(url, sender));
        Self { sights, looking }
    }

    /// What is seen now.
    pub(crate) fn now(&self) -> Sight {
        self.sights.borrow().clone()
    }

    /// Offsets that were passed so far.
    pub(crate) fn advanced(&self) -> i64 {
        self.sights.borrow().advanced
    }

    /// Waits until a condition holds; false where it doesn't in time.
    pub(crate) async fn until(
        &mut self,
        within: Duration,
        condition: impl FnMut(&Sight) -> bool,
    ) -> bool {
        let seen = timeout(within, self.sights.wait_for(condition)).await;
        matches!(seen, Ok(Ok(_)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

async fn look(url: String, sights: watch::Sender<Sight>) {
    let mut client: Option<Client> = None;
    loop {
        tokio::time::sleep(GLANCE).await;
        let looked = timeout(LOOK_WITHIN, async {
            let client = match &mut client {
                Some(client) => client,
                empty => empty.insert(connect(&url).await?),
            };
            read(client).await
        });
        match looked.await {
            Ok(Ok(found)) => sights.send_modify(|sight| sight.take(found)),
            // Postgres is away, as it is to be now and then.
            _ => client = None,
        }
    }
}

type Found = (i32, String, i64);

async fn read(client: &Client) -> Result<Vec<Found>> {
    let sql = "SELECT log_partition, owner_name, next_offset FROM consumer_offset";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// Connects and keeps the connection going.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Sight {
    fn take(&mut self, found: Vec<Found>) {
        for (number, owner, next_offset) in found {
            let Some(before) = self.partitions.get_mut(&number) else {
                let partition = Partition { owner, next_offset, worked: None };
                self.partitions.insert(number, partition);
                continue;
            };
            // Where the owner has changed between two looks, who of both advanced it is not known.
            if before.owner != owner {
                before.worked = None;
            } else if next_offset > before.next_offset {
                before.worked = Some(Instant::now());
                *self.advanced_by.entry(owner.clone()).or_default() +=
                    next_offset - before.next_offset;
            }
            self.advanced += (next_offset - before.next_offset).max(0);
            before.owner = owner;
            before.next_offset = next_offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(owner: &str, next_offset: i64) -> Vec<Found> {
        vec![(0, owner.to_owned(), next_offset)]
    }

    #[test]
    fn an_owner_has_worked_when_it_was_seen_to_advance_what_it_had() {
        let mut sight = Sight::default();
        sight.take(found("one", 10));
        assert!(sight.partitions[&0].worked.is_none(), "nothing was seen yet");
        sight.take(found("one", 15));
        assert!(sight.partitions[&0].worked.is_some());
        sight.take(found("other", 18));
        assert!(sight.partitions[&0].worked.is_none(), "the last 3 may be the first one's");
        assert_eq!((sight.advanced, sight.advanced_by["one"]), (8, 5));
    }

    #[test]
    fn a_database_that_was_put_back_takes_nothing_away() {
        let mut sight = Sight::default();
        for next_offset in [0, 100, 40, 60] {
            sight.take(found("one", next_offset));
        }
        assert_eq!(sight.advanced, 120);
    }
}
