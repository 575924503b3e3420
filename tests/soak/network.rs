//! The two proxies that stand before the servers, and what is done to them.

use std::time::Duration;

use anyhow::{Result, ensure};
use support::{Proxy, variable};

/// Longest time until a batch commits at all.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// Both proxies.
pub(crate) struct Network {
    /// Before Kafka.
    pub(crate) kafka: Proxy,
    /// Before Postgres.
    pub(crate) postgres: Proxy,
}

/// What is done to a network.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// All bytes come later.
    Latency(Duration),
    /// Connections are closed, new ones refused.
    Cut,
    /// Connections swallow what is sent.
    HalfOpen,
    /// Connections are reset.
    Reset,
}

impl Network {
    /// Starts both.
    pub(crate) async fn start(postgres: &str) -> Result<Self> {
        let behind = variable("GATELOG_TEST_KAFKA_BEHIND_PROXY")?;
        let kafka = Proxy::at(&variable("GATELOG_TEST_KAFKA_PROXY")?, &behind).await?;
        Ok(Self { kafka, postgres: Proxy::before_postgres(postgres).await? })
    }

    /// The next COMMIT is acted on and its reply lost.
    pub(crate) async fn lose_a_commit_reply(&self) -> Result<()> {
        let lost = tokio::time::timeout(COMMIT_WITHIN, self.postgres.lose_a_commit_reply()).await;
        self.postgres.forget_the_trap();
        ensure!(lost.is_ok(), "no batch was committed in {} s", COMMIT_WITHIN.as_secs());
        lost?
    }
}

/// Does it to one of them, for a while, and heals it.
pub(crate) async fn trouble(proxy: &Proxy, trouble: Trouble, lasts: Duration) -> Result<()> {
    let hit = match trouble {
        Trouble::Latency(latency) => {
            proxy.set_latency(latency);
            proxy.connections()
        }
        Trouble::Cut => {
            proxy.set_refusing(true);
            proxy.cut()
        }
        Trouble::HalfOpen => proxy.half_open(),
        Trouble::Reset => proxy.reset(),
    };
    tokio::time::sleep(lasts).await;
    proxy.heal();
    ensure!(hit > 0, "{trouble:?} has hit no connection");
    Ok(())
}
