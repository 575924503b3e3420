//! The same events again.

use bench::reupload::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn both_drains_and_the_ceiling_have_their_rates() {
    let options = Options { rows: 10_000, runs: 1, seed: 7, partitions: 6, cold: true };
    let report = run(&options).await.unwrap();

    assert_eq!((report.rows, report.runs, report.each.len()), (10_000, 1, 1));
    let rates = [report.events_per_s, report.first_events_per_s, report.ceiling_events_per_s];
    assert!(rates.iter().all(|rate| *rate > 0.0), "{report:?}");
    assert!(0.0 < report.ratio_min && report.ratio_min <= report.ratio);
    assert!(report.ratio <= report.ratio_max && report.ratio_to_first > 0.0);
}
