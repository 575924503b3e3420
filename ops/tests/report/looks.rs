//! The page itself.

use jiff::civil::date;
use ops::report::data::{Hour, Lateness, Totals, Zone};
use ops::report::presence::Presence;
use ops::report::{Data, Length, Span, page};

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' & \u{1b}[31m";

fn day() -> Data {
    let made_at = "2016-06-02T06:00:00Z".parse().unwrap();
    let span = Span::new(Length::Day, Some(date(2016, 6, 1)), made_at).unwrap();
    let hours = (0..24).map(|hour: u64| Hour { granted: hour * 11, denied: hour / 8 }).collect();
    let zone = |id: &str, name: &str, times: u64| {
        let by_hour = std::array::from_fn(|hour| hour as u64 * times);
        Zone { id: id.to_owned(), name: name.to_owned(), by_hour }
    };
    let terminal = |id: &str, p99_ms| Lateness {
        terminal_id: id.to_owned(),
        zone_id: "hall".to_owned(),
        swipes: 1_234,
        offline: 4,
        late: 5,
        p50_ms: 40,
        p99_ms,
        max_ms: 90_000_000,
    };
    Data {
        span,
        made_at,
        is_over: true,
        hours,
        zones: vec![zone("hall", "Hall", 9), zone("lab", HOSTILE, 3)],
        reasons: vec![("unauthorized".to_owned(), 20), ("credential_expired".to_owned(), 4)],
        terminals: vec![terminal("door-1", 61_000), terminal(HOSTILE, 900)],
        presence: Presence {
            by_hour: (0..24).map(|hour| 12_u64.saturating_sub(hour)).collect(),
            peak: Some((12, 1_464_741_000_000)),
        },
        totals: Totals { cards: 40, terminals: 2, late: 9, let_in: 1, kept_out: 2, collisions: 1 },
    }
}

/// `INSTA_UPDATE=always cargo test -p ops --test report` writes it anew.
#[test]
fn a_day() {
    insta::assert_snapshot!(page(&day()));
}

#[test]
fn names_are_text_and_nothing_runs() {
    let page = page(&day());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the name is shown");
    for wanted in
        ["<script", "onload='", "javascript:", "\u{1b}", "http://", "https://", "@import", "url("]
    {
        assert!(!page.contains(wanted), "{wanted:?} in the page");
    }
    // Every tag that was opened is closed: a name that broke out would leave one.
    for tag in ["svg", "g", "text", "title", "td", "tr", "section", "figure", "li", "ul"] {
        let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = page
            .match_indices(&opened)
            .filter(|(at, found)| page[at + found.len()..].starts_with(['>', ' ']));
        assert_eq!(opened.count(), page.matches(&closed).count(), "{tag}");
    }
}

#[test]
fn a_week_without_anything_says_so() {
    let now = "2016-06-20T06:00:00Z".parse().unwrap();
    let span = Span::new(Length::Week, None, now).unwrap();
    let empty = Data {
        span,
        made_at: now,
        is_over: true,
        hours: vec![Hour::default(); 168],
        zones: Vec::new(),
        reasons: Vec::new(),
        terminals: Vec::new(),
        presence: Presence { by_hour: vec![0; 168], peak: None },
        totals: Totals::default(),
    };
    let page = page(&empty);
    assert!(page.contains("Nobody swiped a card.") && page.contains("Nobody was denied."));
    assert!(page.contains("Week 24, 13 to 19 June 2016") && !page.contains("NaN"));
}

/// Zones without end do not make a page without end.
#[test]
fn the_busiest_zones_have_a_row_and_the_others_share_one() {
    let mut data = day();
    let zone = |nth: usize| Zone {
        id: format!("z{nth}"),
        name: format!("Zone {nth}"),
        by_hour: std::array::from_fn(|_| 1_000 - nth as u64),
    };
    data.zones = (0..300).map(zone).collect();
    let page = page(&data);
    assert!(page.contains("Zone 23<") && !page.contains("Zone 24<"));
    assert!(page.contains("276 others"));
}
