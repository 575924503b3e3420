//! One consumer process from its claim to an end of the log, and how far it was when.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::consumer::Consumer;
use crate::cpu::Cpu;
use crate::database::Database;
use crate::ground::Ground;
use crate::progress::Progress;

/// Between two looks at how far the consumer is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the consumer was seen to be, and when; the last point is the end.
#[derive(Debug)]
pub(crate) struct Course {
    points: Vec<Point>,
}

/// So many events of this course had been committed, so long after the claim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) events: i64,
    pub(crate) seconds: f64,
}

impl Course {
    /// From the claim to the end.
    pub(crate) fn seconds(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.seconds)
    }

    /// The first batch that was seen committed.
    pub(crate) fn first_commit(&self) -> Point {
        self.points.first().copied().unwrap_or(Point { events: 0, seconds: 0.0 })
    }

    /// When so many events had been committed, in seconds since the claim: between two looks, by a
    /// straight line.
    pub(crate) fn passed_s(&self, events: i64) -> f64 {
        let mut before = Point { events: 0, seconds: 0.0 };
        for point in &self.points {
            if point.events >= events {
                let part = (events - before.events) as f64 / (point.events - before.events) as f64;
                return before.seconds + part * (point.seconds - before.seconds);
            }
            before = *point;
        }
        before.seconds
    }

    #[cfg(test)]
    pub(crate) fn of(points: &[(i64, f64)]) -> Self {
        let point = |(events, seconds): &(i64, f64)| Point { events: *events, seconds: *seconds };
        Self { points: points.iter().map(point).collect() }
    }
}

/// Starts a consumer on an idle database, whose offsets add up to `span.start`, and stops it when
/// they add up to `span.end`; with the CPU that was used from its start on.
///
/// # Errors
/// A server's own; or the consumer ends or stands still.
pub(crate) async fn run(
    ground: &Ground,
    database: &Database,
    topic: &str,
    group: &str,
    span: Range<i64>,
    progress: &Progress,
) -> Result<(Course, Cpu)> {
    database.checkpoint().await?;
    let mut consumer = Consumer::start(&ground.servers, &database.url, topic, group)?;
    let before = ground.processes.used(consumer.pid());
    let course = follow(&mut consumer, &database.client, span, progress).await?;
    let cpu = ground.processes.used(consumer.pid()).since(before);
    consumer.stop().await?;
    Ok((course, cpu))
}

/// Waits until the consumer has claimed every partition.
///
/// # Errors
/// Postgres' own; or the consumer ends, or does not.
pub(crate) async fn claimed(
    consumer: &mut Consumer,
    client: &Client,
    partitions: u16,
) -> Result<()> {
    let (doing, started) = ("looking at consumer_offset", Instant::now());
    loop {
        let row = client.query_one(include_str!("sql/claimed.sql"), &[]).await.context(doing)?;
        if row.get::<_, i64>(0) == i64::from(partitions) {
            return Ok(());
        }
        consumer.check()?;
        ensure!(
            started.elapsed() < PATIENCE,
            "the consumer has not claimed its partitions for {PATIENCE:?}:\n{}",
            consumer.log()
        );
        sleep(LOOK_EVERY).await;
    }
}

/// Looks at how far a consumer is until it is at the end of the span.
///
/// # Errors
/// Postgres' own; or the consumer ends or stands still.
pub(crate) async fn follow(
    consumer: &mut Consumer,
    client: &Client,
    span: Range<i64>,
    progress: &Progress,
) -> Result<Course> {
    let doing = "looking at consumer_offset";
    let statement = client.prepare(include_str!("sql/progress.sql")).await.context(doing)?;
    let (mut seen, mut moved_at, mut points) = (span.start, Instant::now(), Vec::new());
    loop {
        let row = client.query_one(&statement, &[]).await.context(doing)?;
        let (next, seconds): (i64, f64) = (row.get(0), row.get(1));
        if next > seen {
            (seen, moved_at) = (next, Instant::now());
            let events = next - span.start;
            points.push(Point { events, seconds });
            progress.at(events.unsigned_abs());
        }
        if next >= span.end {
            return Ok(Course { points });
        }
        consumer.check()?;
        if moved_at.elapsed() > PATIENCE {
            let (end, log) = (span.end, consumer.log());
            bail!("the consumer stands at {next} of {end} for {PATIENCE:?}:\n{log}");
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_lies_on_a_line() {
        let course = Course::of(&[(100, 2.0), (300, 3.0)]);
        assert_eq!(course.passed_s(100), 2.0);
        assert_eq!(course.passed_s(150), 2.25);
        assert_eq!(course.passed_s(50), 1.0);
        assert_eq!(course.passed_s(300), course.seconds());
        assert_eq!(course.first_commit(), Point { events: 100, seconds: 2.0 });
    }
}
