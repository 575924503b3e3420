//! Proving a log.

use bench::verify::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn proofs_and_the_ceiling_have_their_rates() {
    let options = Options { rows: 10_000, runs: 2, seed: 7, partitions: 6, cold: true };
    let report = run(&options).await.unwrap();

    assert_eq!((report.rows, report.runs, report.each.len()), (10_000, 2, 2));
    assert!(report.ok && report.events_per_s > 0.0 && report.ceiling_events_per_s > 0.0);
    for run in &report.each {
        let ceiling = &run.ceiling;
        assert!(run.seconds > 0.0 && ceiling.log_s > 0.0 && ceiling.table_s > 0.0, "{run:?}");
        assert_eq!(ceiling.seconds, ceiling.log_s.max(ceiling.table_s));
    }
    assert!(0.0 < report.ratio_min && report.ratio_min <= report.ratio);
    assert!(report.ratio <= report.ratio_max);
}
