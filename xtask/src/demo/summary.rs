//! The figures, for people.

use std::fmt::Display;

use indicatif::HumanCount;

use super::figures::{Consumer, Figures, PublishToRow, Quantiles};
use super::paint::Stream;

/// Columns that the longest bar takes.
const BAR_COLUMNS: u64 = 30;
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The summary as text. `pace` says so where the upload was held back on purpose.
pub(crate) fn render(figures: &Figures, seconds: f64, pace: Option<u32>, stream: Stream) -> String {
    let page = Page { stream };
    let pace = pace
        .map_or(String::new(), |rate| format!(", paced at {} a second", HumanCount(rate.into())));
    let uploaded = format!(
        "{} uploaded in {seconds:.1} s: {} a second{pace}; unoptimized build",
        page.count(figures.events),
        HumanCount(figures.uploaded_per_s),
    );
    let through = format!(
        "{} a second from the first upload to the last row, the takeover included",
        page.count(figures.swipes_per_s)
    );
    let became = format!(
        "{} rows, {} duplicate{}, {} collisions, {} dead letters",
        page.count(figures.rows),
        page.count(figures.duplicates),
        if figures.duplicates == 1 { "" } else { "s" },
        page.count(figures.collisions),
        page.count(figures.dead_letters),
    );
    let mut text = String::from("\n");
    text += &page.section("swipes", &[uploaded, through]);
    text += &page.section("became", &[became]);
    text += &page.section("decisions", &page.decisions(figures));
    text += &page.section("to row", &page.publish_to_row(figures.publish_to_row_ms.as_ref()));
    text += &page.section("takeover", &page.takeover(figures));
    text += &page.section("consumers", &page.consumers(figures));
    text += &page.section("verify", &[page.verify(figures)]);
    text
}

struct Page {
    stream: Stream,
}

impl Page {
    /// Lines beside their name.
    fn section(&self, name: &str, lines: &[String]) -> String {
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let name = self.stream.style(format!("{name:<10}")).cyan();
            text += &format!("  {name} {}\n", line.trim_end());
        }
        text
    }

    fn count(&self, count: u64) -> impl Display {
        self.stream.style(HumanCount(count).to_string()).bold()
    }

    fn decisions(&self, figures: &Figures) -> Vec<String> {
        let mut decisions: Vec<(&str, u64)> = figures
            .decisions
            .iter()
            .map(|(reason, rows)| (reason.as_str(), rows.as_u64().unwrap_or_default()))
            .collect();
        decisions.sort_by_key(|&(reason, rows)| (reason != "granted", std::cmp::Reverse(rows)));
        let all: u64 = decisions.iter().map(|(_, rows)| rows).sum();
        let width = decisions.iter().map(|(reason, _)| reason.len()).max();
        let width = width.unwrap_or_default();
        let line = |&(reason, rows): &(&str, u64)| {
            let percent = 100.0 * rows as f64 / all.max(1) as f64;
            let bar = self.stream.style(bar(rows, all));
            let bar = if reason == "granted" { bar.green() } else { bar.red() };
            let rows = format!("{:>6}", HumanCount(rows).to_string());
            let rows = self.stream.style(rows).bold();
            format!("{reason:<width$}  {rows}  {percent:>4.1} %  {bar}")
        };
        decisions.iter().map(line).collect()
    }

    fn publish_to_row(&self, times: Option<&PublishToRow>) -> Vec<String> {
        let Some(times) = times else {
            let why = "not measured: this Postgres has track_commit_timestamp off";
            return vec![why.to_owned()];
        };
        let line = |quantiles: Quantiles, what: &str| {
            let Quantiles { p50, p99, rows } = quantiles;
            let [p50, p99] =
                [p50, p99].map(|ms| self.stream.style(format!("{:>8}", time(ms))).bold());
            format!("p50 {p50}  p99 {p99}  from publish to row: {} {what}", HumanCount(rows))
        };
        let mut lines = vec![line(times.usual, "rows")];
        lines.extend(
            times
                .waited_for_takeover
                .map(|quantiles| line(quantiles, "rows that waited for the takeover")),
        );
        lines
    }

    fn takeover(&self, figures: &Figures) -> [String; 2] {
        let half_way = format!(
            "SIGKILL to {} with {} swipes uploaded and {} applied",
            figures.killed.name,
            HumanCount(figures.killed.acknowledged),
            HumanCount(figures.killed.applied)
        );
        let times = format!(
            "{} until the other owned its partitions, {} until nothing waited",
            self.stream.style(time(figures.takeover_ms)).bold(),
            self.stream.style(time(figures.caught_up_ms)).bold(),
        );
        [half_way, times]
    }

    fn consumers(&self, figures: &Figures) -> Vec<String> {
        let line = |consumer: &Consumer| {
            let events = HumanCount(consumer.events).to_string();
            let events = self.stream.style(format!("{events:>6}")).bold();
            let (from, to) = (consumer.partitions, consumer.partitions_at_end);
            let end = match consumer.batches {
                Some(batches) => format!("in {} transactions", HumanCount(batches)),
                None => "until it was killed".to_owned(),
            };
            let name = &consumer.name;
            format!("{name}  {from:>2} → {to:>2} partitions  {events} swipes {end}")
        };
        figures.consumers.iter().map(line).collect()
    }

    fn verify(&self, figures: &Figures) -> String {
        let verify = &figures.verify;
        let verdict = if verify.ok {
            self.stream.style("ok").green().bold()
        } else {
            self.stream.style("NOT OK").red().bold()
        };
        format!(
            "{verdict}: {} events of the log against the tables, {} missing, {} doubled, {} altered",
            HumanCount(verify.events),
            verify.missing,
            verify.doubled,
            verify.altered
        )
    }
}

/// A bar of blocks; what there is gets an eighth of a column at least.
fn bar(part: u64, all: u64) -> String {
    let eighths = (part * BAR_COLUMNS * 8).div_ceil(all.max(1));
    let rest = EIGHTHS[(eighths % 8) as usize];
    format!("{}{rest}", "█".repeat((eighths / 8) as usize))
}

/// `37 ms`, `6.41 s`.
fn time(ms: i64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{:.2} s", ms as f64 / 1e3) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::figures::{Killed, Verify};
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_part() {
        assert_eq!(bar(1, 2), "█".repeat(15));
        assert_eq!(bar(1, 100_000), "▏");
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(0, 0), "");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(time(37), "37 ms");
        assert_eq!(time(6_414), "6.41 s");
    }

    #[test]
    fn everything_has_its_line() {
        let consumer = |name: &str, batches| Consumer {
            name: name.to_owned(),
            partitions: 24,
            partitions_at_end: 0,
            events: 7_000,
            batches,
        };
        let decisions = json!({"credential_expired": 2, "granted": 90, "unauthorized": 8});
        let figures = Figures {
            events: 101,
            rows: 100,
            duplicates: 1,
            collisions: 0,
            dead_letters: 0,
            decisions: decisions.as_object().unwrap().clone(),
            swipes_per_s: 3_400,
            uploaded_per_s: 7_000,
            publish_to_row_ms: None,
            killed: Killed { name: "consumer-1".to_owned(), acknowledged: 60, applied: 50 },
            takeover_ms: 6_100,
            caught_up_ms: 6_200,
            consumers: vec![consumer("consumer-1", None), consumer("consumer-2", Some(9))],
            verify: Verify { ok: true, events: 101, missing: 0, doubled: 0, altered: 0 },
        };
        let text = render(&figures, 4.04, Some(5_000), Stream::Out);
        let text = console::strip_ansi_codes(&text);
        for line in [
            "  swipes     101 uploaded in 4.0 s: 7,000 a second, paced at 5,000 a second;",
            "  became     100 rows, 1 duplicate, 0 collisions, 0 dead letters\n",
            "  decisions  granted                 90  90.0 %",
            "             unauthorized             8   8.0 %",
            "  to row     not measured",
            "  takeover   SIGKILL to consumer-1 with 60 swipes uploaded and 50 applied\n",
            "consumer-2  24 →  0 partitions   7,000 swipes in 9 transactions\n",
            "  verify     ok: 101 events of the log against the tables, 0 missing,",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
