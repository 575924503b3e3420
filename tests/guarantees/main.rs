//! The promises, end to end on real Kafka and Postgres: one module a guarantee.

mod back_pressure;
mod claim_taken;
mod collisions;
mod crash;
mod crash_mid_batch;
mod cut_connections;
mod days;
mod decisions;
mod decisions_topic;
mod duplicates;
mod gaps;
mod gateway;
mod network;
mod operate_offsets;
mod permission_races;
mod poison_event;
mod read_again;
mod rebalance;
mod rules;
mod settings;
mod stale_permissions;
mod start_order;
mod sync_storm;
mod vast;
mod verify;
