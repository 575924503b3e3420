//! The product's programs: consumers of one group and two gateways, in one world.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use support::{Process, World};
use tokio::sync::watch;

use crate::network::Network;
use crate::terminals::{CARDS, card};

/// Consumers of the group.
pub(crate) const CONSUMERS: usize = 3;
/// Gateways.
const GATEWAYS: usize = 2;
/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 12;

/// A consumer.
pub(crate) struct Member {
    /// Its name in the group: `soak-SLOT.START`.
    pub(crate) name: String,
    /// Its process.
    pub(crate) process: Process,
}

/// Everything of the product that runs.
pub(crate) struct Fleet {
    /// Database and topics.
    pub(crate) world: World,
    /// The consumers, by slot.
    pub(crate) consumers: Vec<Member>,
    gateways: Vec<Process>,
    addresses: watch::Sender<Vec<String>>,
    /// Where Kafka and Postgres are for the product: behind a proxy each.
    kafka: String,
    postgres: String,
    starts: usize,
}

impl Fleet {
    /// Makes a building, starts everything and waits until it is ready.
    pub(crate) async fn start(world: World, network: &Network) -> Result<Self> {
        let cards: Vec<String> = (0..CARDS).map(card).collect();
        world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let kafka = network.kafka.address().to_owned();
        let postgres = world.postgres_at(network.postgres.address());
        let addresses = watch::Sender::new(Vec::new());
        let (consumers, gateways) = (Vec::new(), Vec::new());
        let mut fleet = Self { world, consumers, gateways, addresses, kafka, postgres, starts: 0 };
        for _ in 0..GATEWAYS {
            let gateway = fleet.new_gateway()?;
            fleet.gateways.push(gateway);
        }
        for slot in 0..CONSUMERS {
            let member = fleet.new_consumer(slot)?;
            fleet.consumers.push(member);
        }
        for gateway in &mut fleet.gateways {
            gateway.ready().await?;
        }
        for member in &mut fleet.consumers {
            member.process.ready().await?;
        }
        fleet.publish_addresses().await?;
        Ok(fleet)
    }

    /// The gateways' addresses, as they change.
    pub(crate) fn addresses(&self) -> watch::Receiver<Vec<String>> {
        self.addresses.subscribe()
    }

    /// Starts a consumer for a slot; it is not yet among [`Self::consumers`].
    pub(crate) fn new_consumer(&mut self, slot: usize) -> Result<Member> {
        self.new_member(slot, None)
    }

    /// The same with a fail point, as in `rows=3*off->1*return(kill)`.
    pub(crate) fn new_faulty_consumer(&mut self, slot: usize, fail_point: &str) -> Result<Member> {
        self.new_member(slot, Some(fail_point))
    }

    fn new_member(&mut self, slot: usize, fail_point: Option<&str>) -> Result<Member> {
        self.starts += 1;
        let name = format!("soak-{}.{}", slot + 1, self.starts);
        // Everything that may be short is: what heals late heals after the run.
        let settings = [
            ("GATELOG_KAFKA", self.kafka.as_str()),
            ("GATELOG_POSTGRES", &self.postgres),
            ("GATELOG_CONSUMER_GROUP__MEMBER", &name),
            ("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "2000"),
            ("GATELOG_CONSUMER_BATCH__TIMEOUT_MS", "4000"),
            ("GATELOG_CONSUMER_BATCH__CLAIM_WAIT_MS", "1000"),
            // So that writers are found full, and partitions go from one to another.
            ("GATELOG_CONSUMER_BATCH__QUEUE_CHUNKS_MAX", "1"),
            ("GATELOG_CONSUMER_POSTGRES__CONNECT_TIMEOUT_MS", "2000"),
            ("GATELOG_CONSUMER_RETRY__CAP_MS", "1000"),
            ("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "500"),
            ("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "1000"),
            ("GATELOG_CONSUMER_COMPENSATION__LEASE_MS", "10000"),
            ("GATELOG_CONSUMER_COMPENSATION__TRIES_MAX", "100"),
            ("GATELOG_CONSUMER_COMPENSATION__BACKOFF__BASE_MS", "500"),
            ("GATELOG_CONSUMER_COMPENSATION__BACKOFF__CAP_MS", "4000"),
        ];
        let process = match fail_point {
            None => self.world.consumer_with(&settings)?,
            Some(fail_point) => self.world.faulty_consumer_with(fail_point, &settings)?,
        };
        Ok(Member { name, process })
    }

    fn new_gateway(&mut self) -> Result<Process> {
        self.world.gateway_with(&[
            ("GATELOG_KAFKA", &self.kafka),
            ("GATELOG_GATEWAY_PUBLISH__MESSAGE_TIMEOUT_MS", "3000"),
        ])
    }

    /// SIGKILL to a gateway, and another one in its place. Terminals go on knocking at the old one
    /// until the new one is ready.
    pub(crate) async fn replace_gateway(&mut self, which: usize) -> Result<()> {
        let at = which % self.gateways.len();
        self.gateways[at].kill()?;
        self.gateways[at] = self.new_gateway()?;
        self.gateways[at].ready().await?;
        self.publish_addresses().await
    }

    async fn publish_addresses(&mut self) -> Result<()> {
        let mut addresses = Vec::new();
        for gateway in &mut self.gateways {
            addresses.push(gateway.address().await?);
        }
        self.addresses.send_replace(addresses);
        Ok(())
    }

    /// Ends a consumer in good order.
    pub(crate) async fn dismiss(member: &mut Member) -> Result<()> {
        let ended = member.process.terminate().await?;
        ensure!(
            ended.success(),
            "{} ended with {ended} when asked to stop:\n{}",
            member.name,
            tail(&member.process.said())
        );
        Ok(())
    }

    /// Nothing ends by itself: an outage is waited out.
    pub(crate) fn all_run(&mut self) -> Result<()> {
        for member in &mut self.consumers {
            if !member.process.runs() {
                bail!("{} has ended by itself:\n{}", member.name, tail(&member.process.said()));
            }
        }
        for gateway in &mut self.gateways {
            if !gateway.runs() {
                bail!("a gateway has ended by itself:\n{}", tail(&gateway.said()));
            }
        }
        Ok(())
    }

    /// The ends of all logs, for a failure.
    pub(crate) fn logs(&self) -> String {
        let consumers = self.consumers.iter().map(|m| (m.name.as_str(), m.process.said()));
        let gateways = self.gateways.iter().map(|gateway| ("gateway", gateway.said()));
        let ends =
            consumers.chain(gateways).map(|(name, said)| format!("{name}:\n{}", tail(&said)));
        ends.collect::<Vec<_>>().join("\n")
    }

    /// How often a text stands in the logs of all consumers that there were.
    pub(crate) fn said(&self, folder: &Path, text: &str) -> Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(folder).context("listing the logs")? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("consumer-") && name.ends_with(".log") {
                count += std::fs::read_to_string(&path).unwrap_or_default().matches(text).count();
            }
        }
        Ok(count)
    }
}

/// The last lines of a log, indented.
fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    format!("    {}", last.join("\n    "))
}
