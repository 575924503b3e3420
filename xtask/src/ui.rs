//! Text for people, on standard error: standard output belongs to what shells evaluate.

use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

/// Something good happened.
pub(crate) fn done(text: &str) {
    eprintln!("{} {text}", style("✔").green().for_stderr());
}

/// Something worth knowing.
pub(crate) fn note(text: &str) {
    eprintln!("{} {text}", style("·").dim().for_stderr());
}

/// Something that may need a look.
pub(crate) fn warn(text: &str) {
    eprintln!("{} {text}", style("!").yellow().bold().for_stderr());
}

/// What ended the command.
pub(crate) fn failure(text: &str) {
    eprintln!("{} {text}", style("✘").red().bold().for_stderr());
}

/// A headline before a step that prints by itself.
pub(crate) fn heading(text: &str) {
    eprintln!("{} {}", style("▶").cyan().for_stderr(), style(text).bold().for_stderr());
}

/// A spinner that goes away when it is dropped; without a terminal, nothing.
pub(crate) struct Spinner(ProgressBar);

/// Shows that something takes its time.
pub(crate) fn spinner(text: impl Into<String>) -> Spinner {
    let bar = ProgressBar::new_spinner();
    if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
        bar.set_style(look);
    }
    bar.set_message(text.into());
    bar.enable_steady_tick(Duration::from_millis(100));
    Spinner(bar)
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `0.8 s`, `2 min 05 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(840)), "0.8 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
