//! Decisions beside changes, and on their topic.

use bench::decide::{Options, Way, run};

#[tokio::test(flavor = "multi_thread")]
async fn every_way_has_its_rate_and_every_swipe_its_decision() {
    let options = Options {
        swipes: 5_000,
        runs: 1,
        changes: vec![1, 200],
        sessions: 4,
        alone_s: 1,
        rates: vec![100, 500],
        seconds: 1,
        warm_up_s: 1,
        seed: 7,
        partitions: 6,
        only: None,
        cold: true,
    };
    let report = run(&options).await.unwrap();

    let ways: Vec<Way> = report.drains.iter().map(|at| at.way).collect();
    let all = [Way::Late, Way::Live, Way::Changes(1), Way::Changes(200), Way::CardState];
    assert_eq!(ways, all);
    for at in &report.drains {
        let run = &at.runs[0];
        assert!(at.events_per_s > 0.0 && at.ratio.min > 0.0 && run.batches > 0, "{at:?}");
        assert!(run.conflicts >= run.retries, "{at:?}");
        assert_eq!(run.published_per_s.is_some(), at.way != Way::Late);
        assert_eq!(run.changes.is_some(), matches!(at.way, Way::Changes(_)));
        assert_eq!(run.changes_alone.is_some(), run.changes.is_some());
    }
    assert_eq!(report.drains[1].ratio.median, 1.0);
    assert_eq!(report.drains[1].runs[0].conflicts, 0);
    let changes = report.drains[3].runs[0].changes.as_ref().unwrap();
    assert!(changes.made_per_s > 0.0 && changes.blocks.from_due.count > 0, "{changes:?}");

    assert_eq!(report.rates.len(), 2);
    for at in &report.rates {
        assert_eq!(at.decided.count, u64::from(at.committed.rate));
        assert_eq!(at.committed_to_decided.count, at.decided.count);
        assert!(at.ratio_p50 > 0.0 && at.decided.p50_ms > 0.0, "{at:?}");
    }
    let table = report.to_string();
    for part in ["1 changes/s", "200 changes/s", "card state", "100/s", "from commit to there"] {
        assert!(table.contains(part), "{table}");
    }
}
