//! What a waiting person sees: a bar on a terminal, one line a finished step anywhere else.

use std::fmt::Display;

use indicatif::{ProgressBar, ProgressStyle};

/// One step that takes a while.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts a step of `total` rows.
    pub(crate) fn start(step: impl Display, total: u64) -> Self {
        // Draws on standard error, and nothing where that is no terminal.
        let bar = ProgressBar::new(total);
        let style = "{prefix:<16} {bar:32} {human_pos} of {human_len}, {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(step.to_string());
        Self { bar }
    }

    /// So many rows are done.
    pub(crate) fn at(&self, rows: u64) {
        self.bar.set_position(rows);
    }

    /// The step is over; says what came of it.
    pub(crate) fn done(self, outcome: impl Display) {
        let step = self.bar.prefix();
        self.bar.finish_and_clear();
        eprintln!("{step:<16} {outcome}");
    }
}
