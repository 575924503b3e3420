//! Reading the file and dealing its lines to the lanes, by card.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use tokio::sync::mpsc::Sender;

use super::lane::{Event, Line};
use super::mapping::{Mapping, Reader};
use super::numbered::Numbered;
use crate::Error;

/// Lines after which the count of lines is reported.
const LINES_A_REPORT: u64 = 500;

/// What to read, and how fast.
pub(super) struct Deal<R> {
    pub(super) source: R,
    pub(super) mapping: Mapping,
    pub(super) limit: u64,
    pub(super) rate_per_s: Option<u32>,
}

impl<R: Read> Deal<R> {
    /// Reads to the end and gives each line to its card's lane. Blocks: where lanes are slower than
    /// the file, it waits for them.
    pub(super) fn run(self, lanes: &[Sender<Line>], events: &Sender<Event>) {
        let mut read = 0;
        let outcome = self.deal(lanes, events, &mut read);
        // Whoever has stopped listening has stopped counting.
        let _ = events.blocking_send(Event::Read(read % LINES_A_REPORT));
        if let Err(error) = outcome {
            let _ = events.blocking_send(Event::Failed(error));
        }
    }

    fn deal(
        self,
        lanes: &[Sender<Line>],
        events: &Sender<Event>,
        read: &mut u64,
    ) -> Result<(), Error> {
        let mut file = ReaderBuilder::new()
            .trim(Trim::All)
            .flexible(true)
            .delimiter(self.mapping.delimiter as u8)
            .from_reader(Numbered::new(self.source));
        let header = file.headers().map_err(|error| broken(&error))?.clone();
        let reader = self.mapping.bind(&header)?;
        let pace = self.rate_per_s.map(|rate| (Instant::now(), rate));
        let mut record = StringRecord::new();
        while *read < self.limit {
            let begin = file.position().byte();
            let found = file.read_record(&mut record);
            let bytes = file.position().byte() - begin;
            let start = match &found {
                Ok(false) => break,
                Ok(true) => record.position(),
                Err(error) => error.position(),
            };
            let number = file.get_mut().line_at(start.map_or(begin, Position::byte));
            let event = match found {
                Ok(_) => line(&reader, &record, number, bytes),
                Err(error) => Err(not_text(&error, number, bytes)?),
            };
            *read += 1;
            if read.is_multiple_of(LINES_A_REPORT)
                && events.blocking_send(Event::Read(LINES_A_REPORT)).is_err()
            {
                break;
            }
            if let Some((begun, rate)) = pace {
                wait_for_turn(begun, *read, rate);
            }
            let is_taken = match event {
                Ok((lane, line)) => lanes[lane % lanes.len()].blocking_send(line).is_ok(),
                Err(event) => events.blocking_send(event).is_ok(),
            };
            if !is_taken {
                break; // the upload has ended before its time
            }
        }
        Ok(())
    }
}

/// The line and its card's hash, or what is wrong with it.
fn line(
    reader: &Reader,
    record: &StringRecord,
    number: u64,
    bytes: u64,
) -> Result<(usize, Line), Event> {
    let unreadable = |reason: String| Event::Unreadable { line: number, bytes, reason };
    let swipe = reader.submission(record).map_err(|invalid| unreadable(invalid.to_string()))?;
    let body = serde_json::to_vec(&swipe).map_err(|error| unreadable(error.to_string()))?;
    let mut hasher = DefaultHasher::new();
    swipe.card_id.hash(&mut hasher);
    Ok((hasher.finish() as usize, Line { number, bytes, body }))
}

/// A line that is not UTF-8 is one line; anything else is the end.
fn not_text(error: &csv::Error, line: u64, bytes: u64) -> Result<Event, Error> {
    match error.kind() {
        ErrorKind::Utf8 { .. } => {
            Ok(Event::Unreadable { line, bytes, reason: "$: is not UTF-8".to_owned() })
        }
        _ => Err(broken(error)),
    }
}

fn broken(error: &csv::Error) -> Error {
    Error::Usage(format!("the file cannot be read: {error}"))
}

/// Line number `read` is due so long after the beginning; one that is late does not wait.
fn wait_for_turn(begun: Instant, read: u64, rate_per_s: u32) {
    let due = Duration::from_secs_f64((read - 1) as f64 / f64::from(rate_per_s.max(1)));
    thread::sleep(due.saturating_sub(begun.elapsed()));
}
