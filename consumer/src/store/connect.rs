//! Connections to Postgres: every one of them alike.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use tracing::debug;

use crate::error::Error;
use crate::settings::Settings;

/// How every session of ours begins its `application_name`.
pub(crate) const APPLICATION: &str = "gatelog-consumer";

/// Makes connections, each with the same limits.
#[derive(Debug)]
pub(crate) struct Connector {
    config: tokio_postgres::Config,
    member: String,
    limits: String,
    timeout_ms: u64,
}

/// How long a session may stand still between two statements of a batch: it may hold the permission
/// lock, behind which every door waits as soon as somebody changes a permission. We are at work
/// between them, for fractions of a second.
const IDLE_MS_MAX: u64 = 10_000;

impl Connector {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let member = match settings.group.member.as_str() {
            "" => default_member(),
            name => name.to_owned(),
        };
        let config = settings.postgres.connect_config(&format!("{APPLICATION} {member}"))?;
        // The server must end what we have given up, and never wait longer than we do. All our
        // joins are of a batch's keys with a large table: by the index, whatever the statistics of
        // a day that has just been made say. A hash of a whole day a batch is what they lead to.
        // (Which side comes first, the statements say themselves, with LATERAL and OFFSET 0.) So
        // plans need no values, and those of fifty thousand keys take longer to look at than to find.
        let timeout_ms = settings.batch.timeout_ms;
        let limits = format!(
            "SET statement_timeout = {timeout_ms}; \
             SET idle_in_transaction_session_timeout = {}; \
             SET lock_timeout = {}; \
             SET tcp_user_timeout = 10000; \
             SET tcp_keepalives_idle = 5; \
             SET tcp_keepalives_interval = 2; \
             SET tcp_keepalives_count = 3; \
             SET synchronous_commit = on; \
             SET enable_hashjoin = off; \
             SET enable_mergejoin = off; \
             SET enable_seqscan = off; \
             SET enable_bitmapscan = off; \
             SET plan_cache_mode = force_generic_plan; \
             SET timezone = 'UTC'",
            timeout_ms.min(IDLE_MS_MAX),
            timeout_ms / 2
        );
        let timeout_ms = settings.postgres.connect_timeout_ms;
        Ok(Self { config, member, limits, timeout_ms })
    }

    /// This member's name.
    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    /// How our sessions show in `pg_stat_activity`.
    pub(crate) fn application_name(&self) -> String {
        format!("{APPLICATION} {}", self.member)
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        // The driver's own limit covers the socket, not a server that accepts and says nothing.
        let connecting =
            timeout(Duration::from_millis(self.timeout_ms), self.config.connect(NoTls));
        let (client, connection) = connecting
            .await
            .map_err(|_| Error::Unreachable(self.timeout_ms))?
            .map_err(Error::postgres("connecting to Postgres"))?;
        tokio::spawn(async move {
            // Whoever uses the client gets the error too, and handles it.
            if let Err(error) = connection.await {
                debug!(%error, "a connection to Postgres ended");
            }
        });
        client
            .batch_execute(&self.limits)
            .await
            .map_err(Error::postgres("setting a session's limits"))?;
        Ok(client)
    }
}

fn default_member() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(24).collect();
    let host = if host.is_empty() { "consumer" } else { &host };
    format!("{host}-{}", std::process::id())
}
