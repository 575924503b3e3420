//! Claims: who may advance a partition. Taken in Postgres, because Kafka's group may be of two
//! minds for a while and a stopped member does not know that it has been replaced.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use tokio_postgres::Client;
use tracing::{info, warn};
use uuid::Uuid;

use crate::chunk::Claim;
use crate::error::Error;
use crate::fault;
use crate::progress::Progress;
use crate::start::{AskKafka, Identity};
use crate::store::{self, Connector};

/// A claim that was granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    pub(crate) claim: Claim,
    pub(crate) progress: Progress,
    /// Whether events wait in its lanes.
    pub(crate) has_lanes: bool,
}

/// Takes claims.
pub(crate) struct Claimer {
    pub(crate) connector: Arc<Connector>,
    pub(crate) kafka: AskKafka,
    /// The log that the database is pinned to.
    pub(crate) log: Identity,
    /// How long a predecessor may be in the way.
    pub(crate) wait: Duration,
}

impl Claimer {
    /// Claims `partitions` in one transaction, under one new owner.
    ///
    /// A predecessor that is in the middle of its transaction holds the row. If it doesn't let go
    /// in time (stopped in mid-COPY: no timeout of Postgres ends that), its session is ended.
    pub(crate) async fn claim(&self, partitions: &[i32]) -> Result<Vec<Granted>, Error> {
        // Assigned anew may mean made anew: the topic was deleted, and there is one of its name.
        self.kafka.must_be(&self.log).await?;
        let client = self.connector.connect().await?;
        let pid: i32 = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .map_err(Error::postgres("claiming partitions"))?
            .get(0);
        self.register_new(&client, partitions).await?;
        fault::after("register");

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
        fault::after("claim");
        if rows.len() != partitions.len() {
            return Err(Error::Bug(format!("claimed {} of {partitions:?}", rows.len())));
        }
        let granted = rows.iter().map(|row| {
            let claim = Claim { partition: row.get(0), owner };
            let has_lanes = row.get::<_, i64>("parked") > 0;
            Ok(Granted { claim, progress: Progress::read(row)?, has_lanes })
        });
        let mut granted = granted.collect::<Result<Vec<Granted>, Error>>()?;
        // In this order they are dealt to the writers.
        granted.sort_unstable_by_key(|granted| granted.claim.partition);
        Ok(granted)
    }

    /// Enters the partitions that have no row: all of the topic's, from the start of the log, by
    /// whoever claims first. A row that is missing later was lost.
    async fn register_new(&self, client: &Client, partitions: &[i32]) -> Result<(), Error> {
        let doing = "registering partitions";
        let rows = client.query("SELECT log_partition FROM consumer_offset", &[]).await;
        let rows = rows.map_err(Error::postgres(doing))?;
        let known: HashSet<i32> = rows.iter().map(|row| row.get(0)).collect();
        if partitions.iter().all(|partition| known.contains(partition)) {
            return Ok(());
        }
        let new: Vec<i32> = (0..self.log.partitions).filter(|p| !known.contains(p)).collect();
        // Read again from the start, what went with dropped days would be counted wrongly.
        let sql = include_str!("sql/summed_partitions.sql");
        let rows = client.query(sql, &[&new]).await.map_err(Error::postgres(doing))?;
        if !rows.is_empty() {
            let partitions = rows.iter().map(|row| row.get(0)).collect();
            return Err(Error::ProgressLost { partitions });
        }
        let (consumer, topic) = (self.kafka.consumer, self.kafka.topic.clone());
        let asked = new.clone();
        let (low, high): (Vec<i64>, Vec<i64>) = tokio::task::spawn_blocking(move || {
            let timeout = Duration::from_secs(10);
            let ends = |p: &i32| consumer.fetch_watermarks(&topic, *p, timeout);
            asked.iter().map(ends).collect::<Result<Vec<(i64, i64)>, _>>()
        })
        .await
        .map_err(|_| Error::Ended("asking for the ends of the log"))?
        .map_err(Error::kafka("asking for the ends of the log"))?
        .into_iter()
        .unzip();
        client
            .execute(include_str!("sql/register_partitions.sql"), &[&new, &low, &high])
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
