//! `gatelog import`: swipes from a CSV file, through the gateway, into the log.

mod answer;
mod deal;
mod lane;
mod mapping;
mod numbered;
mod summary;
mod terminal;
mod upload;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::settings::Settings;
use crate::{Error, Verdict, output};

pub use mapping::{Ambiguous, Mapping, Time, VAST};
pub use summary::{Reason, Reasons, Summary};
pub use terminal::Template;
pub use upload::{Options, upload};

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    per_second: f64,
    error: Option<String>,
}

/// Uploads `file` and prints what became of its lines.
///
/// # Errors
/// A file or a mapping that makes no sense, or a gateway that cannot be used; the summary is
/// printed before.
pub async fn run(
    settings: &Settings,
    file: &Path,
    mapping: &str,
    options: &Options,
    json: bool,
) -> Result<Verdict, Error> {
    let mapping = Mapping::parse(&mapping_text(mapping)?)?;
    let unreadable = |source| Error::File { path: file.to_owned(), source };
    let source = File::open(file).map_err(unreadable)?;
    let bytes = source.metadata().map_err(unreadable)?.len();
    let bar = output::bar(bytes);
    let (summary, outcome) = upload(source, mapping, &settings.gateway, options, |summary| {
        bar.set_position(summary.bytes);
        bar.set_message(format!("{} logged", summary.logged));
    })
    .await;
    bar.finish_and_clear();
    if json {
        let error = outcome.as_ref().err().map(ToString::to_string);
        let per_second = (summary.per_second() * 10.0).round() / 10.0;
        output::print_json(&Answer { summary: &summary, per_second, error })?;
    } else if summary.read > 0 || outcome.is_ok() {
        output::print(&render(&summary))?;
    }
    outcome?;
    Ok(if summary.is_complete() { Verdict::Fine } else { Verdict::No })
}

/// `vast`, or what stands in a file.
fn mapping_text(mapping: &str) -> Result<String, Error> {
    if mapping == "vast" {
        return Ok(VAST.to_owned());
    }
    let path = PathBuf::from(mapping);
    std::fs::read_to_string(&path).map_err(|source| {
        Error::Usage(format!(
            "--mapping {mapping}: neither `vast` nor a file that can be read ({source}); \
             `gatelog import --help` shows how to write one"
        ))
    })
}

fn render(summary: &Summary) -> String {
    let mut text = format!("read        {}\nlogged      {}", summary.read, summary.logged);
    if summary.spooled > 0 {
        text += &format!(" ({} of them on the gateway's disk)", summary.spooled);
    }
    text.push('\n');
    for (what, reasons) in [("refused", &summary.refused), ("unreadable", &summary.unreadable)] {
        text += &format!("{what:<12}{}\n", reasons.lines());
        for reason in reasons.iter() {
            let first: Vec<String> = reason.first_lines.iter().map(u64::to_string).collect();
            let more = if reason.lines > first.len() as u64 { ", …" } else { "" };
            let first = format!("line {}{more}", first.join(", "));
            let reason = format!("  {:>8}  {}  ({})\n", reason.lines, reason.reason, first);
            text += &reason;
        }
    }
    if summary.unacknowledged > 0 {
        text += &format!(
            "open        {} (not acknowledged; importing the file again is harmless)\n",
            summary.unacknowledged
        );
    }
    let (retried, seconds) = (summary.retried, summary.elapsed.as_secs_f64());
    text + &format!(
        "retried     {retried}\ntook        {seconds:.1} s, {:.0} logged per second\n",
        summary.per_second()
    )
}
