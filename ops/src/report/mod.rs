//! `gatelog report`: a day or a week at the doors, on a page that can be printed.
//!
//! ```text
//! views of schema analyst ─▶ Data ─▶ sentences, plots ─▶ one HTML file
//! ```

pub mod data;
mod html;
mod page;
pub mod presence;
pub mod span;
mod svg;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

pub use data::Data;
pub use page::page;
pub use span::{Length, Span};

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    from: Date,
    until: Date,
    swipes: u64,
    denied: u64,
    is_over: bool,
}

/// Writes the page of a day or a week to `out`.
///
/// # Errors
/// A file that cannot be written; Postgres' own.
pub async fn run(
    settings: &Settings,
    length: Length,
    of: Option<Date>,
    out: &Path,
    json: bool,
) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let now = Timestamp::now();
    let span = Span::new(length, of, now)?;
    let data = Data::read(&client, span, now).await?;
    write(out, &page(&data))?;
    let (granted, denied) = data.swipes();
    let swipes = granted + denied;
    if json {
        let (from, until, is_over) = (span.from, span.until, data.is_over);
        output::print_json(&Report { file: out, from, until, swipes, denied, is_over })?;
    } else {
        let name = span.name();
        let out = out.display();
        let so_far = if data.is_over { "" } else { " so far: it is not over" };
        output::print(&format!(
            "{name} written to {out}: swipes {swipes}, denied {denied}{so_far}\n"
        ))?;
    }
    Ok(Verdict::Fine)
}

/// Beside its place first: who looks at the page meanwhile sees the old one.
fn write(out: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: out.to_owned(), source };
    let mut draft = PathBuf::from(out).into_os_string();
    draft.push(".draft");
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, out)).map_err(failed)
}
