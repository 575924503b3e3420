//! What every bench stands on.

use anyhow::Result;
use uuid::Uuid;

use crate::cpu::Processes;
use crate::servers::Servers;

/// The servers, and a name that no other run has.
pub(crate) struct Ground {
    pub(crate) servers: Servers,
    pub(crate) processes: Processes,
    /// Part of every name that a run gives.
    pub(crate) name: String,
}

impl Ground {
    /// Finds the servers.
    ///
    /// # Errors
    /// The environment names none, or Postgres does not answer.
    pub(crate) async fn find() -> Result<Self> {
        let servers = Servers::from_env()?;
        let name = format!("bench_{:012x}", Uuid::new_v4().as_u128() >> 80);
        let processes = Processes::find(&servers.connect().await?, servers.brokers()).await;
        Ok(Self { servers, processes, name })
    }
}
