//! Exporting a view.

use bench::lake::{Options, run};

/// Whether DuckDB reads the files, `cargo xtask bench lake` shows: tests fetch nothing.
#[tokio::test(flavor = "multi_thread")]
async fn exports_and_the_ceiling_have_their_rates() {
    let options = Options { rows: 10_000, runs: 2, without_duckdb: true };
    let report = run(&options).await.unwrap();
    assert_eq!((report.rows, report.runs, report.each.len()), (10_000, 2, 2));
    assert!(report.rows_per_s > 0.0 && report.ceiling_rows_per_s > 0.0 && report.bytes > 10_000);
    assert!(0.0 < report.ratio_min && report.ratio_min <= report.ratio);
    assert!(report.ratio <= report.ratio_max && report.duckdb.is_none());
}
