//! The account of what was put back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::letters;
use crate::{Error, output};

/// What became of the letters that were read.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) dry_run: bool,
    /// Whether all was read that there is; else an error ended it.
    pub(super) complete: bool,
    /// Letters that were read.
    pub(super) read: usize,
    /// Those that the table lacked, by the state that they have now.
    pub(super) put_back: BTreeMap<String, usize>,
    /// Those that were there already.
    pub(super) there: usize,
    /// Those that cannot be put back, by why.
    pub(super) skipped: BTreeMap<String, Skipped>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Skipped {
    letters: usize,
    /// The first few, by their places: lines of a file, offsets of a topic.
    first: Vec<String>,
}

/// Places that are named for each reason.
const FIRST: usize = 5;
/// Different reasons that are told apart.
const REASONS_MAX: usize = 50;

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// Counts one that cannot be put back.
    pub(super) fn skip(&mut self, why: &str, place: String) {
        let why = if self.skipped.len() < REASONS_MAX || self.skipped.contains_key(why) {
            why
        } else {
            "for other reasons"
        };
        let skipped = self.skipped.entry(why.to_owned()).or_default();
        skipped.letters += 1;
        if skipped.first.len() < FIRST {
            skipped.first.push(place);
        }
    }

    /// Prints it, for whoever reads.
    pub(super) fn print(&self, from: &str, json: bool) -> Result<(), Error> {
        if json { output::print_json(self) } else { output::print(&self.render(from)) }
    }

    fn render(&self, from: &str) -> String {
        let put_back: usize = self.put_back.values().sum();
        let would = if self.dry_run { "would be put back" } else { "put back" };
        let states: Vec<String> =
            self.put_back.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let states =
            if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
        let mut text = if self.complete {
            String::new()
        } else {
            "not all was read; the same command again goes on from here\n".to_owned()
        };
        text += &format!(
            "{from}: {} read, {} there already, {put_back} {would}{states}\n",
            letters(self.read),
            self.there
        );
        for (why, skipped) in &self.skipped {
            text += &format!(
                "{} skipped: {why} ({}{})\n",
                skipped.letters,
                skipped.first.join(", "),
                if skipped.letters > skipped.first.len() { ", …" } else { "" }
            );
        }
        if self.dry_run && put_back > 0 {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it\n";
        }
        text
    }
}
