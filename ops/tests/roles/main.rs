//! What each role may do, and above all what it may not, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod handbook;
mod logins;
mod refused;

use ops::roles::{self, Role, login};
use ops::settings::Settings;
use settings::Secret;
use test_database::Database;
use tokio_postgres::Client;
use uuid::Uuid;

/// A database with roles, a day with a row, a dead letter and a card; and a login in each role.
pub(crate) struct Stand {
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    pub(crate) owner: Client,
    suffix: String,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

const CONTENTS: &str = "
    UPDATE retention SET oldest_day = '2016-01-01';
    INSERT INTO zone VALUES ('hall', 'Hall');
    INSERT INTO terminal VALUES ('door-1', 'hall', 'in');
    INSERT INTO card VALUES ('4711');
    INSERT INTO user_access VALUES ('4711', '{hall}');
    SELECT ensure_day('2016-06-01');
    INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, log_partition,
        reasons, granted, live, online, event_id, card_id, terminal_id, zone_id)
    VALUES ('2016-06-01T08:00:00Z', '2016-06-01T08:00:01Z', 0, 1, 0, 0, true, false, false,
            gen_random_uuid(), '4711', 'door-1', 'hall');
    INSERT INTO dead_letter (dead_letter_id, log_partition, log_offset, stage, reason, message,
        header_names, header_values)
    VALUES (gen_random_uuid(), 0, 1, 'decode', 'undecodable', '', '{}', '{}')";

impl Stand {
    pub(crate) async fn with(test: impl AsyncFnOnce(&Stand)) {
        Database::with(async |database| {
            let mut settings = Settings::default();
            settings.postgres.url = Secret::new(database.url());
            let owner = database.connect().await;
            owner.batch_execute(CONTENTS).await.unwrap();
            roles::apply(&settings).await.unwrap();
            let suffix = Uuid::new_v4().simple().to_string();
            let stand = Stand { database, settings, owner, suffix };
            for role in Role::ALL {
                stand.login(role).await;
            }
            test(&stand).await;
            // Roles are the server's, not the database's.
            for role in Role::ALL {
                let drop = format!("DROP ROLE \"{}\"", stand.name(role));
                stand.owner.batch_execute(&drop).await.unwrap();
            }
        })
        .await;
    }

    async fn login(&self, role: Role) {
        let password = Secret::new(PASSWORD);
        let report = login::login(&self.settings, &self.name(role), &[role], &password).await;
        let report = report.unwrap();
        assert!(report.made && report.roles == [role.as_str()], "{report:?}");
    }

    /// Name of the login in a role.
    pub(crate) fn name(&self, role: Role) -> String {
        format!("{}_{}", role.as_str(), self.suffix)
    }

    /// A session of the login in a role.
    pub(crate) async fn session(&self, role: Role) -> Client {
        self.database.connect_as(&self.name(role), PASSWORD).await.unwrap()
    }
}
