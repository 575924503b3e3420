//! `gatelog dlq import`: letters back from a file that `gatelog dlq export` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use dead_letters::{Action, State};
use schemas::Swipe;

use super::letter::Letter;
use super::put_back::{AT_ONCE, PutBack};
use crate::operator::{self, Run};
use crate::settings::Settings;
use crate::{Error, Verdict};

/// Bytes of a line at most: a record of 1 MiB (Kafka's usual limit) as base64 and as text.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Runs the command. The answer is no where a line was skipped.
///
/// # Errors
/// A file that cannot be read, or Postgres' own.
pub async fn run(
    settings: &Settings,
    file: &Path,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let unreadable = |source| Error::File { path: file.to_owned(), source };
    let mut reader = BufReader::new(File::open(file).map_err(unreadable)?);
    let mut client = operator::session(&settings.postgres).await?;
    let mut put_back = PutBack::new(&mut client, Action::Import, run).await?;
    let (mut batch, mut line, mut number) = (Vec::with_capacity(AT_ONCE), Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(unreadable)? == 0 {
            break;
        }
        number += 1;
        if line.len() as u64 == LINE_BYTES_MAX {
            return Err(Error::Usage(format!(
                "{} line {number}: has more than {LINE_BYTES_MAX} bytes",
                file.display()
            )));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(letter) => batch.push((format!("line {number}"), letter)),
            Err(why) => put_back.unreadable(&why, format!("line {number}")),
        }
        if batch.len() == AT_ONCE {
            put_back.all(std::mem::take(&mut batch)).await?;
        }
    }
    put_back.all(batch).await?;
    let report = &put_back.report;
    report.print(&file.display().to_string(), json)?;
    Ok(if report.skipped.is_empty() { Verdict::Fine } else { Verdict::No })
}

/// A letter as it can stand here: what was under way there is not under way here.
fn parse(line: &[u8]) -> Result<Letter, String> {
    // The text of the error may quote the line.
    let mut letter: Letter = serde_json::from_slice(line).map_err(|error| {
        format!("is no letter as `gatelog dlq export` writes it ({})", kind(&error))
    })?;
    match State::parse(&letter.state) {
        None => return Err("has a state that is none".to_owned()),
        Some(State::Replaying) => State::Open.as_str().clone_into(&mut letter.state),
        Some(_) => {}
    }
    letter.lease_until = None;
    if let Some(amended) = &letter.amended {
        let whole =
            amended.key().is_some() && amended.value().is_some_and(|v| Swipe::decode(v).is_ok());
        if !whole {
            return Err("what it was edited to is no swipe".to_owned());
        }
    }
    Ok(letter)
}

fn kind(error: &serde_json::Error) -> &'static str {
    match error.is_data() {
        true => "a field is missing or wrong",
        false => "no JSON",
    }
}
