//! The benches, run small: each measures what it says. How fast is no matter here.

mod age;
mod backoff;
mod card_month;
mod decide;
mod drain;
mod lake;
mod latency;
mod reupload;
mod verify;
