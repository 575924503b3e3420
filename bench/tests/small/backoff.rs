//! What jitter is good for.

use bench::backoff::{Course, Options, Report, run};

fn options() -> Options {
    Options { clients: 100, capacity: 5, base_ms: 50, cap_ms: 400, seed: 7 }
}

fn is_whole(report: &Report, course: &Course) {
    let (clients, capacity) = (report.clients, report.capacity);
    assert_eq!(course.ticks.iter().map(|tick| tick.served).sum::<u32>(), clients, "all are served");
    assert!(course.ticks.iter().all(|tick| tick.served <= tick.requests.min(capacity)));
    assert!(course.ticks.is_sorted_by_key(|tick| tick.at_ms));
    assert_eq!((course.ticks[0].at_ms, course.ticks[0].served), (0, 0), "all fail at first");
    assert!(course.ticks[0].requests >= clients);
    let calls: u32 = course.ticks.iter().map(|tick| tick.requests).sum();
    assert_eq!(course.calls, u64::from(calls));
    assert!(course.half_ms <= course.done_ms && course.calls >= report.floor_calls);
    assert!(course.done_ms >= report.floor_ms);
}

#[test]
fn both_serve_everybody_and_jitter_does_so_sooner_and_with_fewer_calls() {
    let report = run(&options());
    is_whole(&report, &report.no_jitter);
    is_whole(&report, &report.full_jitter);
    assert_eq!(report.floor_ms, 200);

    // Waves: all that are left at 50, 150, 350 ms and each 400 ms after, five of which are served.
    let waves = report.no_jitter.ticks.iter().map(|tick| (tick.at_ms, tick.requests));
    let expected = [(0, 100), (50, 100), (150, 95), (350, 90), (750, 85), (1_150, 80)];
    assert!(waves.take(6).eq(expected), "{report}");
    assert_eq!((report.no_jitter.calls, report.no_jitter.done_ms), (1_150, 7_150));

    assert!(report.full_jitter.calls < report.no_jitter.calls, "{report}");
    assert!(report.full_jitter.done_ms < report.no_jitter.done_ms, "{report}");
    assert!(report.full_jitter.requests_max < report.no_jitter.requests_max, "{report}");
    assert!(report.to_string().contains("last done ms"), "{report}");
}

#[test]
fn a_seed_gives_the_same_report_and_plot() {
    let (one, other) = (run(&options()), run(&options()));
    assert_eq!(one.full_jitter.ticks, other.full_jitter.ticks);
    assert_eq!(one.plot(), other.plot());
    let another = run(&Options { seed: 8, ..options() });
    assert_ne!(one.full_jitter.ticks, another.full_jitter.ticks);
    assert_eq!(one.no_jitter.ticks, another.no_jitter.ticks, "without jitter there is no chance");
}

/// The figure in docs/ is what `cargo xtask bench backoff` draws.
#[test]
fn the_figure_in_the_docs_is_this_one() {
    let report =
        run(&Options { clients: 1_000, capacity: 20, base_ms: 50, cap_ms: 5_000, seed: 1 });
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/backoff.svg");
    let figure = std::fs::read_to_string(docs).unwrap();
    assert!(figure == report.plot(), "draw it again: cargo xtask bench backoff");
}
