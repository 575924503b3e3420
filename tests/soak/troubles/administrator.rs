//! Changes who may go where, as fast as a person with many cards on the desk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use rand::RngExt;

use super::{Counts, Desk};
use crate::terminals::card;

/// Cards that are given the hall and lose it again.
const FICKLE: usize = 12;
const PAUSE_MS: std::ops::RangeInclusive<u64> = 50..=400;
const CHANGE: &str = "UPDATE user_access \
     SET zones = CASE WHEN 'hall' = ANY (zones) THEN '{lab}' ELSE '{hall}' END::text[] \
     WHERE card_id = $1";

pub(super) async fn change(mut desk: Desk, counts: Arc<Counts>) -> Result<()> {
    while desk.pause(PAUSE_MS).await {
        let fickle = card(desk.random.random_range(0..FICKLE));
        if desk.execute(CHANGE, &fickle).await {
            counts.changes.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
