//! What commands print: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::Error;

/// Prints a result for people.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
        .and_then(|()| out.flush());
    match written {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::Other(format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a result for programs.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Other(e.to_string()))?;
    print(&harmless_json(&text))
}

/// Says how it goes, to people who watch.
pub(crate) fn note(text: &str) {
    let mark = if io::stderr().is_terminal() {
        style("·").cyan().for_stderr().to_string()
    } else {
        "gatelog:".to_owned()
    };
    // Nobody is there to be told.
    let _ = writeln!(io::stderr(), "{mark} {text}");
}

/// How far something is, drawn on a terminal only.
pub(crate) fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Text from elsewhere, so that it cannot steer the terminal: what is not visible, or turns the order
/// of what is, is escaped, but for line feeds.
pub(crate) fn harmless(text: &str) -> String {
    escaped(text, |c| steers(c) && c != '\n')
}

/// The same on one line.
pub(crate) fn harmless_line(text: &str) -> String {
    escaped(text, steers)
}

/// JSON of the same meaning that cannot steer the terminal either: writers of JSON escape nothing
/// from U+007F on. What is escaped here stands only within its strings.
pub(crate) fn harmless_json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        if c >= '\u{7f}' && steers(c) {
            all += &format!("\\u{:04x}", u32::from(c));
        } else {
            all.push(c);
        }
        all
    })
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        if is_escaped(c) {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

/// Controls, ends of lines and paragraphs, and what turns the direction of writing: with it a text
/// can look like another.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A table: columns as wide as their widest cell, numbers to the right. Whatever a cell holds, it is
/// one line and steers nothing.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that hold words.
    words: Vec<usize>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N], words: &[usize]) -> Self {
        Self { rows: vec![header.map(str::to_owned).into()], words: words.to_vec() }
    }

    pub(crate) fn headless(words: &[usize]) -> Self {
        Self { rows: Vec::new(), words: words.to_vec() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| harmless_line(&cell)).into());
    }

    /// A row of as many cells as the others.
    pub(crate) fn line(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let separator = if column == 0 { "" } else { "  " };
                line += separator;
                line += &if self.words.contains(&column) {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["what", "added"], &[0]);
        table.row(["zones".to_owned(), "7".to_owned()]);
        table.row(["ü".to_owned(), "100000".to_owned()]);
        assert_eq!(table.render(), "what    added\nzones       7\nü      100000\n");
    }

    #[test]
    fn nothing_from_elsewhere_steers_the_terminal() {
        let hostile = "a\u{1b}[2J\u{202e}b\u{2066}\u{9b}\u{7f}\nc é";
        assert_eq!(harmless(hostile), "a\\u{1b}[2J\\u{202e}b\\u{2066}\\u{9b}\\u{7f}\nc é");
        assert_eq!(harmless_line(hostile), "a\\u{1b}[2J\\u{202e}b\\u{2066}\\u{9b}\\u{7f}\\nc é");
        let mut table = Table::headless(&[0, 1]);
        table.row(["x\ny".to_owned(), hostile.to_owned()]);
        assert_eq!(table.render().lines().count(), 1);
        assert!(!table.render().contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn json_says_the_same_without_what_steers() {
        let hostile = "a\u{1b}\u{7f}\u{85}\u{9b}31m\u{202e}é";
        let text = serde_json::to_string(hostile).unwrap();
        let harmless = harmless_json(&text);
        assert!(!harmless.chars().any(steers), "{harmless}");
        assert_eq!(serde_json::from_str::<String>(&harmless).unwrap(), hostile);
    }
}
