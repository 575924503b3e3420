//! The page: one HTML file with all that it needs, and nothing that runs.

use std::fmt::Write;

use super::data::{Data, Lateness, Zone};
use super::html::escaped;
use super::span::Length;
use super::svg::{self, Marks, Reach};
use super::words::{self, length, number};

const STYLE: &str = include_str!("style.css");
/// Zones that have a row of their own in the heat map.
const ZONES_MAX: usize = 24;

/// The whole file.
pub fn page(data: &Data) -> String {
    let title = format!("Access report: {}", data.span.name());
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        title = escaped(&title)
    );
    let so_far = if data.is_over { "" } else { ", so far" };
    let _ = write!(
        text,
        "<header>\n<h1>{}</h1>\n<p class=\"about\">What happened at the doors{so_far}. All times are UTC. \
         No card is named.</p>\n</header>\n<ul class=\"top\">\n",
        escaped(&data.span.name())
    );
    for sentence in words::sentences(data) {
        let _ = writeln!(text, "<li>{}</li>", escaped(&sentence));
    }
    text += "</ul>\n";
    text += &traffic(data);
    text += &presence(data);
    text += &zones(data);
    text += &denials(data);
    text += &lateness(data);
    let _ = write!(
        text,
        "<footer>Made by gatelog at {} from the views of schema analyst. Swipes of terminals that were \
         offline may come later, and change it.</footer>\n</body>\n</html>\n",
        data.made_at.strftime("%Y-%m-%d %H:%M:%SZ")
    );
    text
}

fn section(title: &str, figure: &str, caption: &str) -> String {
    format!(
        "<section>\n<h2>{title}</h2>\n<figure>\n{figure}<figcaption>{caption}</figcaption>\n</figure>\n\
         </section>\n"
    )
}

fn traffic(data: &Data) -> String {
    let values: Vec<(u64, u64)> =
        data.hours.iter().map(|hour| (hour.granted, hour.denied)).collect();
    let names: Vec<String> = (0..values.len()).map(|nth| name_of(data, nth)).collect();
    let figure = svg::bars("Swipes by hour", &values, &names, &marks(data));
    let caption = "Swipes an hour: <span class=\"key granted\"></span>granted \
                   <span class=\"key denied\"></span>denied";
    section("Traffic by hour", &figure, caption)
}

fn presence(data: &Data) -> String {
    let label = "Cards inside, by hour";
    let figure = svg::area(label, &data.presence.by_hour, &marks(data));
    let caption = "Cards that were inside of some zone, the most of each hour. A stay whose end no \
                   reader saw counts for four hours at most.";
    section("Presence", &figure, caption)
}

fn zones(data: &Data) -> String {
    let (shown, rest) = data.zones.split_at(data.zones.len().min(ZONES_MAX));
    let mut rows: Vec<(String, [u64; 24])> =
        shown.iter().map(|zone| (zone.name.clone(), zone.by_hour)).collect();
    if !rest.is_empty() {
        let mut hours = [0; 24];
        let all = rest.iter().flat_map(|zone: &Zone| zone.by_hour.iter().enumerate());
        all.for_each(|(hour, count)| hours[hour] += count);
        rows.push((format!("{} others", rest.len()), hours));
    }
    let figure = svg::heat("Swipes by zone and hour of the day", &rows);
    let sum = if data.span.length == Length::Week { ", all days together" } else { "" };
    let caption = format!("Swipes by zone and hour of the day{sum}: the darker the more.");
    section("Zones by hour", &figure, &caption)
}

fn denials(data: &Data) -> String {
    if data.reasons.is_empty() {
        return "<section>\n<h2>Denials by reason</h2>\n<p>Nobody was denied.</p>\n</section>\n"
            .to_owned();
    }
    let reasons: Vec<(String, u64)> =
        data.reasons.iter().map(|(reason, count)| (reason.replace('_', " "), *count)).collect();
    let figure = svg::ranks("Denied swipes by reason", &reasons);
    section("Denials by reason", &figure, "Denied swipes by their first reason.")
}

fn lateness(data: &Data) -> String {
    let reach = |t: &Lateness| (t.terminal_id.clone(), [t.p50_ms, t.p99_ms, t.max_ms]);
    let reaches: Vec<(String, Reach)> = data.terminals.iter().map(reach).collect();
    if reaches.is_empty() {
        return "<section>\n<h2>Lateness</h2>\n<p>Nothing came.</p>\n</section>\n".to_owned();
    }
    let figure = svg::reaches("Time from the card's read to the gateway, by terminal", &reaches);
    let mut rows = String::new();
    for terminal in &data.terminals {
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&terminal.terminal_id),
            escaped(&terminal.zone_id),
            number(terminal.swipes),
            number(terminal.late),
            length(terminal.p50_ms),
            length(terminal.p99_ms),
            length(terminal.max_ms)
        );
    }
    format!(
        "<section>\n<h2>Lateness</h2>\n<figure>\n{figure}<figcaption>From the card's read to the \
         gateway, by terminal, the slowest first: from the median to 99 % of its swipes, and a line to \
         the longest; by powers of ten, what is below 1 ms at the left end.</figcaption>\n</figure>\n<table>\n<thead><tr><th>terminal</th><th>zone</th><th>swipes</th>\
         <th>late</th><th>median</th><th>99 %</th><th>most</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table>\n<p class=\"about\">Late: decided when the card was no longer at the door.</p>\n</section>\n"
    )
}

fn name_of(data: &Data, nth: usize) -> String {
    match data.span.length {
        Length::Day => format!("{:02}:00", nth % 24),
        Length::Week => format!("{} {:02}:00", words::day(data, nth / 24), nth % 24),
    }
}

fn marks(data: &Data) -> Marks {
    Marks(match data.span.length {
        Length::Day => (0..24).step_by(3).map(|hour| (hour, format!("{hour:02}:00"))).collect(),
        Length::Week => (0..7).map(|nth| (nth * 24, words::day(data, nth))).collect(),
    })
}
