//! The pace of a drain while its table grows.

use bench::age::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn each_million_has_its_rate() {
    let options =
        Options { millions: 4, million: 5_000, seed: 7, partitions: 6, days: 3, cold: true };
    let report = run(&options).await.unwrap();

    assert_eq!((report.rows, report.days), (20_000, 3));
    for side in [&report.drain, &report.copy] {
        assert_eq!(side.rows_per_s.len(), 4);
        assert!(side.rows_per_s.iter().all(|rate| *rate > 0.0), "{side:?}");
        assert_eq!(side.first_rows_per_s, side.rows_per_s[0]);
        assert_eq!(side.last_rows_per_s, side.rows_per_s[3]);
    }
    assert!(report.quotient_min <= 0.8);
    assert_eq!(report.holds, report.drain.quotient >= report.quotient_min);
    assert!(report.to_string().contains("last/first"), "{report}");
}
