//! Two bars: what Kafka has, and what has become rows.

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};

/// The bars; drawn on a terminal only, gone with this value.
pub(crate) struct Bars {
    both: MultiProgress,
    uploaded: ProgressBar,
    applied: ProgressBar,
}

impl Bars {
    /// Both at 0 of `events`.
    pub(crate) fn new(events: u64) -> Self {
        let both = MultiProgress::new();
        let bar = |name: &'static str, colour: &str| {
            let bar = both.add(ProgressBar::new(events)).with_prefix(name);
            let look =
                format!("  {{prefix:<9}}{{bar:40.{colour}/dim}} {{human_pos:>6}}  {{msg:.dim}}");
            match ProgressStyle::with_template(&look) {
                Ok(look) => bar.with_style(look.progress_chars("━╸─")),
                Err(_) => bar,
            }
        };
        Self { uploaded: bar("uploaded", "cyan"), applied: bar("applied", "green"), both }
    }

    /// Shows how far it is.
    pub(crate) fn set(&self, uploaded: u64, applied: u64) {
        self.uploaded.set_position(uploaded);
        self.applied.set_position(applied);
        let waiting = uploaded.saturating_sub(applied);
        let message = match waiting {
            0 => String::new(),
            _ => format!("{} waiting", HumanCount(waiting)),
        };
        self.applied.set_message(message);
    }

    /// Prints above the bars.
    pub(crate) fn print(&self, print: impl FnOnce()) {
        self.both.suspend(print);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.uploaded.finish_and_clear();
        self.applied.finish_and_clear();
    }
}
