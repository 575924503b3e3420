//! Line numbers as an editor shows them. The CSV reader's own are off where lines end in CR LF and
//! where lines are empty.

use std::collections::VecDeque;
use std::io::{self, Read};

/// A source that remembers where its lines begin, until it was asked.
#[derive(Debug)]
pub(super) struct Numbered<R> {
    source: R,
    offset: u64,
    line: u64,
    is_at_start: bool,
    /// Offset and number of each line that is not empty and may still be asked for.
    starts: VecDeque<(u64, u64)>,
}

impl<R> Numbered<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, offset: 0, line: 1, is_at_start: true, starts: VecDeque::new() }
    }

    /// Number of the first line at or after `offset` that is not empty. Ask in order: what lies
    /// before is forgotten.
    pub(super) fn line_at(&mut self, offset: u64) -> u64 {
        while let Some((start, line)) = self.starts.front().copied() {
            if start >= offset {
                return line;
            }
            self.starts.pop_front();
        }
        self.line
    }
}

impl<R: Read> Read for Numbered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        for byte in &buffer[..bytes] {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.is_at_start = true;
                }
                b'\r' => {}
                _ if self.is_at_start => {
                    self.starts.push_back((self.offset, self.line));
                    self.is_at_start = false;
                }
                _ => {}
            }
            self.offset += 1;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use csv::{ReaderBuilder, StringRecord};

    use super::*;

    fn lines(text: &str) -> Vec<(u64, String)> {
        let source = Numbered::new(text.as_bytes());
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(source);
        reader.headers().unwrap();
        let mut record = StringRecord::new();
        let mut found = Vec::new();
        while reader.read_record(&mut record).unwrap() {
            let start = record.position().unwrap().byte();
            found.push((reader.get_mut().line_at(start), record[0].to_owned()));
        }
        found
    }

    #[test]
    fn empty_lines_quoted_line_feeds_and_cr_lf() {
        let text = "header\n\na\n\n\n\"b\nb\",1\nc\n";
        let wanted = [(3, "a"), (6, "b\nb"), (8, "c")].map(|(n, text)| (n, text.to_owned()));
        assert_eq!(lines(text), wanted);
        assert_eq!(lines(text.trim_end()), wanted);
        assert_eq!(lines(&format!("\u{feff}{text}")), wanted);
        let crlf = lines(&text.replace('\n', "\r\n"));
        let numbers = |lines: &[(u64, String)]| lines.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        assert_eq!(numbers(&crlf), numbers(&wanted));
    }

    #[test]
    fn more_than_one_buffer() {
        let rows = (2..50_000).map(|n| format!("{n}\r\n")).collect::<String>();
        let found = lines(&format!("header\r\n{rows}"));
        assert!(found.iter().all(|(line, text)| line.to_string() == *text));
        assert_eq!(found.len(), 49_998);
    }
}
