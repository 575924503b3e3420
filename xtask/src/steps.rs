//! A run of named steps with a summary at its end.

use std::time::{Duration, Instant};

use anyhow::Result;
use console::style;

use crate::interrupt::Interrupted;
use crate::ui;

/// The steps done so far; the summary is printed when this is dropped.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    end: End,
}

enum End {
    Ok,
    Failed,
    Interrupted,
}

impl Steps {
    /// Does one step. An error says which it was and `alone`, how to run just that.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        alone: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        ui::heading(name);
        let start = Instant::now();
        let outcome = work();
        let end = match &outcome {
            Ok(_) => End::Ok,
            Err(error) if error.is::<Interrupted>() => End::Interrupted,
            Err(_) => End::Failed,
        };
        self.done.push(Step { name, took: start.elapsed(), end });
        outcome.map_err(|error| {
            if error.is::<Interrupted>() {
                return error;
            }
            error.context(format!("{name} failed (alone: {alone})"))
        })
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        eprintln!();
        for step in &self.done {
            let took = ui::duration(step.took);
            let verdict = match step.end {
                End::Ok => style("ok").green(),
                End::Failed => style("FAILED").red().bold(),
                End::Interrupted => style("interrupted").yellow(),
            };
            let verdict = verdict.for_stderr();
            eprintln!("  {:<8} {took:>12}  {verdict}", step.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn an_error_names_the_step_and_the_way_to_repeat_it() {
        let mut steps = Steps::default();
        steps.step("format", "cargo fmt", || Ok(())).unwrap();
        let error = steps.step::<()>("lint", "cargo clippy", || bail!("1 warning")).unwrap_err();
        assert_eq!(format!("{error:#}"), "lint failed (alone: cargo clippy): 1 warning");
    }

    #[test]
    fn an_interrupted_step_stays_an_interruption() {
        let mut steps = Steps::default();
        let error = steps.step::<()>("tests", "", || Err(Interrupted.into())).unwrap_err();
        assert!(error.is::<Interrupted>());
    }
}
