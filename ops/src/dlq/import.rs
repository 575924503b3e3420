//! `gatelog dlq import`: letters back from a file that `gatelog dlq export` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use dead_letters::{Action, State};

use super::letter::{Letter, Says};
use super::put_back::PutBack;
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
    let opened = File::open(file).map_err(|source| unreadable(file, source))?;
    let mut client = operator::session(&settings.postgres).await?;
    let mut put_back = PutBack::new(&mut client, Action::Import, run).await?;
    let read = read(BufReader::new(opened), file, &mut put_back).await;
    put_back.end(read, &file.display().to_string(), json).await
}

async fn read(
    mut reader: impl BufRead,
    file: &Path,
    put_back: &mut PutBack<'_>,
) -> Result<(), Error> {
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let bytes = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if bytes.map_err(|source| unreadable(file, source))? == 0 {
            return Ok(());
        }
        number += 1;
        let place = format!("line {number}");
        if line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            reader.skip_until(b'\n').map_err(|source| unreadable(file, source))?;
            put_back.unreadable("has more bytes than a letter can have", place);
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(letter) => put_back.add(place, letter).await?,
            Err(why) => put_back.unreadable(&why, place),
        }
    }
}

fn unreadable(file: &Path, source: std::io::Error) -> Error {
    Error::File { path: file.to_owned(), source }
}

/// A letter as it can stand here: what was under way there is not under way here, and what it says is
/// what its bytes say.
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
    letter.says = Says::of(letter.original.value());
    if let Some(amended) = &letter.amended {
        let Some(says) = Says::of(amended.value()) else {
            return Err("what it was edited to is no swipe".to_owned());
        };
        if amended.key() != Some(says.card_id.as_bytes()) {
            return Err("what it was edited to has another key than its card".to_owned());
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
