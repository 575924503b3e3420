//! The tables of single days, by their names, and statements that name one.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Statement, Transaction};

use crate::error::Error;

/// One statement, prepared for each day that it was needed for.
#[derive(Default)]
pub(super) struct ByDay(HashMap<i32, Statement>);

/// So many days are remembered; then they start over. Many come only while events of long ago do.
const DAYS_MAX: usize = 512;

impl ByDay {
    /// The statement of a day, where it is prepared.
    pub(super) fn known(&self, day: i32) -> Option<Statement> {
        self.0.get(&day).cloned()
    }

    /// Prepares the statement of a day.
    pub(super) async fn prepare(
        &mut self,
        inner: &Transaction<'_>,
        day: i32,
        sql: &str,
        types: &[Type],
        doing: &'static str,
    ) -> Result<Statement, Error> {
        let statement = inner.prepare_typed(sql, types).await.map_err(Error::postgres(doing))?;
        if self.0.len() >= DAYS_MAX {
            self.0.clear();
        }
        self.0.insert(day, statement.clone());
        Ok(statement)
    }
}

/// Name of the partition of `access_log` that holds a day; made by the SQL function `ensure_day`.
pub(super) fn leaf(unix_day: i32) -> Result<String, Error> {
    let epoch = jiff::civil::date(1970, 1, 1);
    let day = epoch
        .checked_add(jiff::Span::new().days(unix_day))
        .map_err(|error| Error::Bug(format!("day {unix_day} of access_log: {error}")))?;
    Ok(format!("access_log_{:04}{:02}{:02}", day.year(), day.month(), day.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_named_by_day() {
        assert_eq!(leaf(0).unwrap(), "access_log_19700101");
        assert_eq!(leaf(16_952).unwrap(), "access_log_20160531");
        assert_eq!(leaf(-1).unwrap(), "access_log_19691231");
    }
}
