//! Drains beside COPYs.

use anyhow::Result;
use bench::drain::{CeilingOrder, Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_drain_is_measured_whole() -> Result<()> {
    measured(CeilingOrder::Log).await
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_copy_in_its_own_order_too() -> Result<()> {
    measured(CeilingOrder::Drain).await
}

async fn measured(ceiling: CeilingOrder) -> Result<()> {
    let options = Options {
        rows: 20_000,
        runs: 2,
        seed: 7,
        partitions: 6,
        jitter_ms: 60_000,
        days: 40,
        ceiling,
        cold: true,
    };
    let report = run(&options).await?;

    assert_eq!((report.rows, report.runs, report.days), (20_000, 2, 40));
    assert_eq!((report.drains.len(), report.copies.len(), report.ratios.len()), (2, 2, 2));
    for (drain, copy) in report.drains.iter().zip(&report.copies) {
        assert_eq!(drain.tally.rows, 20_000);
        assert_eq!((drain.tally.duplicates, drain.tally.collisions, drain.tally.dead), (0, 0, 0));
        assert!(0.0 < drain.first_commit_s && drain.first_commit_s <= drain.seconds);
        assert!(drain.rows_per_s > 0.0 && copy.rows_per_s > 0.0);
        assert!(drain.transactions >= 1 && drain.stretch_rows_mean >= 1.0);
    }
    assert!(report.rows_per_s > 0.0 && report.ceiling_rows_per_s > 0.0);
    assert!(
        0.0 < report.ratio_min
            && report.ratio_min <= report.ratio
            && report.ratio <= report.ratio_max
    );
    Ok(())
}
