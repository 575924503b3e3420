//! `cargo xtask up` and `cargo xtask down`: a stack that stays.

use std::fs::File;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::paths::Paths;
use crate::stack::{self, Stack, StackOptions};
use crate::ui;

/// Arguments of `cargo xtask up`.
#[derive(Args)]
pub(crate) struct UpArgs {
    /// Print the addresses as JSON instead of exports
    #[arg(long)]
    json: bool,
}

/// Starts the stack, or finds it running, and prints where it is.
pub(crate) fn up(paths: &Paths, args: &UpArgs) -> Result<()> {
    let _turn = take_turn(paths)?;
    let stack = match stack::find_up(paths)? {
        Some(addresses) => {
            ui::done("the stack runs already; `cargo xtask down` stops it");
            Stack::running(addresses)?
        }
        None => Stack::start(paths, StackOptions::up())?,
    };
    if args.json {
        println!("{}", json!({ "kafka": stack.kafka(), "postgres": stack.postgres() }));
    } else {
        for (variable, value) in stack.environment() {
            println!("export {variable}={}", quoted(value));
        }
    }
    stack.keep()
}

/// Stops the stack of `up`. Those that killed runs have left are gone by now.
pub(crate) fn down(paths: &Paths) -> Result<()> {
    let _turn = take_turn(paths)?;
    if stack::down(paths)? {
        ui::done("stopped, data deleted");
        ui::note("if this shell has the exports: unset GATELOG_KAFKA GATELOG_POSTGRES");
    } else {
        ui::note("nothing to stop");
    }
    Ok(())
}

/// One `up` or `down` at a time.
fn take_turn(paths: &Paths) -> Result<File> {
    stack::wait_for_lock(&paths.stacks().join("up.lock")).context("cannot take turns")
}

/// A word for a shell; quoted only where it must be.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/@.,_-".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_values_need_no_quotes() {
        let url = "postgres://gatelog:gatelog@127.0.0.1:5432/gatelog";
        assert_eq!(quoted(url), url);
    }

    #[test]
    fn others_are_one_word_for_a_shell() {
        assert_eq!(quoted("a?b=c&d"), "'a?b=c&d'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
