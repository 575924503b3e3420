//! What was published of the decisions, held against the rows.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use schemas::{Decision, Outcome, command_id, decision_id, headers};
use uuid::Uuid;

use super::{OTHER_PARTITIONS, World};
use crate::eventually;
use crate::log::{Event, Log};

/// A decision with its record.
pub struct Published {
    /// Partition and offset.
    pub at: (i32, i64),
    /// The record.
    pub record: Event,
    /// What it says.
    pub decision: Decision,
}

impl World {
    /// Makes another topic.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn make_topic(&self, name: &str) -> Result<Log> {
        let topic = ops::topics::Topic {
            name: name.to_owned(),
            partitions: OTHER_PARTITIONS,
            replication_factor: 1,
            config: Vec::new(),
        };
        let servers = settings::Kafka { brokers: self.kafka.clone(), ..settings::Kafka::default() };
        ops::topics::ensure(&servers, &[topic]).await?;
        Log::new(&self.kafka, name)
    }

    /// Waits until the outbox is empty.
    ///
    /// # Errors
    /// It never is.
    pub async fn outbox_is_empty(&self) -> Result<()> {
        let what = "the outbox is empty";
        eventually(what, async || Ok((self.outbox_rows().await? == 0).then_some(()))).await
    }

    /// Rows of the outbox.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn outbox_rows(&self) -> Result<i64> {
        Ok(self.db.query_one("SELECT count(*) FROM outbox", &[]).await?.get(0))
    }

    /// Everything on the topic of the decisions.
    ///
    /// # Errors
    /// Kafka's own, or a record is no decision.
    pub async fn published(&self) -> Result<Vec<Published>> {
        Self::published_on(&self.decisions).await
    }

    /// Everything on a topic of decisions.
    ///
    /// # Errors
    /// Kafka's own, or a record is no decision.
    pub async fn published_on(topic: &Log) -> Result<Vec<Published>> {
        let records = topic.read(OTHER_PARTITIONS).await?;
        let published = records.into_iter().map(|(at, record)| {
            let value = record.value.as_deref().unwrap_or_default();
            let decision = serde_json::from_slice(value).context("a record is no decision")?;
            Ok(Published { at, record, decision })
        });
        published.collect()
    }

    /// Waits until the outbox is empty and requires that each live row and collision has its decision
    /// on the topic, that nothing else has one, and that only granted rows have a door command. What
    /// was published twice must have been the same. What is there then.
    ///
    /// # Errors
    /// Names the first thing that is not so.
    pub async fn decisions_are_whole(&self) -> Result<Vec<Published>> {
        self.outbox_is_empty().await?;
        let sql = "SELECT event_id, terminal_id, granted, true FROM access_log WHERE live \
                   UNION ALL SELECT event_id, terminal_id, granted, false FROM collision WHERE live";
        let rows = self.db.query(sql, &[]).await?;
        let expected: HashMap<Uuid, (String, bool, bool)> =
            rows.iter().map(|r| (r.get(0), (r.get(1), r.get(2), r.get(3)))).collect();
        let published = self.published().await?;
        let mut missing = expected.clone();
        for Published { record, decision, at } in &published {
            let id = decision.event_id;
            let (terminal, granted, is_row) =
                expected.get(&id).with_context(|| format!("{at:?}: {id} is nothing live"))?;
            ensure!(record.key.as_deref() == Some(terminal.as_bytes()), "{at:?}: another key");
            ensure!(decision.terminal_id == *terminal, "{at:?}: another terminal");
            let said = decision.decision == Outcome::Granted;
            ensure!(said == *granted && said == decision.reasons.is_empty(), "{at:?}: {said}");
            let command = decision.command.as_ref().map(|command| command.command_id);
            let opens = *granted && *is_row;
            ensure!(
                command == opens.then(|| command_id(id)),
                "{at:?}: the command is {command:?}, granted {granted}, a row {is_row}"
            );
            let derived = decision_id(id).to_string();
            ensure!(record.header(headers::ID) == Some(&derived), "{at:?}: another ce_id");
            missing.remove(&id);
        }
        ensure!(missing.is_empty(), "live, and without a decision on the topic: {missing:?}");
        Ok(published)
    }
}
