//! A type with all modes, and its table.

use std::time::SystemTime;

use tokio_postgres::GenericClient;
use versioned::{Conflict, Error, Outcome, Versioned};

/// The table, with one row; `trigger_log` notes what fires.
pub(crate) const TABLES: &str = "
    CREATE TABLE pass (
        card_id text PRIMARY KEY CHECK (card_id <> ''),
        zones text[] NOT NULL CHECK (cardinality(zones) < 4),
        label varchar(20),
        version bigint NOT NULL DEFAULT 1,
        changed_at timestamptz,
        in_force_from bigint
    );
    CREATE TABLE trigger_log (fired text, rows bigint);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO trigger_log VALUES (TG_LEVEL, (SELECT count(*) FROM after_rows));
        RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER UPDATE ON pass REFERENCING NEW TABLE AS after_rows
        FOR EACH STATEMENT EXECUTE FUNCTION note();
    INSERT INTO pass (card_id, zones, in_force_from) VALUES ('c1', '{lobby}', 7)";

/// What a card may do.
#[derive(Debug, Clone, PartialEq, Versioned)]
#[versioned(table = "pass")]
pub(crate) struct Pass {
    #[version(key)]
    pub(crate) card_id: String,
    pub(crate) zones: Vec<String>,
    pub(crate) label: Option<String>,
    #[version(auto)]
    pub(crate) version: i64,
    #[version(time)]
    pub(crate) changed_at: Option<SystemTime>,
    #[version(ignore)]
    pub(crate) in_force_from: Option<i64>,
}

impl Pass {
    /// The row of `c1`.
    pub(crate) async fn read(client: &impl GenericClient) -> Result<Self, tokio_postgres::Error> {
        let row = client.query_one("SELECT * FROM pass WHERE card_id = $1", &[&"c1"]).await?;
        Ok(Self {
            card_id: row.get("card_id"),
            zones: row.get("zones"),
            label: row.get("label"),
            version: row.get("version"),
            changed_at: row.get("changed_at"),
            in_force_from: row.get("in_force_from"),
        })
    }

    /// With one more zone.
    pub(crate) fn and(mut self, zone: &str) -> Self {
        self.zones.push(zone.to_owned());
        self
    }
}

/// The conflict that this must have been.
pub(crate) fn conflict(result: Result<Outcome, Error>) -> Conflict {
    match result {
        Err(Error::Conflict(conflict)) => conflict,
        other => panic!("no conflict: {other:?}"),
    }
}
