//! Registers terminals, each some time after it was first used.

use anyhow::Result;

use super::{Desk, Strangers};

/// Time that a terminal is used before it is registered, in ms.
const AFTER_MS: std::ops::RangeInclusive<u64> = 2_000..=9_000;
pub(super) const REGISTER: &str = "INSERT INTO terminal (terminal_id, zone_id, direction) VALUES ($1, 'hall', 'in') \
     ON CONFLICT DO NOTHING";

pub(super) async fn register(mut desk: Desk, strangers: Strangers) -> Result<()> {
    while desk.pause(AFTER_MS).await {
        if desk.execute(REGISTER, &strangers.latest()).await {
            strangers.next();
        }
    }
    Ok(())
}
