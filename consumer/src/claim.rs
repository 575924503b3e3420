//! Claims: who may advance a partition. Taken in Postgres, because Kafka's group may be of two
//! minds for a while and a stopped member does not know that it has been replaced.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio_postgres::Client;
use tracing::{info, warn};
use uuid::Uuid;

use crate::chunk::Claim;
use crate::error::Error;
use crate::reader::Follow;
use crate::store::{self, Connector};

/// The claims this process holds, shared by reader and writers.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<i32, Held>>);

#[derive(Debug)]
struct Held {
    owner: Uuid,
    /// Committed up to here.
    next_offset: i64,
    lost: Option<(Loss, Instant)>,
}

/// How a claim was found to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Another owner stands in the row.
    Taken,
    /// The row is behind what we committed, or gone: the database was put back to an earlier copy.
    PutBack,
}

impl Claims {
    pub(crate) fn hold(&self, claim: Claim, next_offset: i64) {
        let held = Held { owner: claim.owner, next_offset, lost: None };
        self.lock().insert(claim.partition, held);
    }

    pub(crate) fn release(&self, partition: i32) {
        self.lock().remove(&partition);
    }

    /// Every claim that is still good.
    pub(crate) fn held(&self) -> HashSet<Claim> {
        let held = self.lock();
        let good = held.iter().filter(|(_, held)| held.lost.is_none());
        good.map(|(partition, held)| Claim { partition: *partition, owner: held.owner }).collect()
    }

    /// Marks a claim as lost; one that was replaced meanwhile is left alone.
    pub(crate) fn lose(&self, claim: Claim, loss: Loss) {
        if let Some(held) = self.lock().get_mut(&claim.partition)
            && held.owner == claim.owner
        {
            held.lost = Some((loss, Instant::now()));
        }
    }

    pub(crate) fn committed(&self, claim: Claim, next_offset: i64) {
        if let Some(held) = self.lock().get_mut(&claim.partition)
            && held.owner == claim.owner
        {
            held.next_offset = next_offset;
        }
    }

    /// Lost partitions that it is time to claim again. Each is returned once.
    pub(crate) fn due(&self, taken_for: Duration) -> Vec<i32> {
        let mut held = self.lock();
        let due: Vec<i32> = held
            .iter()
            .filter(|(_, held)| match held.lost {
                None => false,
                Some((Loss::PutBack, _)) => true,
                Some((Loss::Taken, since)) => since.elapsed() >= taken_for,
            })
            .map(|(partition, _)| *partition)
            .collect();
        for partition in &due {
            held.remove(partition);
        }
        due
    }

    /// Where each partition's next transaction starts.
    pub(crate) fn next_offsets(&self) -> HashMap<i32, i64> {
        self.lock().iter().map(|(partition, held)| (*partition, held.next_offset)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Held>> {
        // Every change is one assignment: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that was granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    pub(crate) claim: Claim,
    pub(crate) next_offset: i64,
}

/// Takes claims.
pub(crate) struct Claimer {
    pub(crate) connector: Arc<Connector>,
    pub(crate) consumer: Arc<BaseConsumer<Follow>>,
    pub(crate) topic: String,
    /// How long a predecessor may be in the way.
    pub(crate) wait: Duration,
}

impl Claimer {
    /// Claims `partitions` in one transaction, under one new owner.
    ///
    /// A predecessor that is in the middle of its transaction holds the row. If it doesn't let go
    /// in time (stopped in mid-COPY: no timeout of Postgres ends that), its session is ended.
    pub(crate) async fn claim(&self, partitions: &[i32]) -> Result<Vec<Granted>, Error> {
        let client = self.connector.connect().await?;
        let pid: i32 = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .map_err(Error::postgres("claiming partitions"))?
            .get(0);
        self.register_new(&client, partitions).await?;

        let owner = Uuid::new_v4();
        let name = self.connector.member();
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&partitions, &owner, &name];
        let claim = client.query(include_str!("sql/claim.sql"), &parameters);
        tokio::pin!(claim);
        let rows = loop {
            tokio::select! {
                rows = &mut claim => break rows.map_err(Error::postgres("claiming partitions"))?,
                () = tokio::time::sleep(self.wait) => self.end_predecessor(pid).await?,
            }
        };
        if rows.len() != partitions.len() {
            return Err(Error::Bug(format!("claimed {} of {partitions:?}", rows.len())));
        }
        let granted = rows.iter().map(|row| Granted {
            claim: Claim { partition: row.get(0), owner },
            next_offset: row.get(1),
        });
        Ok(granted.collect())
    }

    /// Enters partitions that were never read, from the start of the log.
    async fn register_new(&self, client: &Client, partitions: &[i32]) -> Result<(), Error> {
        let doing = "registering partitions";
        let rows = client
            .query(include_str!("sql/known_partitions.sql"), &[&partitions])
            .await
            .map_err(Error::postgres(doing))?;
        let known: HashSet<i32> = rows.iter().map(|row| row.get(0)).collect();
        let new: Vec<i32> = partitions.iter().copied().filter(|p| !known.contains(p)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        let asked = new.clone();
        let starts = tokio::task::spawn_blocking(move || {
            let timeout = Duration::from_secs(10);
            let start =
                |p: &i32| consumer.fetch_watermarks(&topic, *p, timeout).map(|(low, _)| low);
            asked.iter().map(start).collect::<Result<Vec<i64>, _>>()
        })
        .await
        .map_err(|_| Error::Ended("asking for the start of the log"))?
        .map_err(Error::kafka("asking for the start of the log"))?;
        client
            .execute(include_str!("sql/register_partitions.sql"), &[&new, &starts])
            .await
            .map_err(Error::postgres(doing))?;
        Ok(())
    }

    async fn end_predecessor(&self, waiting_pid: i32) -> Result<(), Error> {
        let client = self.connector.connect().await?;
        let rows = client
            .query(include_str!("sql/end_predecessor.sql"), &[&waiting_pid, &store::APPLICATION])
            .await
            .map_err(Error::postgres("ending a predecessor's session"))?;
        for row in &rows {
            let predecessor: &str = row.get(0);
            warn!(predecessor, "its transaction held a claimed partition for too long; ended it");
        }
        if rows.is_empty() {
            info!("waiting for another session to let go of a claimed partition");
        }
        Ok(())
    }
}
