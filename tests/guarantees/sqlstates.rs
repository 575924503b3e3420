//! No SQLSTATE is classified by accident: every one that the Postgres at hand defines is in the
//! table below, and failures that are really made end in the class that they should.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use failure::Class::{self, BadRow, Bug, Contention, Outage, StalePlan};
use failure::{of_postgres, of_sqlstate};
use support::variable;
use tokio_postgres::{Client, NoTls};

/// By the first two characters of the SQLSTATE, each class of conditions that there is.
const CLASSES: [(&str, Class); 44] = [
    ("00", Bug), // success, which is no error
    ("01", Bug), // warning
    ("02", Bug), // no data
    ("03", Bug), // statement not yet complete
    ("08", Outage),
    ("09", Bug), // triggered action
    ("0A", StalePlan),
    ("0B", Bug), // transaction initiation
    ("0F", Bug), // locator
    ("0L", Bug), // grantor
    ("0P", Bug), // role
    ("0Z", Bug), // diagnostics
    ("10", Bug), // XQuery
    ("20", Bug), // case not found
    ("21", Bug), // cardinality: a subquery of ours gave several rows
    ("22", BadRow),
    ("23", BadRow),
    ("24", Bug), // cursor state
    ("25", Bug), // transaction state
    ("26", StalePlan),
    ("27", Bug), // triggered data change
    ("28", Outage),
    ("2B", Bug), // dependent privileges
    ("2D", Bug), // transaction termination
    ("2F", Bug), // SQL routine
    ("34", Bug), // cursor name
    ("38", Bug), // external routine
    ("39", Bug), // external routine invocation
    ("3B", Bug), // savepoint
    ("3D", Bug), // catalog name
    ("3F", Bug), // schema name
    ("40", Bug), // transaction rollback
    ("42", Bug), // syntax, rights
    ("44", Bug), // WITH CHECK OPTION: no view of ours is written to
    ("53", Outage),
    ("54", BadRow),
    ("55", Bug), // object not in the state for it
    ("57", Outage),
    ("58", Outage),
    ("F0", Bug), // configuration file
    ("HV", Bug), // foreign data
    ("P0", Bug), // PL/pgSQL
    ("XX", Bug), // internal error
    ("GL", Bug), // ours
];

/// What is not as its class of conditions.
const EXCEPTIONS: [(&str, Class); 8] = [
    ("25006", Outage),     // read-only transaction
    ("25P03", Outage),     // idle in transaction
    ("25P04", Outage),     // transaction_timeout
    ("40001", Contention), // serialization failure
    ("40003", Outage),     // whether it was committed is unknown
    ("40P01", Contention), // deadlock
    ("55P03", Contention), // lock not available
    ("GL001", Contention), // a day that is not kept
];

/// Our own, which Postgres' list does not name.
const OURS: [&str; 1] = ["GL001"];

async fn connect() -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(&variable("GATELOG_POSTGRES")?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Every SQLSTATE that this Postgres defines, from the list that it was built from.
async fn defined(db: &Client) -> Result<BTreeSet<String>> {
    let sql =
        "SELECT pg_read_file(setting || '/errcodes.txt') FROM pg_config WHERE name = 'SHAREDIR'";
    let list: String = db.query_one(sql, &[]).await.context("reading errcodes.txt")?.get(0);
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.starts_with("Section:"));
    Ok(lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[tokio::test]
async fn every_one_is_thought_about() -> Result<()> {
    let mut codes = defined(&connect().await?).await?;
    assert!(codes.len() > 200 && codes.iter().all(|code| code.len() == 5), "{codes:?}");
    codes.extend(OURS.map(str::to_owned));

    let (classes, exceptions) = (BTreeMap::from(CLASSES), BTreeMap::from(EXCEPTIONS));
    assert_eq!(classes.len(), CLASSES.len(), "a class of conditions is named twice");
    let unknown: Vec<&String> =
        codes.iter().filter(|code| !classes.contains_key(&code[..2])).collect();
    assert!(unknown.is_empty(), "nobody has said what these are: {unknown:?}");
    for code in &codes {
        let expected = exceptions.get(code.as_str()).unwrap_or(&classes[&code[..2]]);
        assert_eq!(of_sqlstate(code, Some("a constraint")), *expected, "{code}");
        // Only a CHECK makes a difference: one without a name is a partition that is missing.
        let unnamed = if code == "23514" { Outage } else { *expected };
        assert_eq!(of_sqlstate(code, None), unnamed, "{code} without a constraint's name");
    }
    Ok(())
}

/// Class of the error that `sql` ends in.
async fn class_of(db: &Client, sql: &str) -> Result<Class> {
    let failed = db.batch_execute(sql).await.err().with_context(|| format!("{sql} went well"))?;
    Ok(of_postgres(&failed))
}

#[tokio::test]
async fn what_rows_and_statements_run_into() -> Result<()> {
    let db = connect().await?;
    db.batch_execute(
        "CREATE TEMP TABLE by_day (day date, n int, PRIMARY KEY (day, n),
             CONSTRAINT small CHECK (n < 10)) PARTITION BY RANGE (day);
         CREATE TEMP TABLE that_day PARTITION OF by_day
             FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
         INSERT INTO by_day VALUES ('2026-01-01', 1);",
    )
    .await?;
    for (sql, class) in [
        ("INSERT INTO by_day VALUES ('2027-01-01', 1)", Outage),
        ("INSERT INTO that_day VALUES ('2027-01-01', 1)", Outage),
        ("INSERT INTO by_day VALUES ('2026-01-01', 10)", BadRow),
        ("INSERT INTO by_day VALUES ('2026-01-01', 1)", BadRow),
        ("INSERT INTO by_day VALUES ('2026-01-01', NULL)", BadRow),
        ("INSERT INTO by_day VALUES ('2026-01-01', 1 / 0)", BadRow),
        ("INSERT INTO by_day VALUES ('2026-01-32', 2)", BadRow),
        ("INSERT INTO by_month VALUES (1)", Bug),
        ("INSERT INTO", Bug),
        ("EXECUTE nothing", StalePlan),
        ("SET statement_timeout = 10; SELECT pg_sleep(60)", Outage),
        ("BEGIN READ ONLY; CREATE TABLE never (n int)", Outage),
    ] {
        assert_eq!(class_of(&db, sql).await?, class, "{sql}");
        db.batch_execute("ROLLBACK; RESET statement_timeout").await?;
    }

    let stale = db.prepare("SELECT * FROM by_day").await?;
    db.query(&stale, &[]).await?;
    db.batch_execute("ALTER TABLE by_day ADD COLUMN more int").await?;
    let failed = db.query(&stale, &[]).await.err().context("the old plan was good")?;
    assert_eq!(of_postgres(&failed), StalePlan, "{failed}");

    let wrong = db.query("SELECT $1::int", &[&"1"]).await.err().context("a text is no int")?;
    assert_eq!(of_postgres(&wrong), Bug, "{wrong}");
    let row = db.query_one("SELECT NULL::int", &[]).await?;
    let wrong = row.try_get::<_, i32>(0).err().context("NULL is no int")?;
    assert_eq!(of_postgres(&wrong), Bug, "{wrong}");
    Ok(())
}

#[tokio::test]
async fn what_comes_of_others_and_of_the_network() -> Result<()> {
    let (db, other) = (connect().await?, connect().await?);
    db.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('sqlstates'))").await?;
    let waits = "SET lock_timeout = 10; SELECT pg_advisory_xact_lock(hashtext('sqlstates'))";
    assert_eq!(class_of(&other, waits).await?, Contention);

    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    db.execute("SELECT pg_terminate_backend($1)", &[&pid]).await?;
    // The first may still be told why (57P01), the next finds nobody.
    for _ in 0..2 {
        assert_eq!(class_of(&other, "SELECT 1").await?, Outage);
    }

    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let url = format!("postgres://{nobody}/nothing");
    let refused =
        tokio_postgres::connect(&url, NoTls).await.err().context("nobody answers there")?;
    assert_eq!(of_postgres(&refused), Outage, "{refused}");
    Ok(())
}
