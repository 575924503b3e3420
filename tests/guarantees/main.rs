//! The promises, end to end on real Kafka and Postgres: one module a guarantee.

mod back_pressure;
mod claim_taken;
mod collisions;
mod crash;
mod cut_connections;
mod days;
mod decisions;
mod duplicates;
mod gateway;
mod operate_offsets;
mod poison_event;
mod read_again;
mod rebalance;
mod settings;
mod stale_permissions;
mod start_order;
mod vast;
mod verify;
