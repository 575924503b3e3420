//! A swipe read in the very form in which the gateway writes it: its type first, then the fields in
//! the order of the type, no spaces, no escapes, times in UTC with three decimals.
//!
//! Anything else is `None` here and left to serde, which decides what is a swipe; this only decides
//! faster (`cargo xtask bench drain`). The two agree on all that this accepts: see the property test.

use std::borrow::Cow;

use uuid::Uuid;

use crate::{Direction, LocalDecision, Millis, Mode, Swipe};

/// Reads `value`, if it has that form.
pub(crate) fn read(value: &[u8]) -> Option<Swipe<'_>> {
    let mut rest = Rest(value);
    rest.skip(b"{\"type\":\"gatelog.swipe.v1\",\"event_id\":\"")?;
    let event_id = uuid(rest.take()?)?;
    rest.skip(b"\",\"card_id\":\"")?;
    let card_id = Cow::Borrowed(rest.id()?);
    rest.skip(b"\",\"terminal_id\":\"")?;
    let terminal_id = Cow::Borrowed(rest.id()?);
    rest.skip(b"\",\"")?;
    let (mut terminal_epoch, mut terminal_seq) = (None, None);
    if rest.skip(b"terminal_epoch\":").is_some() {
        terminal_epoch = Some(u32::try_from(rest.number()?).ok()?);
        rest.skip(b",\"terminal_seq\":")?;
        terminal_seq = Some(rest.number()?);
        rest.skip(b",\"")?;
    }
    rest.skip(b"occurred_at\":\"")?;
    let occurred_at = time(rest.take()?)?;
    rest.skip(b"\",\"")?;
    let mut age_ms = None;
    if rest.skip(b"age_ms\":").is_some() {
        age_ms = Some(rest.number()?);
        rest.skip(b",\"")?;
    }
    rest.skip(b"received_at\":\"")?;
    let received_at = time(rest.take()?)?;
    rest.skip(b"\",\"")?;
    let mut direction = None;
    if rest.skip(b"direction\":\"").is_some() {
        direction = Some(match rest.skip(b"in\",\"") {
            Some(()) => Direction::In,
            None => rest.skip(b"out\",\"").map(|()| Direction::Out)?,
        });
    }
    rest.skip(b"mode\":\"")?;
    let mode = match rest.skip(b"online\"") {
        Some(()) => Mode::Online,
        None => rest.skip(b"offline\"").map(|()| Mode::Offline)?,
    };
    let mut local_decision = None;
    if rest.skip(b",\"local_decision\":\"").is_some() {
        local_decision = Some(match rest.skip(b"granted\"") {
            Some(()) => LocalDecision::Granted,
            None => rest.skip(b"denied\"").map(|()| LocalDecision::Denied)?,
        });
    }
    (rest.0 == b"}").then_some(Swipe {
        event_id,
        card_id,
        terminal_id,
        terminal_epoch,
        terminal_seq,
        occurred_at,
        age_ms,
        received_at,
        direction,
        mode,
        local_decision,
    })
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Of a length that is known here, so that it is compared without a call.
    fn skip<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let (found, rest) = self.0.split_first_chunk::<N>()?;
        (found == expected).then(|| self.0 = rest)
    }

    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(taken)
    }

    /// Visible ASCII up to a quotation mark, without escapes.
    fn id(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|b| *b == b'"' || *b == b'\\' || !b.is_ascii_graphic())?;
        if self.0[end] != b'"' {
            return None;
        }
        let (id, rest) = self.0.split_at(end);
        self.0 = rest;
        std::str::from_utf8(id).ok()
    }

    /// A number as JSON writes it, of up to 18 digits.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 18 || (digits > 1 && self.0[0] == b'0') {
            return None;
        }
        let (digits, rest) = self.0.split_at(digits);
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }
}

/// The hyphenated form.
fn uuid(text: &[u8; 36]) -> Option<Uuid> {
    if [8, 13, 18, 23].iter().any(|at| text[*at] != b'-') {
        return None;
    }
    Uuid::try_parse_ascii(text).ok()
}

/// `2016-05-31T00:05:00.000Z`.
fn time(text: &[u8; 24]) -> Option<Millis> {
    const PUNCTUATION: [(usize, u8); 7] =
        [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    const DIGITS: [usize; 17] = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22];
    // All are looked at, with one question at the end: where it would stop early cannot be foreseen.
    let marked = PUNCTUATION.iter().fold(true, |all, (at, mark)| all & (text[*at] == *mark));
    if !DIGITS.iter().fold(marked, |all, at| all & text[*at].is_ascii_digit()) {
        return None;
    }
    let digit = |at: usize| i64::from(text[at] - b'0');
    let two = |at: usize| digit(at) * 10 + digit(at + 1);
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    let ms = two(20) * 10 + digit(22);
    // 29 February and leap seconds are left to the slower reader.
    const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_of_month = *DAYS.get(usize::try_from(month - 1).ok()?)?;
    if !(1970..=9998).contains(&year) || !(1..=days_of_month).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970, with years that begin in March so that the leap day is the last (Howard
    // Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
    let from_march = (month + 9) % 12;
    let march_year = year - i64::from(month <= 2);
    let era = march_year / 400;
    let year_of_era = march_year - era * 400;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Millis::from_unix_ms(seconds * 1_000 + ms))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn swipes() -> impl Strategy<Value = Swipe<'static>> {
        let id = "[!-~]{1,20}";
        let at = (-99_999_999_999_i64..99_999_999_999_999).prop_map(Millis::from_unix_ms);
        let counter = prop::option::of((0_u32..=i32::MAX as u32, 0_u64..=i64::MAX as u64));
        let words = (
            prop::option::of(prop_oneof![Just(Direction::In), Just(Direction::Out)]),
            prop_oneof![Just(Mode::Online), Just(Mode::Offline)],
            prop::option::of(prop_oneof![
                Just(LocalDecision::Granted),
                Just(LocalDecision::Denied)
            ]),
        );
        let age = prop::option::of(0_u64..1_000_000);
        (any::<u128>(), id, id, counter, at.clone(), age, at, words).prop_map(
            |(event_id, card, terminal, counter, occurred_at, age_ms, received_at, words)| Swipe {
                event_id: Uuid::from_u128(event_id),
                card_id: card.into(),
                terminal_id: terminal.into(),
                terminal_epoch: counter.map(|(epoch, _)| epoch),
                terminal_seq: counter.map(|(_, seq)| seq),
                occurred_at,
                age_ms,
                received_at,
                direction: words.0,
                mode: words.1,
                local_decision: words.2,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is read here is what serde reads, also where a byte was changed.
        #[test]
        fn agrees_with_serde(
            swipe in swipes(),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>()))
        ) {
            let mut value = serde_json::to_vec(&swipe).unwrap();
            if let Some((at, byte)) = change {
                let at = at.index(value.len());
                value[at] = byte;
            }
            if let Some(read) = read(&value) {
                let slow: Swipe<'_> = serde_json::from_slice(&value).unwrap();
                prop_assert_eq!(read, slow);
            }
        }
    }

    #[test]
    fn the_gateways_own_form_is_read_here() {
        for text in [
            r#"{"type":"gatelog.swipe.v1","event_id":"0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11","card_id":"c1","terminal_id":"t1","terminal_epoch":2,"terminal_seq":48211,"occurred_at":"2026-02-28T23:59:59.417Z","age_ms":38,"received_at":"2026-03-02T07:58:12.461Z","direction":"in","mode":"online"}"#,
            r#"{"type":"gatelog.swipe.v1","event_id":"0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11","card_id":"c1","terminal_id":"t1","occurred_at":"2016-02-28T07:58:12.417Z","received_at":"2016-03-01T07:58:12.461Z","mode":"offline","local_decision":"denied"}"#,
        ] {
            let read = read(text.as_bytes()).expect(text);
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}
