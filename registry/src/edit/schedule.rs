use access::ScheduleDefinition;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};
use versioned::Versioned;

use super::{Ending, Entry};

/// When cards may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Versioned)]
#[versioned(table = "schedule")]
pub struct Schedule {
    /// The key.
    #[version(key)]
    pub schedule_id: String,
    /// A [`ScheduleDefinition`]. As JSON, because what somebody has typed by hand must be seen to be
    /// put right.
    pub definition: Value,
    /// Starts at 1, plus 1 at each change.
    #[version(auto)]
    pub version: i64,
}

impl Schedule {
    /// A schedule; not written yet.
    ///
    /// # Errors
    /// Names the field of the definition that is wrong.
    pub fn new(
        schedule_id: &str,
        definition: &ScheduleDefinition,
    ) -> Result<Self, schemas::Invalid> {
        access::Schedule::new(definition)?;
        let definition = serde_json::to_value(definition)
            .map_err(|error| schemas::Invalid::new("definition", error.to_string()))?;
        Ok(Self { schedule_id: schedule_id.to_owned(), definition, version: 0 })
    }

    /// The definition.
    ///
    /// # Errors
    /// It is none: somebody has typed it by hand.
    pub fn definition(&self) -> Result<ScheduleDefinition, serde_json::Error> {
        ScheduleDefinition::deserialize(&self.definition)
    }

    /// All schedules, each with the number of cards that it binds.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn all(
        client: &impl GenericClient,
    ) -> Result<Vec<(Self, i64)>, tokio_postgres::Error> {
        let rows = client.query(include_str!("sql/schedules.sql"), &[]).await?;
        rows.iter().map(|row| Ok((Self::read(row)?, row.try_get("cards")?))).collect()
    }
}

impl Entry for Schedule {
    const FIND: &'static str = "SELECT * FROM schedule WHERE schedule_id = $1";
    const INSERT: &'static str = include_str!("sql/insert_schedule.sql");

    fn columns(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.schedule_id, &self.definition]
    }

    fn id(&self) -> &str {
        &self.schedule_id
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            schedule_id: row.try_get("schedule_id")?,
            definition: row.try_get("definition")?,
            version: row.try_get("version")?,
        })
    }

    fn expect_version(&mut self, version: i64) {
        self.version = version;
    }
}

impl Ending for Schedule {
    const DELETE: &'static str = "DELETE FROM schedule WHERE schedule_id = $1 AND version = $2";
}
