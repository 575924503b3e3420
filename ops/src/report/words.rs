//! The top of the page: what the figures come to, in sentences.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::data::Data;
use super::span::Length;

/// Sentences, the most important first.
pub(super) fn sentences(data: &Data) -> Vec<String> {
    let (granted, denied) = data.swipes();
    let swipes = granted + denied;
    if swipes == 0 {
        return vec!["Nobody swiped a card.".to_owned()];
    }
    let totals = &data.totals;
    let mut all = vec![format!(
        "{} of {} at {}: {} granted, {} denied ({}).",
        things(swipes, "swipe"),
        things(totals.cards, "card"),
        things(totals.terminals, "terminal"),
        number(granted),
        number(denied),
        share(denied, swipes)
    )];
    let busiest = data.hours.iter().enumerate().rev();
    if let Some((nth, hour)) = busiest.max_by_key(|(_, hour)| hour.granted + hour.denied) {
        let swipes = things(hour.granted + hour.denied, "swipe");
        all.push(format!("Most were made {}: {swipes}.", when(data, nth)));
    }
    if let (Some((peak, at_ms)), true) = (data.presence.peak, data.presence.peak > Some((0, 0))) {
        let verb = if peak == 1 { "was" } else { "were" };
        all.push(format!("Most {verb} inside {}: {}.", moment(data, at_ms), things(peak, "card")));
    }
    if let Some((reason, count)) = data.reasons.first() {
        all.push(format!(
            "Most denials are {}: {} ({} of them).",
            reason.replace('_', " "),
            number(*count),
            share(*count, denied)
        ));
    }
    if totals.late > 0 {
        all.push(format!(
            "{} ({}) came late: decided when the card was no longer at the door.",
            things(totals.late, "swipe"),
            share(totals.late, swipes)
        ));
    }
    if totals.let_in + totals.kept_out > 0 {
        all.push(format!(
            "At terminals that were offline, {} let in a card without a right to enter, and {} kept out one with it.",
            things(totals.let_in, "swipe"),
            number(totals.kept_out)
        ));
    }
    if totals.collisions > 0 {
        all.push(format!(
            "{} of a card that was read twice in one millisecond: a shared or a cloned card.",
            things(totals.collisions, "swipe")
        ));
    }
    all
}

fn when(data: &Data, nth: usize) -> String {
    let (from, until) = (nth % 24, nth % 24 + 1);
    let hours = format!("from {from:02}:00 to {until:02}:00");
    match data.span.length {
        Length::Day => hours,
        Length::Week => format!("on {} {hours}", day(data, nth / 24)),
    }
}

fn moment(data: &Data, at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    match data.span.length {
        Length::Day => format!("at {}", at.strftime("%H:%M")),
        Length::Week => format!("on {} at {}", at.strftime("%A"), at.strftime("%H:%M")),
    }
}

/// Name of the nth day of the span.
pub(super) fn day(data: &Data, nth: usize) -> String {
    let days = jiff::Span::new().days(i64::try_from(nth).unwrap_or(0));
    let day = data.span.from.checked_add(days).unwrap_or(data.span.from);
    day.strftime("%A").to_string()
}

/// `1 card`, `2 cards`.
fn things(count: u64, name: &str) -> String {
    format!("{} {name}{}", number(count), if count == 1 { "" } else { "s" })
}

/// With commas between thousands.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In percent; one decimal, and never 0 % of something.
fn share(part: u64, whole: u64) -> String {
    match part as f64 * 100.0 / whole.max(1) as f64 {
        percent if part > 0 && percent < 0.1 => "less than 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// A length of time in ms, as people say it.
pub(super) fn length(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "−" } else { "" }, ms.unsigned_abs());
    let text = match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{:.1} min", ms as f64 / 6e4),
        3_600_000..172_800_000 => format!("{:.1} h", ms as f64 / 3.6e6),
        _ => format!("{} days", number(ms / 86_400_000)),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!([0, 999, 1_000, 29_763].map(number), ["0", "999", "1,000", "29,763"]);
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!((share(0, 3), share(1, 10_000)), ("0.0 %".into(), "less than 0.1 %".into()));
        let lengths = [-5, 999, 1_500, 90_000, 5_400_000, 864_000_000].map(length);
        assert_eq!(lengths, ["−5 ms", "999 ms", "1.5 s", "1.5 min", "1.5 h", "10 days"]);
    }
}
