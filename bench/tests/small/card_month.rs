//! A card's month.

use bench::card_month::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn months_are_found_whole_and_writing_has_its_rates() {
    let options = Options { rows: 30_000, cards: 10, live_rows: 10_000, runs: 1, seed: 7 };
    let report = run(&options).await.unwrap();

    assert_eq!((report.rows, report.rounds.len()), (30_000, 1));
    // Whole months, and no other card's: the bench itself requires it.
    assert!(report.through_view.rows > 0 && report.through_view.rows == report.bare.rows);
    assert!(report.through_view.p50_ms <= report.through_view.p99_ms);
    let round = &report.rounds[0];
    assert!(round.alone_rows_per_s > 0.0 && round.beside_rows_per_s > 0.0, "{round:?}");
    assert!(round.beside_rows > 0 && round.index_s > 0.0 && round.indexed_rows_per_s > 0.0);
}
