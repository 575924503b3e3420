//! How rows are found: several columns, columns that are no key, names that need quotes.

use tokio_postgres::error::SqlState;
use versioned::{Error, Outcome, Versioned};

use crate::pass::conflict;
use test_database::Database;

const SEATS: &str = "
    CREATE TABLE seat (hall bigint, number bigint, holder text, version bigint NOT NULL DEFAULT 1,
                       PRIMARY KEY (hall, number));
    INSERT INTO seat VALUES
        (1, 1, 'a', 1), (1, 2, 'b', 1), (2, 1, 'c', 1), (3, 1, 'd', 5), (3, 2, 'e', 6)";

#[derive(Versioned)]
#[versioned(table = "seat")]
struct Seat {
    #[version(key)]
    hall: i64,
    #[version(key)]
    number: i64,
    holder: Option<String>,
    #[version(auto)]
    version: i64,
}

#[tokio::test]
async fn all_columns_of_a_key_count() {
    Database::with_tables(SEATS, async |_, client| {
        let mut seat = Seat { hall: 1, number: 2, holder: None, version: 1 };
        assert_eq!(seat.update(&client, 0).await.unwrap(), Outcome::Changed(2));
        let moved = "SELECT hall, number, holder FROM seat WHERE version = 2";
        let row = client.query_one(moved, &[]).await.unwrap();
        assert_eq!((row.get(0), row.get(1), row.get(2)), (1_i64, 2_i64, None::<String>));
        // Null is a value that can be the same.
        assert_eq!(seat.update(&client, 0).await.unwrap(), Outcome::Unchanged(2));
        let mut nobody = Seat { hall: 2, number: 2, holder: None, version: 1 };
        assert_eq!(conflict(nobody.update(&client, 0).await).current, None);
    })
    .await;
}

/// Forgets that `number` belongs to the key.
#[derive(Versioned)]
#[versioned(table = "seat")]
struct Hall {
    #[version(key)]
    hall: i64,
    holder: String,
    #[version(auto)]
    version: i64,
}

impl Hall {
    fn of(hall: i64, holder: &str, version: i64) -> Self {
        Self { hall, holder: holder.to_owned(), version }
    }
}

#[tokio::test]
async fn a_key_that_fits_two_rows_writes_neither() {
    Database::with_tables(SEATS, async |_, client| {
        let both_differ = Hall::of(1, "x", 1);
        let one_differs = Hall::of(1, "a", 1);
        let no_such_version = Hall::of(3, "x", 1);
        for mut hall in [both_differ, one_differs, no_such_version] {
            // No transaction around it: the statement itself is taken back.
            assert_not_one_row(&hall.update(&client, 0).await.unwrap_err());
            assert_eq!(hall.version, 1);
        }
        let written = "SELECT count(*) FROM seat WHERE holder = 'x' OR (hall = 1 AND version > 1)";
        assert_eq!(client.query_one(written, &[]).await.unwrap().get::<_, i64>(0), 0);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_fits_two_rows_cannot_be_committed() {
    Database::with_tables(SEATS, async |_, mut client| {
        let transaction = client.transaction().await.unwrap();
        transaction.batch_execute("UPDATE seat SET holder = 'y' WHERE hall = 2").await.unwrap();
        assert_not_one_row(&Hall::of(1, "x", 1).update(&transaction, 0).await.unwrap_err());
        let aborted = transaction.batch_execute("SELECT").await.unwrap_err();
        assert_eq!(aborted.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        // Postgres turns this into a rollback.
        transaction.commit().await.unwrap();
        let written = "SELECT count(*) FROM seat WHERE holder IN ('x', 'y')";
        assert_eq!(client.query_one(written, &[]).await.unwrap().get::<_, i64>(0), 0);
    })
    .await;
}

fn assert_not_one_row(error: &Error) {
    assert!(matches!(error, Error::NotOneRow { table: "seat", .. }), "{error:?}");
    assert_eq!(error.to_string(), "seat: the key fits more than one row; nothing was written");
}

/// Words of SQL, capitals, blanks and quotes.
#[derive(Versioned)]
#[versioned(table = "Who \"may\" go; where")]
struct Quoted {
    #[version(key)]
    order: String,
    r#where: String,
    #[version(column = "what's \"it\"?")]
    what: i32,
    #[version(auto, column = "Version $1")]
    number: i64,
    #[version(time, column = "größe")]
    time: i64,
}

#[tokio::test]
async fn names_are_quoted() {
    let tables = r#"
        CREATE TABLE "Who ""may"" go; where" (
            "order" char(4) PRIMARY KEY, "where" varchar(9), "what's ""it""?" int,
            "Version $1" bigint, "größe" bigint);
        INSERT INTO "Who ""may"" go; where" VALUES ('o', 'here', 0, 41, 0)"#;
    Database::with_tables(tables, async |_, client| {
        let (order, place) = ("o".to_owned(), "there".to_owned());
        let mut quoted = Quoted { order, r#where: place, what: 3, number: 41, time: 0 };
        assert_eq!(quoted.update(&client, 77).await.unwrap(), Outcome::Changed(42));
        assert_eq!((quoted.number, quoted.time), (42, 77));
        let row = client.query_one(r#"SELECT * FROM "Who ""may"" go; where""#, &[]).await.unwrap();
        assert_eq!((row.get(1), row.get(2), row.get(3), row.get(4)), ("there", 3, 42_i64, 77_i64));
        assert_eq!(quoted.update(&client, 78).await.unwrap(), Outcome::Unchanged(42));
    })
    .await;
}

/// A type whose table and columns have the names that parts of the statement have. That the type
/// is a macro's is a case of its own.
macro_rules! named_like_a_part {
    ($name:ident, $table:literal) => {
        #[derive(Versioned)]
        #[versioned(table = $table)]
        struct $name {
            #[version(key)]
            unchanged: i64,
            changed: String,
            #[version(auto)]
            version: i64,
            #[version(time)]
            at: i64,
        }

        impl $name {
            fn at_version(version: i64) -> Self {
                Self { unchanged: 1, changed: "b".to_owned(), version, at: 0 }
            }
        }
    };
}

named_like_a_part!(Changed, "changed");
named_like_a_part!(Unchanged, "unchanged");

#[tokio::test]
async fn a_table_may_be_named_like_a_part_of_the_statement() {
    let tables = "
        CREATE TABLE changed (unchanged bigint PRIMARY KEY, changed text, version bigint, at bigint);
        CREATE TABLE unchanged (LIKE changed);
        INSERT INTO changed VALUES (1, 'a', 1);
        INSERT INTO unchanged VALUES (1, 'a', 5)";
    Database::with_tables(tables, async |_, client| {
        let mut changed = Changed::at_version(1);
        assert_eq!(changed.update(&client, 0).await.unwrap(), Outcome::Changed(2));
        assert_eq!(changed.update(&client, 0).await.unwrap(), Outcome::Unchanged(2));
        let mut unchanged = Unchanged::at_version(5);
        assert_eq!(unchanged.update(&client, 0).await.unwrap(), Outcome::Changed(6));
        assert_eq!(unchanged.update(&client, 0).await.unwrap(), Outcome::Unchanged(6));
        unchanged.version = 4;
        assert_eq!(conflict(unchanged.update(&client, 0).await).current, Some(6));
    })
    .await;
}
