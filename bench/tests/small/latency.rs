//! From publish to commit.

use bench::latency::{Options, Percentiles, run};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_has_its_times() {
    let options = Options {
        rates: vec![100, 1_000],
        seconds: 1,
        warm_up_s: 1,
        commits: 50,
        seed: 7,
        partitions: 6,
    };
    let report = run(&options).await.unwrap();

    let rises = |times: &Percentiles| {
        assert!(times.p50_ms <= times.p99_ms && times.p99_ms <= times.p999_ms, "{times:?}");
        assert!(times.p999_ms <= times.max_ms, "{times:?}");
    };
    assert_eq!(report.bare_commit.count, 50);
    assert!(report.bare_commit.p50_ms > 0.0);
    assert_eq!(report.rates.iter().map(|at| at.rate).collect::<Vec<_>>(), [100, 1_000]);
    for at in &report.rates {
        let all = [&at.sender_late, &at.acknowledged, &at.committed, &at.acknowledged_to_committed];
        for times in all {
            assert_eq!(times.count, u64::from(at.rate));
            rises(times);
        }
        assert!(at.committed.p50_ms > 0.0 && at.sent_per_s > 0.0 && at.look_gap.count > 0);
        let marked = format!("{}/s!", at.rate);
        assert_eq!(report.to_string().contains(&marked), at.sender_behind, "{report}");
    }
    assert!((0..=2_200).contains(&report.not_live));
}
