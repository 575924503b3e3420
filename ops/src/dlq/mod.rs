//! `gatelog dlq`: events that could not be applied, and what is to become of them.
//!
//! Each letter is changed for the version that was read, in one statement with its row in
//! `dead_letter_action`. Replays are published by the consumer that owns the letter's partition,
//! which settles the letter when it applies them: nothing here talks to the log.

mod amendment;
mod blob;
mod conflict;
pub mod discard;
pub mod edit;
mod editor;
pub mod export;
mod filter;
mod id;
pub mod import;
mod letter;
pub mod list;
mod prospect;
mod put_back;
pub mod rebuild;
pub mod replay;
mod send;
pub mod show;
pub mod summary;

pub use filter::{Filter, Which};
pub use id::Prefix;

/// What a person reads where a value is null.
const NOTHING: &str = "-";
/// What is said of no letters: mostly it is good news.
const NONE: &str = "no such letter: none is open, or none is as the filters say\n";
/// Letters that a report names one by one to people; the rest is counted.
const NAMED_MAX: usize = 40;

fn or_nothing<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), T::to_string)
}

/// `1 letter`, `2 letters`.
fn letters(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

/// What to do where there are more letters than the limit let through. Those that were left alone
/// stand before the others the next time, too.
const fn more(dry_run: bool, some_left_alone: bool) -> &'static str {
    match (dry_run, some_left_alone) {
        (true, _) => "there are more: --limit, or the same command again when these are through\n",
        (false, false) => "there are more: the same command again\n",
        (false, true) => {
            "there are more: the same command again, with a higher --limit, since those that were \
             left alone count\n"
        }
    }
}

/// Text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_a_word_in_a_shell() {
        assert_eq!(quoted("unknown_terminal/decide/door-7"), "unknown_terminal/decide/door-7");
        for hostile in ["a/b/$(reboot)", "a b", "it's", "a;b", "`x`", "~", "a*", "!1", "#"] {
            let out = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(hostile)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), hostile);
        }
    }
}
