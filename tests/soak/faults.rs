//! How each kind of fault is brought about. Each returns when what it harmed is there again; that
//! it works again is for `run.rs` to wait for.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use schemas::Millis;
use tokio::time::sleep;

use crate::fleet::{CONSUMERS, Fleet, Member};
use crate::network::{Network, Trouble, trouble};
use crate::report::Tally;
use crate::schedule::{Fault, Kind};
use crate::servers::Servers;
use crate::troubles::Troubles;
use crate::watch::{Watch, connect};

/// Longest time until others work a dead consumer's partitions.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(40);
/// Steps that every batch takes (`consumer/src/pipeline.rs`).
const FAIL_POINTS: [&str; 16] = [
    "decode",
    "begin",
    "judge",
    "fence",
    "lanes",
    "probe",
    "copying",
    "rows",
    "parked",
    "letters",
    "outbox",
    "totals",
    "clock",
    "commit",
    "noted",
    "published",
];
/// Batches that a consumer with a fail point gets through before, at most.
const BATCHES_SURVIVED_MAX: usize = 20;
const SIGKILL: i32 = 9;
/// Ends sessions in mid-COPY, if one is caught there.
const AMBUSH: &str = include_str!("sql/end_sessions.sql");

/// Everything that faults are done to.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) network: Network,
    pub(crate) servers: Servers,
    pub(crate) watch: Watch,
    pub(crate) troubles: Troubles,
    pub(crate) tally: Tally,
    /// Postgres itself, not by way of the proxy.
    pub(crate) postgres: String,
    /// When the cold copy was made.
    pub(crate) copied_at: Option<Millis>,
    /// When it was put back.
    pub(crate) put_back_at: Option<Millis>,
    /// Whether it will be.
    pub(crate) puts_back: bool,
}

impl Stage {
    /// Brings one fault about.
    pub(crate) async fn harm(&mut self, fault: &Fault) -> Result<()> {
        let (lasts, victim) = (fault.lasts, fault.victim);
        let latency = Trouble::Latency(Duration::from_millis(20 + victim as u64 % 130));
        let (kafka, postgres) = (&self.network.kafka, &self.network.postgres);
        let harmed = match fault.kind {
            Kind::ConsumerKill => self.kill_a_consumer(victim).await,
            Kind::FailPoint => self.die_at_a_fail_point(victim).await,
            Kind::ConsumerPause => self.pause_a_consumer(victim, lasts).await,
            Kind::RollingRestart => self.restart_one_by_one().await,
            Kind::AllConsumersKill => self.kill_all_consumers(),
            Kind::Churn => self.come_and_go().await,
            Kind::GatewayKill => self.fleet.replace_gateway(victim).await,
            Kind::SessionsEnded => self.end_sessions().await,
            Kind::PostgresImmediate => self.crash_postgres(lasts).await,
            Kind::PostgresPutBack => self.put_postgres_back(lasts).await,
            Kind::CommitReplyLost => self.network.lose_a_commit_reply().await,
            Kind::BrokerRestart => self.restart_kafka("kafka stop", lasts).await,
            Kind::BrokerKill => self.restart_kafka("kafka kill", lasts).await,
            Kind::PostgresLatency => trouble(postgres, latency, lasts).await,
            Kind::PostgresCut => trouble(postgres, Trouble::Cut, lasts).await,
            Kind::PostgresHalfOpen => trouble(postgres, Trouble::HalfOpen, lasts).await,
            Kind::PostgresReset => trouble(postgres, Trouble::Reset, lasts).await,
            Kind::KafkaLatency => trouble(kafka, latency, lasts).await,
            Kind::KafkaCut => trouble(kafka, Trouble::Cut, lasts).await,
            Kind::KafkaHalfOpen => trouble(kafka, Trouble::HalfOpen, lasts).await,
            Kind::KafkaReset => trouble(kafka, Trouble::Reset, lasts).await,
        };
        harmed.with_context(|| format!("the fault {}", fault.kind.name()))
    }

    /// A consumer that has work to do: a new one gets its share after two rounds of the group.
    async fn consumer(&mut self, victim: usize) -> Result<&mut Member> {
        let member = &mut self.fleet.consumers[victim % CONSUMERS];
        let works = self.watch.until(TAKEOVER_WITHIN, |sight| {
            sight.partitions.values().any(|p| p.owner == member.name && p.worked.is_some())
        });
        ensure!(
            works.await,
            "{}, one of {CONSUMERS}, got nothing to do in {} s",
            member.name,
            TAKEOVER_WITHIN.as_secs()
        );
        Ok(member)
    }

    /// Its partitions must go to the others, who are timed, before it comes back.
    async fn kill_a_consumer(&mut self, victim: usize) -> Result<()> {
        let member = self.consumer(victim).await?;
        let name = member.name.clone();
        member.process.kill()?;
        let killed = Instant::now();
        let orphans: Vec<i32> = self
            .watch
            .now()
            .partitions
            .iter()
            .filter(|(_, partition)| partition.owner == name)
            .map(|(number, _)| *number)
            .collect();
        let taken = self.watch.until(TAKEOVER_WITHIN, |sight| {
            orphans.iter().all(|number| {
                let partition = &sight.partitions[number];
                partition.owner != name && partition.worked.is_some_and(|worked| worked > killed)
            })
        });
        ensure!(
            taken.await,
            "partitions {orphans:?} of {name}, which was killed, are not worked by the others \
             after {} s",
            TAKEOVER_WITHIN.as_secs()
        );
        self.tally.takeover(killed.elapsed());
        self.replace(victim % CONSUMERS)
    }

    /// In the place of a consumer comes one that dies behind a step of one of its first batches.
    async fn die_at_a_fail_point(&mut self, victim: usize) -> Result<()> {
        let slot = victim % CONSUMERS;
        let step = FAIL_POINTS[victim % FAIL_POINTS.len()];
        let fail_point =
            format!("{step}={}*off->1*return(kill)", 1 + victim % BATCHES_SURVIVED_MAX);
        Fleet::dismiss(&mut self.fleet.consumers[slot]).await?;
        let mut faulty = self.fleet.new_faulty_consumer(slot, &fail_point)?;
        let ended = faulty.process.ended().await.with_context(|| fail_point.clone())?;
        ensure!(
            ended.signal() == Some(SIGKILL),
            "{fail_point} has not killed it; it ended with {ended}:\n{}",
            faulty.process.said()
        );
        self.replace(slot)
    }

    fn replace(&mut self, slot: usize) -> Result<()> {
        self.fleet.consumers[slot] = self.fleet.new_consumer(slot)?;
        Ok(())
    }

    async fn pause_a_consumer(&mut self, victim: usize, lasts: Duration) -> Result<()> {
        let member = self.consumer(victim).await?;
        member.process.signal("STOP")?;
        sleep(lasts).await;
        member.process.signal("CONT")
    }

    async fn restart_one_by_one(&mut self) -> Result<()> {
        for slot in 0..CONSUMERS {
            Fleet::dismiss(&mut self.fleet.consumers[slot]).await?;
            self.replace(slot)?;
            self.fleet.consumers[slot].process.ready().await?;
        }
        Ok(())
    }

    fn kill_all_consumers(&mut self) -> Result<()> {
        for member in &mut self.fleet.consumers {
            member.process.kill()?;
        }
        (0..CONSUMERS).try_for_each(|slot| self.replace(slot))
    }

    /// A fourth consumer, for as long as it takes it to have worked.
    async fn come_and_go(&mut self) -> Result<()> {
        let mut fourth = self.fleet.new_consumer(CONSUMERS)?;
        let name = fourth.name.clone();
        let worked = self.watch.until(TAKEOVER_WITHIN, |sight| {
            sight.advanced_by.get(&name).is_some_and(|advanced| *advanced > 0)
        });
        let worked = worked.await;
        Fleet::dismiss(&mut fourth).await?;
        ensure!(
            worked,
            "a fourth consumer got nothing to do in {} s:\n{}",
            TAKEOVER_WITHIN.as_secs(),
            fourth.process.said()
        );
        Ok(())
    }

    async fn end_sessions(&mut self) -> Result<()> {
        let client = connect(&self.postgres).await?;
        client.batch_execute(AMBUSH).await.context("lying in wait")?;
        let row = client.query_one("SELECT ended, in_copy FROM pg_temp.ended", &[]).await?;
        let (ended, in_copy): (i64, i64) = (row.get(0), row.get(1));
        self.tally.sessions_in_copy += in_copy;
        ensure!(ended > 0, "there was no session of a consumer to end");
        Ok(())
    }

    async fn crash_postgres(&mut self, lasts: Duration) -> Result<()> {
        if self.copied_at.is_none() {
            self.troubles.hold(self.puts_back);
        }
        self.servers.ask("postgres stop-immediate").await?;
        if self.copied_at.is_none() {
            self.servers.ask("postgres copy").await?;
            self.copied_at = Some(Millis::now());
        }
        sleep(lasts).await;
        self.servers.ask("postgres start").await
    }

    async fn put_postgres_back(&mut self, lasts: Duration) -> Result<()> {
        self.servers.ask("postgres stop-immediate").await?;
        self.servers.ask("postgres put-back").await?;
        self.put_back_at = Some(Millis::now());
        sleep(lasts).await;
        self.servers.ask("postgres start").await
    }

    async fn restart_kafka(&mut self, stop: &str, lasts: Duration) -> Result<()> {
        self.servers.ask(stop).await?;
        sleep(lasts).await;
        self.servers.ask("kafka start").await
    }
}
