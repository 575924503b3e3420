//! Exports of a real Postgres, read back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exact;
mod handbook;
mod killed;
mod memory;
mod refused;

use std::path::{Path, PathBuf};

use ops::export::{Format, Options, Report};
use ops::settings::Settings;
use settings::Secret;
use test_database::Database;
use tokio_postgres::Client;

/// A database with two days of swipes, and a folder.
pub(crate) struct Stand {
    pub(crate) database: Database,
    pub(crate) owner: Client,
    pub(crate) settings: Settings,
    pub(crate) out: PathBuf,
}

const CONTENTS: &str = "
    UPDATE retention SET oldest_day = '2016-01-01';
    INSERT INTO zone VALUES ('hall', 'Hall');
    INSERT INTO terminal VALUES ('door-1', 'hall', 'in');
    SELECT ensure_day(d) FROM unnest(ARRAY['2016-06-01', '2016-06-02', '2016-06-04']::date[]) d;
    INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, age_ms,
        log_partition, reasons, granted, live, online, event_id, card_id, terminal_id, zone_id)
    SELECT timestamptz '2016-06-01T23:00:00Z' + n * interval '1 s', '2016-06-02T12:00:00.123Z', n, 1,
           CASE WHEN n % 3 = 0 THEN n END, 0, n % 50, n % 50 = 0, n % 2 = 0, n % 5 = 0,
           md5(n::text)::uuid, 'card-' || n % 7, 'door-1', 'hall'
    FROM generate_series(0, 9999) n";

impl Stand {
    pub(crate) async fn with(test: impl AsyncFnOnce(&Stand)) {
        Database::with(async |database| {
            let mut settings = Settings::default();
            settings.postgres.url = Secret::new(database.url());
            let owner = database.connect().await;
            owner.batch_execute(CONTENTS).await.unwrap();
            let (_, name) = database.url().rsplit_once('/').unwrap();
            let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            let stand = Stand { database, owner, settings, out };
            test(&stand).await;
            std::fs::remove_dir_all(&stand.out).unwrap();
        })
        .await;
    }

    /// The days that there are of a view.
    pub(crate) fn options(&self, view: &str, format: Format) -> Options {
        Options {
            view: view.to_owned(),
            from: "2016-06-01".parse().unwrap(),
            to: Some("2016-06-30".parse().unwrap()),
            out: self.out.clone(),
            format,
            again: false,
        }
    }

    pub(crate) async fn export(&self, options: &Options) -> Report {
        ops::export::export(&self.settings, options).await.unwrap()
    }
}
