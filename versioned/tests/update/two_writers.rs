//! Writers that have read the same version.

use std::num::NonZeroU32;

use tokio_postgres::Client;
use versioned::{Conflict, Error, Outcome, Tries, Versioned};

use crate::pass::{Pass, TABLES, conflict};
use test_database::Database;

#[tokio::test]
async fn one_wins_and_the_other_learns_the_winners_version() {
    Database::with_tables(TABLES, async |database, first| {
        let second = database.connect().await;
        let mut ours = Pass::read(&first).await.unwrap().and("lab");
        let mut theirs = Pass::read(&second).await.unwrap().and("roof");
        let (ours, theirs) = tokio::join!(ours.update(&first, 0), theirs.update(&second, 0));
        let (won, lost) = if ours.is_ok() { (ours, theirs) } else { (theirs, ours) };
        assert_eq!(won.unwrap(), Outcome::Changed(2));
        assert_eq!(conflict(lost), Conflict { table: "pass", expected: 1, current: Some(2) });
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_the_row_finds_the_version_that_was_committed_meanwhile() {
    Database::with_tables(TABLES, async |database, mut first| {
        let (second, watcher) = (database.connect().await, database.connect().await);
        let mut waiting = Pass::read(&second).await.unwrap().and("roof");
        let transaction = first.transaction().await.unwrap();
        let mut ours = Pass::read(&transaction).await.unwrap().and("lab");
        ours.update(&transaction, 0).await.unwrap();
        let waiting = tokio::spawn(async move { waiting.update(&second, 0).await });
        database.until_blocked().await;
        transaction.commit().await.unwrap();
        let conflict = conflict(waiting.await.unwrap());
        assert_eq!(conflict, Conflict { table: "pass", expected: 1, current: Some(2) });
        assert_eq!(Pass::read(&watcher).await.unwrap().zones, ["lobby", "lab"]);
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_row_that_is_put_back_gets_it() {
    Database::with_tables(TABLES, async |database, mut first| {
        let second = database.connect().await;
        let mut waiting = Pass::read(&second).await.unwrap().and("roof");
        let transaction = first.transaction().await.unwrap();
        transaction.batch_execute("DELETE FROM pass").await.unwrap();
        let waiting = tokio::spawn(async move { waiting.update(&second, 0).await });
        database.until_blocked().await;
        transaction.rollback().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), Outcome::Changed(2));
    })
    .await;
}

#[tokio::test]
async fn a_transaction_goes_on_after_a_conflict() {
    Database::with_tables(TABLES, async |database, mut first| {
        let second = database.connect().await;
        let transaction = first.transaction().await.unwrap();
        let mut ours = Pass::read(&transaction).await.unwrap().and("lab");
        let mut theirs = Pass::read(&second).await.unwrap().and("roof");
        theirs.update(&second, 0).await.unwrap();
        conflict(ours.update(&transaction, 0).await);
        let mut ours = Pass::read(&transaction).await.unwrap().and("lab");
        assert_eq!(ours.update(&transaction, 0).await.unwrap(), Outcome::Changed(3));
        transaction.commit().await.unwrap();
        assert_eq!(Pass::read(&second).await.unwrap().zones, ["lobby", "roof", "lab"]);
    })
    .await;
}

/// Reads, lets somebody else be faster while `overtaken` is not used up, and updates.
async fn add_lab(
    client: &mut Client,
    other: &Client,
    overtaken: &mut u32,
) -> Result<Outcome, Error> {
    let transaction = client.transaction().await.unwrap();
    let mut pass = Pass::read(&transaction).await.unwrap().and("lab");
    if *overtaken > 0 {
        *overtaken -= 1;
        other.batch_execute("UPDATE pass SET version = version + 1").await.unwrap();
    }
    let outcome = pass.update(&transaction, 0).await?;
    transaction.commit().await.unwrap();
    Ok(outcome)
}

/// With the conflicts that there were.
async fn add_lab_in_tries(
    client: &mut Client,
    other: &Client,
    mut overtaken: u32,
    most: u32,
) -> (Result<Outcome, Error>, u32) {
    let mut tries = Tries::at_most(NonZeroU32::new(most).unwrap());
    loop {
        match add_lab(client, other, &mut overtaken).await {
            Err(Error::Conflict(_)) if tries.again() => {}
            end => return (end, tries.conflicts()),
        }
    }
}

#[tokio::test]
async fn conflicts_are_tried_again_until_one_try_is_fast_enough() {
    Database::with_tables(TABLES, async |database, mut client| {
        let other = database.connect().await;
        // On another task: updates are Send.
        let added = async move { add_lab_in_tries(&mut client, &other, 2, 5).await };
        let (end, conflicts) = tokio::spawn(added).await.unwrap();
        assert_eq!((end.unwrap(), conflicts), (Outcome::Changed(4), 2));
    })
    .await;
}

#[tokio::test]
async fn tries_are_bounded_and_other_errors_are_not_tried_again() {
    Database::with_tables(TABLES, async |database, mut client| {
        let other = database.connect().await;
        let (end, conflicts) = add_lab_in_tries(&mut client, &other, 9, 3).await;
        assert_eq!(conflicts, 3);
        assert_eq!(conflict(end), Conflict { table: "pass", expected: 3, current: Some(4) });

        other.batch_execute("UPDATE pass SET zones = '{lobby,roof,gate}'").await.unwrap();
        let (end, conflicts) = add_lab_in_tries(&mut client, &other, 0, 3).await;
        assert!(matches!(end, Err(Error::Postgres { .. })), "{end:?}");
        assert_eq!(conflicts, 0);
    })
    .await;
}
