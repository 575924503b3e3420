//! Accesses that are refused, and those that are not.

use std::collections::BTreeMap;
use std::path::Path;

use ops::export::{Format, Options};
use ops::report::Length;
use ops::roles::{self, Role};
use settings::Secret;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::{PASSWORD, Stand};

async fn refused(client: &Client, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error:?}");
}

async fn allowed(client: &Client, sql: &str) {
    let transaction = format!("BEGIN; {sql}; ROLLBACK");
    client.batch_execute(&transaction).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

#[tokio::test]
async fn a_reader_reads_views_and_nothing_else() {
    Stand::with(async |stand| {
        let reader = stand.session(Role::Reader).await;
        for sql in [
            "SELECT * FROM public.access_log",
            "SELECT * FROM public.access_log_20160601",
            "SELECT * FROM public.card",
            "SELECT * FROM public.dead_letter",
            "INSERT INTO public.zone VALUES ('x', 'X')",
            "CREATE TABLE public.mine ()",
            "CREATE VIEW analyst.mine AS SELECT 1",
            "SELECT public.ensure_day('2016-06-02')",
            "SELECT public.seal_batch()",
            // It would move the permission clock, with the owner's rights.
            "CREATE TEMPORARY TABLE t (x text);
             CREATE TRIGGER t AFTER TRUNCATE ON t
             EXECUTE FUNCTION public.note_permission_change('card', 'x')",
        ] {
            refused(&reader, sql).await;
        }
        for sql in ["DELETE FROM analyst.zone", "UPDATE analyst.access_event SET granted = true"] {
            // Refused for being views already.
            let code = reader.batch_execute(sql).await.expect_err(sql).code().cloned();
            let view = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
            assert!([Some(view), Some(SqlState::INSUFFICIENT_PRIVILEGE)].contains(&code), "{sql}");
        }
        let views = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'analyst' AND c.relkind = 'v'";
        let views = stand.owner.query(views, &[]).await.unwrap();
        assert!(views.len() >= 10, "{} views", views.len());
        for view in views {
            allowed(&reader, &format!("SELECT * FROM {}", view.get::<_, &str>(0))).await;
        }
        let presence = "SELECT card_id FROM analyst.presence('2016-06-01T09:00:00Z', '1 day')";
        let inside = reader.query(presence, &[]).await.unwrap();
        assert_eq!(inside.len(), 1, "who is inside");
        export_and_report(stand).await;
        // A view of a later version is readable without another `roles --apply`.
        stand.owner.batch_execute("CREATE VIEW analyst.later AS SELECT 1 AS one").await.unwrap();
        allowed(&reader, "SELECT * FROM analyst.later").await;
    })
    .await;
}

/// What analysts have beside SQL.
async fn export_and_report(stand: &Stand) {
    let mut settings = stand.settings.clone();
    let url = stand.database.url_as(&stand.name(Role::Reader), PASSWORD);
    settings.postgres.url = Secret::new(url);
    let day = "2016-06-01".parse().unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(stand.name(Role::Reader));
    let options = Options {
        view: "access_event".to_owned(),
        from: day,
        to: Some(day),
        out: out.clone(),
        format: Format::Parquet,
        again: false,
    };
    let report = ops::export::export(&settings, &options).await.unwrap();
    assert_eq!(report.rows, 1);
    let page = out.join("day.html");
    ops::report::run(&settings, Length::Day, Some(day), &page, false).await.unwrap();
    assert!(std::fs::read_to_string(page).unwrap().contains("1 swipe of 1 card at 1 terminal"));
    std::fs::remove_dir_all(out).unwrap();
    for line in [
        "who-is-in hall --at 2016-06-01T09:00:00Z --json",
        "card 4711 --from 2016-06-01 --to 2016-06-01 --json",
        "terminal door-1 --from 2016-06-01 --to 2016-06-01 --json",
        "denials --from 2016-06-01 --to 2016-06-01 --json",
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .arg("query")
            .args(line.split(' '))
            .env("GATELOG_POSTGRES", settings.postgres.url.expose())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

#[tokio::test]
async fn a_writer_adds_rows_and_never_changes_one() {
    Stand::with(async |stand| {
        let writer = stand.session(Role::Writer).await;
        // A day that is made now, by the writer itself, is covered as the others are.
        let made = writer.query_one("SELECT ensure_day('2016-06-02')", &[]).await.unwrap();
        assert!(made.get::<_, bool>(0));
        // One that was made by an older version takes no rows, until it is asked for again.
        let older = "REVOKE INSERT ON access_log_20160601 FROM gatelog_writer";
        stand.owner.batch_execute(older).await.unwrap();
        let add = "INSERT INTO access_log_20160601 SELECT * FROM access_log_20160601 WHERE false";
        refused(&writer, add).await;
        let made = writer.query_one("SELECT ensure_day('2016-06-01')", &[]).await.unwrap();
        assert!(!made.get::<_, bool>(0));
        allowed(&writer, add).await;
        let leaves = ["access_log", "access_log_20160601", "access_log_20160602"];
        for table in leaves {
            allowed(&writer, &format!("SELECT * FROM {table}")).await;
            for sql in [
                format!("UPDATE {table} SET granted = false"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
                format!("DROP TABLE {table}"),
                format!("ALTER TABLE {table} ADD COLUMN x text"),
                format!("DO $$ BEGIN LOCK TABLE {table} IN SHARE MODE; END $$"),
            ] {
                refused(&writer, &sql).await;
            }
        }
        // Rows of a day come in by its own table, too; those of another day do not.
        let row = "(occurred_at, received_at, log_offset, permission_clock, log_partition, reasons,
             granted, live, online, event_id, card_id, terminal_id, zone_id)
             VALUES ('2016-06-02T08:00:00Z', now(), 5, 1, 0, 0, true, false, false,
                     gen_random_uuid(), '4711', 'door-1', 'hall')";
        allowed(&writer, &format!("INSERT INTO access_log {row}")).await;
        allowed(&writer, &format!("INSERT INTO access_log_20160602 {row}")).await;
        let elsewhere = format!("INSERT INTO access_log_20160601 {row}");
        let error = writer.batch_execute(&elsewhere).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{error:?}");
        for sql in [
            "UPDATE card SET state = 'enabled'",
            "SELECT * FROM card",
            "INSERT INTO user_access VALUES ('4711', '{}')",
            "UPDATE permission_clock SET version = 1",
            "DELETE FROM dead_letter",
            "DELETE FROM dead_letter_action",
            "UPDATE log_seal SET digest = ''",
            "UPDATE log_topic SET topic = 'x'",
            "UPDATE collision SET granted = false",
            "DELETE FROM consumer_offset",
            "SELECT * FROM operator_action",
            "SELECT * FROM analyst.access_event",
            "SET SESSION AUTHORIZATION gatelog_operator",
        ] {
            refused(&writer, sql).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_operator_acts_on_letters_and_opens_no_door() {
    Stand::with(async |stand| {
        let operator = stand.session(Role::Operator).await;
        let columns = "log_partition, log_offset, header_names, header_values, since";
        let with = |headers: &str| {
            format!("INSERT INTO outbox ({columns}) VALUES (0, 1, {headers}, now())")
        };
        let replay = with("ARRAY['gatelog-replay'::bytea], ARRAY['1'::bytea]");
        // What goes into the log says that it is a replay, or it would be a live swipe.
        // And nobody can leave there what no consumer could read or delete.
        let odd = [
            with("'{}', '{}'"),
            with("ARRAY['ce_id'::bytea], ARRAY['1'::bytea]"),
            with("ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[]"),
            with("ARRAY['gatelog-replay'::bytea, NULL], ARRAY['1'::bytea, NULL]"),
            with("ARRAY[['gatelog-replay'::bytea]], ARRAY[['1'::bytea]]"),
            replay.replace("now()", "'infinity'"),
        ];
        for sql in odd {
            let error = operator.batch_execute(&sql).await.expect_err(&sql);
            assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{error}");
        }
        let of_kind = |kind: &str| {
            format!(
                "INSERT INTO outbox ({columns}, kind) VALUES (0, 2, '{{}}', '{{}}', now(), '{kind}')"
            )
        };
        stand.owner.batch_execute(&of_kind("decision")).await.unwrap();
        for sql in [
            "SELECT * FROM dead_letter",
            "UPDATE dead_letter SET state = 'discarded', version = version + 1, settled_at = now()",
            "SELECT * FROM dead_letter_action",
            "SELECT * FROM access_log",
            "SELECT * FROM consumer_offset",
            "SELECT * FROM analyst.access_event",
            &format!("{replay}; UPDATE outbox SET since = now() WHERE kind = 'replay'"),
        ] {
            allowed(&operator, sql).await;
        }
        for sql in [
            "SELECT * FROM card",
            "UPDATE card SET state = 'enabled'",
            "SELECT * FROM user_access",
            "INSERT INTO terminal VALUES ('door-2', 'hall', 'in')",
            "UPDATE zone SET mode = 'released'",
            "INSERT INTO access_log SELECT * FROM access_log",
            "UPDATE access_log SET granted = true",
            "DELETE FROM access_log_20160601",
            "UPDATE consumer_offset SET next_offset = 0",
            "DELETE FROM dead_letter",
            "DELETE FROM dead_letter_action",
            "SELECT ensure_day('2016-06-02')",
            // A decision in the outbox is a door command.
            &of_kind("decision"),
            &of_kind("replay"),
            &format!("{replay}; UPDATE outbox SET kind = 'decision' WHERE kind = 'replay'"),
            "UPDATE outbox SET value = 'open' WHERE kind = 'decision'",
        ] {
            refused(&operator, sql).await;
        }
    })
    .await;
}

/// What a later version adds to what consumers write, whoever could write before can write, too, before
/// anybody has applied roles again: a consumer that is refused stops.
#[tokio::test]
async fn a_writer_goes_on_after_an_upgrade() {
    Stand::with(async |stand| {
        let upgrade = include_str!("../../../migrations/sql/V17__terminal_ledger.sql");
        let before = "DROP TABLE ledger_delta, terminal_ledger, ledger_fold";
        stand.owner.batch_execute(before).await.unwrap();
        stand.owner.batch_execute(upgrade).await.unwrap();
        let writer = stand.session(Role::Writer).await;
        let works = "
            INSERT INTO ledger_delta
                (events, terminal_ids, terminal_epochs, occurred_from, occurred_to, ends, seqs)
                VALUES (1, '{t}', '{1}', '{2016-06-01Z}', '{2016-06-01Z}', '{1}', '\\x05');
            DELETE FROM ledger_delta WHERE events = 1;
            INSERT INTO terminal_ledger VALUES ('t', 1, 0, '2016-06-01', '{[5,6)}', 1);
            UPDATE terminal_ledger SET events = 2;
            UPDATE ledger_fold SET next_at = now()";
        writer.batch_execute(works).await.unwrap();
        refused(&writer, "DELETE FROM terminal_ledger").await;
        for role in [Role::Reader, Role::Operator] {
            refused(&stand.session(role).await, "SELECT FROM terminal_ledger").await;
        }
    })
    .await;
}

/// Every privilege on every table of ours, by role: what is not here is refused.
const MATRIX: &str = "
    gatelog_operator: access_log r, collision r, consumer_offset r, dead_letter raw, \
        dead_letter_action ra, duplicate_event r, identity_conflict r, log_topic r, offset_gap r, outbox rd, \
        parked_event r, retention r, terminal r
    gatelog_reader:
    gatelog_writer: access_log ra, card_state raw, collision ra, consumer_offset raw, \
        dead_letter raw, dead_letter_action ra, dropped_sum r, duplicate_event ra, \
        identity_conflict ra, ledger_delta rad, ledger_fold rw, log_base r, log_seal ra, log_topic ra, offset_gap ra, outbox rawd, \
        parked_event rawd, permission_change r, permission_clock r, refinery_schema_history r, \
        retention r, shared_history r, terminal r, terminal_ledger raw, user_access_history r";

#[tokio::test]
async fn nobody_has_a_right_that_is_not_listed() {
    Stand::with(async |stand| {
        let sql = "
            SELECT r.name AS role, c.relname AS table_name,
                   string_agg(p.letter, '' ORDER BY p.nth)
                       FILTER (WHERE has_table_privilege(r.name, c.oid, p.privilege)) AS letters
            FROM unnest(ARRAY['gatelog_reader', 'gatelog_writer', 'gatelog_operator']) AS r (name)
            CROSS JOIN pg_class c
            CROSS JOIN (VALUES ('SELECT', 'r', 1), ('INSERT', 'a', 2), ('UPDATE', 'w', 3),
                               ('DELETE', 'd', 4), ('TRUNCATE', 'D', 5), ('REFERENCES', 'x', 6),
                               ('TRIGGER', 't', 7), ('MAINTAIN', 'm', 8))
                AS p (privilege, letter, nth)
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
              AND c.relname !~ '^access_log_'
            GROUP BY 1, 2 ORDER BY 1, 2";
        let mut found: BTreeMap<String, Vec<String>> =
            Role::ALL.map(|role| (role.as_str().to_owned(), Vec::new())).into();
        for row in stand.owner.query(sql, &[]).await.unwrap() {
            if let Some(letters) = row.get::<_, Option<&str>>("letters") {
                let entry = format!("{} {letters}", row.get::<_, &str>("table_name"));
                found.get_mut(row.get::<_, &str>("role")).unwrap().push(entry);
            }
        }
        let found: Vec<String> =
            found.iter().map(|(role, tables)| format!("{role}: {}", tables.join(", "))).collect();
        let wanted: Vec<&str> = MATRIX.trim().lines().map(str::trim).collect();
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found.trim(), *wanted);
        }
    })
    .await;
}

/// Functions with the owner's rights look nothing up where a caller could put something, and are
/// executed by nobody who was not told to.
#[tokio::test]
async fn functions_with_the_owners_rights_are_out_of_reach() {
    Stand::with(async |stand| {
        let sql = "
            SELECT p.proname AS name, p.prosecdef AS definer,
                   coalesce(array_to_string(p.proconfig, ';'), '') AS config,
                   EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                           WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE') AS for_everyone
            FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace";
        let functions = stand.owner.query(sql, &[]).await.unwrap();
        assert!(functions.len() >= 8, "{} functions", functions.len());
        for row in functions {
            let (name, config): (&str, &str) = (row.get("name"), row.get("config"));
            assert!(!row.get::<_, bool>("for_everyone"), "everyone may execute {name}");
            let is_fixed = config.contains("search_path=") && config.contains("pg_temp");
            assert!(
                is_fixed || !row.get::<_, bool>("definer"),
                "{name} has search path {config:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn applied_again_it_takes_back_what_was_granted_beside_it() {
    Stand::with(async |stand| {
        let grant = "GRANT UPDATE, DELETE ON access_log, access_log_20160601 TO gatelog_writer;
             GRANT SELECT ON card TO gatelog_reader; GRANT UPDATE (state) ON card TO gatelog_operator";
        stand.owner.batch_execute(grant).await.unwrap();
        let writer = stand.session(Role::Writer).await;
        allowed(&writer, "DELETE FROM access_log").await;
        let report = roles::apply(&stand.settings).await.unwrap();
        assert_eq!(report.roles.len(), 3);
        refused(&writer, "DELETE FROM access_log").await;
        refused(&writer, "DELETE FROM access_log_20160601").await;
        refused(&stand.session(Role::Reader).await, "SELECT * FROM public.card").await;
        let operator = stand.session(Role::Operator).await;
        refused(&operator, "UPDATE card SET state = 'lost'").await;
        allowed(&writer, "SELECT * FROM access_log_20160601").await;
    })
    .await;
}

/// A consumer may end the session of its like, and of nobody else.
#[tokio::test]
async fn a_writer_ends_sessions_of_its_own_login_alone() {
    Stand::with(async |stand| {
        let writer = stand.session(Role::Writer).await;
        let predecessor = stand.session(Role::Writer).await;
        let pid = "SELECT pg_backend_pid()";
        let own: i32 = predecessor.query_one(pid, &[]).await.unwrap().get(0);
        let other: i32 = stand.owner.query_one(pid, &[]).await.unwrap().get(0);
        refused(&writer, &format!("SELECT pg_terminate_backend({other})")).await;
        let ended = format!("SELECT pg_terminate_backend({own}, 10000)");
        assert!(writer.query_one(&ended, &[]).await.unwrap().get::<_, bool>(0));
        assert!(predecessor.query_one("SELECT 1", &[]).await.is_err());
    })
    .await;
}
