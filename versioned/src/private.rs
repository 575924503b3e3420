//! What derived code calls; no part of the interface.

pub use tokio_postgres::types::ToSql;

/// The type of a version: `i64` and no other.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a `#[version(auto)]` field",
    label = "must be `i64`, the type of a Postgres `bigint`"
)]
pub trait Number {
    fn get(&self) -> i64;
    fn set(&mut self, version: i64);
}

impl Number for i64 {
    fn get(&self) -> i64 {
        *self
    }

    fn set(&mut self, version: i64) {
        *self = version;
    }
}
