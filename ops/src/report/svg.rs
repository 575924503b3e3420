//! Plots, as SVG that stands in the page. Colours are the style sheet's.

use std::fmt::Write;

use super::html::escaped;
use super::words::{length, number};

/// Width of every plot; the page scales it.
const WIDTH: f64 = 720.0;
/// Room for the numbers of the axis.
const LEFT: f64 = 44.0;
/// Room for the words below.
const BELOW: f64 = 22.0;

/// A plot with a label for those who do not see it.
fn svg(height: f64, label: &str, inside: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n{inside}</svg>\n",
        escaped(label)
    )
}

/// Bars of two parts, one above the other, with a mark below each of `marks`.
pub(super) fn bars(label: &str, values: &[(u64, u64)], names: &[String], marks: &Marks) -> String {
    let height = 190.0;
    let (floor, most) = (height - BELOW, values.iter().map(|(one, other)| one + other).max());
    let scale = Scale::new(most.unwrap_or(0), floor, 12.0);
    let mut inside = scale.lines();
    let step = (WIDTH - LEFT) / values.len().max(1) as f64;
    for (nth, (lower, upper)) in values.iter().enumerate() {
        let x = LEFT + nth as f64 * step + step * 0.1;
        let (y, top) = (scale.y(*lower), scale.y(lower + upper));
        let name = names.get(nth).map_or("", String::as_str);
        let width = step * 0.8;
        let _ = writeln!(
            inside,
            "<g><title>{}: {} granted, {} denied</title>\
             <rect class=\"granted\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>\
             <rect class=\"denied\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/></g>",
            escaped(name),
            number(*lower),
            number(*upper),
            floor - y,
            y - top,
        );
    }
    inside += &marks.below(step, height);
    svg(height, label, &inside)
}

/// A line with the area below it.
pub(super) fn area(label: &str, values: &[u64], marks: &Marks) -> String {
    let height = 150.0;
    let floor = height - BELOW;
    let scale = Scale::new(values.iter().copied().max().unwrap_or(0), floor, 12.0);
    let step = (WIDTH - LEFT) / values.len().max(1) as f64;
    let mut inside = scale.lines();
    let mut path = format!("M{LEFT:.1} {floor:.1}");
    for (nth, value) in values.iter().enumerate() {
        let (x, y) = (LEFT + nth as f64 * step, scale.y(*value));
        let _ = write!(path, " L{x:.1} {y:.1} L{:.1} {y:.1}", x + step);
    }
    let _ = writeln!(inside, "<path class=\"inside\" d=\"{path} L{WIDTH:.1} {floor:.1} Z\"/>");
    inside += &marks.below(step, height);
    svg(height, label, &inside)
}

/// Rows of 24 cells, the darker the more.
pub(super) fn heat(label: &str, rows: &[(String, [u64; 24])]) -> String {
    let (left, cell) = (190.0, 17.0);
    let height = rows.len() as f64 * cell + BELOW;
    let most = rows.iter().flat_map(|(_, hours)| hours).copied().max().unwrap_or(0).max(1);
    let step = (WIDTH - left) / 24.0;
    let mut inside = String::new();
    for (nth, (name, hours)) in rows.iter().enumerate() {
        let y = nth as f64 * cell;
        let (text_y, short) = (y + cell * 0.75, shortened(name, 30));
        let _ = writeln!(
            inside,
            "<text class=\"name\" x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>",
            left - 6.0,
            escaped(&short)
        );
        for (hour, count) in hours.iter().enumerate().filter(|(_, count)| **count > 0) {
            // By its root: the few stay visible beside the many.
            let strength = (*count as f64 / most as f64).sqrt();
            let _ = writeln!(
                inside,
                "<rect class=\"heat\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                 fill-opacity=\"{strength:.2}\"><title>{}, {hour:02}:00: {}</title></rect>",
                left + hour as f64 * step + 0.5,
                y + 0.5,
                step - 1.0,
                cell - 1.0,
                escaped(name),
                number(*count)
            );
        }
    }
    for hour in (0..24).step_by(3) {
        let x = left + f64::from(hour) * step;
        let _ = writeln!(
            inside,
            "<text class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\">{hour:02}:00</text>",
            height - 6.0
        );
    }
    svg(height, label, &inside)
}

/// A bar a word, the longest first.
pub(super) fn ranks(label: &str, values: &[(String, u64)]) -> String {
    let (left, row) = (210.0, 22.0);
    let most = values.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut inside = String::new();
    for (nth, (name, count)) in values.iter().enumerate() {
        let y = nth as f64 * row;
        let width = (WIDTH - left - 70.0) * *count as f64 / most as f64;
        let text_y = y + row * 0.7;
        let _ = writeln!(
            inside,
            "<text class=\"name\" x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>\
             <rect class=\"denied\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>\
             <text class=\"count\" x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>",
            left - 8.0,
            escaped(&shortened(name, 32)),
            y + 3.0,
            row - 6.0,
            left + width + 6.0,
            number(*count)
        );
    }
    svg(values.len().max(1) as f64 * row, label, &inside)
}

/// A length of time that half of something stays below, one that 99 % do, and the longest; in ms.
pub(super) type Reach = [i64; 3];

/// Moments of the time axis, in ms; it ends at the first that holds all.
const TIMES_MS: [(i64, &str); 8] = [
    (1, "1 ms"),
    (100, "100 ms"),
    (1_000, "1 s"),
    (60_000, "1 min"),
    (3_600_000, "1 h"),
    (86_400_000, "1 day"),
    (2_592_000_000, "30 days"),
    (31_536_000_000, "1 year"),
];

/// A bar a word on a logarithmic axis of time: from the median to 99 %, with a line to the longest.
pub(super) fn reaches(label: &str, rows: &[(String, Reach)]) -> String {
    let (left, right, row) = (190.0, 24.0, 20.0);
    let most = rows.iter().map(|(_, [.., most])| *most).max().unwrap_or(0);
    let end = TIMES_MS.iter().position(|(ms, _)| *ms >= most).unwrap_or(TIMES_MS.len() - 1);
    let times = &TIMES_MS[..=end.max(2)];
    let top = times.last().map_or(1.0, |(ms, _)| *ms as f64).max(most as f64).ln();
    let x = |ms: i64| left + (WIDTH - left - right) * (ms.max(1) as f64).ln() / top;
    let floor = rows.len().max(1) as f64 * row;
    let mut inside = String::new();
    for (ms, word) in times {
        let at = x(*ms);
        let _ = writeln!(
            inside,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{floor:.1}\"/>\
             <text class=\"time\" x=\"{at:.1}\" y=\"{:.1}\">{word}</text>",
            floor + BELOW - 6.0
        );
    }
    for (nth, (name, reach)) in rows.iter().enumerate() {
        let y = nth as f64 * row;
        let [half, nearly, most] = reach.map(x);
        let [in_half, in_nearly, in_most] = reach.map(length);
        let _ = writeln!(
            inside,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{short}</text>\
             <g><title>{name}: half within {in_half}, 99 % within {in_nearly}, the longest {in_most}</title>\
             <line class=\"reach\" x1=\"{half:.1}\" x2=\"{most:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
             <rect class=\"heat\" x=\"{half:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/></g>",
            left - 8.0,
            y + row * 0.7,
            y + 4.0,
            (nearly - half).max(2.0),
            row - 8.0,
            short = escaped(&shortened(name, 30)),
            name = escaped(name),
            middle = y + row / 2.0,
        );
    }
    svg(floor + BELOW, label, &inside)
}

/// Words below a plot, each at its place on the axis.
pub(super) struct Marks(pub(super) Vec<(usize, String)>);

impl Marks {
    fn below(&self, step: f64, height: f64) -> String {
        let mark = |(at, word): &(usize, String)| {
            let x = LEFT + *at as f64 * step;
            format!(
                "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                 <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                height - BELOW,
                height - BELOW + 5.0,
                x + 3.0,
                height - 6.0,
                escaped(word)
            )
        };
        self.0.iter().map(mark).collect()
    }
}

/// From counts to heights.
struct Scale {
    top: u64,
    floor: f64,
    room: f64,
}

impl Scale {
    fn new(most: u64, floor: f64, above: f64) -> Self {
        Self { top: rounded_up(most), floor, room: floor - above }
    }

    fn y(&self, count: u64) -> f64 {
        self.floor - self.room * count as f64 / self.top as f64
    }

    /// Lines at no, half and full height, with their numbers.
    fn lines(&self) -> String {
        let counts: &[u64] = if self.top == 1 { &[0, 1] } else { &[0, self.top / 2, self.top] };
        let line = |count: &u64| {
            let y = self.y(*count);
            format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                LEFT - 6.0,
                y + 3.5,
                number(*count)
            )
        };
        counts.iter().map(line).collect()
    }
}

/// The next of 1, 2, 4, 6, 8 and 10 times a power of ten: half of it is whole, too.
fn rounded_up(most: u64) -> u64 {
    let power = 10_u64.pow(most.max(1).ilog10());
    let top = [1, 2, 4, 6, 8, 10].into_iter().map(|times| power.saturating_mul(times));
    top.into_iter().find(|top| *top >= most.max(1)).unwrap_or(u64::MAX)
}

fn shortened(name: &str, characters_max: usize) -> String {
    if name.chars().count() <= characters_max {
        return name.to_owned();
    }
    name.chars().take(characters_max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let tops = [0, 1, 3, 10, 11, 37, 99, 2_345].map(rounded_up);
        assert_eq!(tops, [1, 1, 4, 10, 20, 40, 100, 4_000]);
    }

    /// The places of the bars, and how wide they are.
    #[test]
    fn an_axis_of_time_holds_the_longest() {
        let plot = reaches("x", &[("t<1>".to_owned(), [-3, 1_000, 90_000])]);
        // ln(90 s) / ln(1 h) of the way, and never left of 1 ms.
        assert!(plot.contains("class=\"reach\" x1=\"190.0\" x2=\"572.4\""), "{plot}");
        assert!(plot.contains("t&lt;1&gt;: half within −3 ms, 99 % within 1.0 s"), "{plot}");
        assert!(!plot.contains("1 day"), "{plot}");
    }

    #[test]
    fn nothing_at_all_is_a_plot_all_the_same() {
        let empty = bars("x", &[(0, 0); 24], &[], &Marks(Vec::new()));
        assert!(empty.contains("height=\"0.0\"") && !empty.contains("NaN"), "{empty}");
        assert!(!area("x", &[], &Marks(Vec::new())).contains("NaN"));
        assert!(!heat("x", &[]).contains("NaN") && !ranks("x", &[]).contains("NaN"));
        assert!(!reaches("x", &[]).contains("NaN"));
    }
}
