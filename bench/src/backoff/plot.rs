//! The report as a picture: plain SVG, readable on light and on dark.

use std::fmt::Write;

use super::course::{Course, TICK_MS};
use super::report::Report;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 640.0;
/// Where panels begin and how wide they are.
const LEFT: f64 = 76.0;
const INNER: f64 = 660.0;

/// Drawn on a ground of its own, in colours that people who see few of them can tell apart
/// (Okabe and Ito, "Color Universal Design", 2008).
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}\
.ground{fill:#fff}.axis{stroke:#57606a;fill:none}.grid{stroke:#d0d7de;stroke-width:.5}\
.limit{stroke:#24292f;stroke-dasharray:5 3;fill:none}.line{fill:none;stroke-width:2}\
.none{fill:#d55e00}.full{fill:#0072b2}.line.none{fill:none;stroke:#d55e00}\
.line.full{fill:none;stroke:#0072b2}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.axis{stroke:#9198a1}\
.grid{stroke:#3d444d}.limit{stroke:#e6edf3}.none{fill:#ff8f3d}.full{fill:#56b4e9}\
.line.none{stroke:#ff8f3d}.line.full{stroke:#56b4e9}}";

/// A panel's place and what its axes stand for.
struct Panel {
    top: f64,
    height: f64,
    x: Scale,
    y: Scale,
}

#[derive(Clone, Copy)]
enum Scale {
    Linear {
        end: f64,
    },
    /// From a power of ten on.
    Log {
        start: f64,
        end: f64,
    },
}

impl Scale {
    /// From 0 to 1.
    fn part(self, value: f64) -> f64 {
        match self {
            Self::Linear { end } => (value / end).clamp(0.0, 1.0),
            Self::Log { start, end } => {
                ((value / start).log10() / (end / start).log10()).clamp(0.0, 1.0)
            }
        }
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { end } => steps(end),
            Self::Log { start, end } => {
                let decades = (end / start).log10().floor() as i32;
                (0..=decades).map(|n| start * 10_f64.powi(n)).collect()
            }
        }
    }
}

impl Panel {
    fn x(&self, value: f64) -> f64 {
        LEFT + INNER * self.x.part(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.y.part(value))
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn axes(&self, svg: &mut String, title: &str, x_label: &str, y_label: &str) {
        let (bottom, right) = (self.bottom(), LEFT + INNER);
        for value in self.y.ticks() {
            let y = self.y(value);
            line(svg, "grid", LEFT, y, right, y);
            text(svg, "end", LEFT - 6.0, y + 4.0, &number(value));
        }
        for value in self.x.ticks() {
            let x = self.x(value);
            line(svg, "axis", x, bottom, x, bottom + 4.0);
            text(svg, "middle", x, bottom + 17.0, &number(value));
        }
        let top = self.top;
        push(svg, &format!(r#"<path class="axis" d="M{LEFT} {top:.1}V{bottom:.1}H{right}"/>"#));
        text(svg, "start", LEFT + 8.0, top - 7.0, title);
        text(svg, "end", right, bottom + 33.0, x_label);
        let middle = top + self.height / 2.0;
        let turn = format!(r#"transform="rotate(-90 15 {middle:.1})""#);
        push(
            svg,
            &format!(
                r#"<text text-anchor="middle" x="15" y="{middle:.1}" {turn}>{y_label}</text>"#
            ),
        );
    }
}

pub(super) fn draw(report: &Report) -> String {
    let mut svg = String::new();
    let size = format!(r#"width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}""#);
    push(&mut svg, &format!(r#"<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">"#));
    push(&mut svg, &format!("<title>{}</title>", title(report)));
    push(&mut svg, &format!("<style>{STYLE}</style>"));
    push(&mut svg, r#"<rect class="ground" width="100%" height="100%" rx="6"/>"#);
    let title = title(report);
    push(&mut svg, &format!(r#"<text class="title" x="{LEFT}" y="26">{title}</text>"#));
    legend(&mut svg, report);
    requests(&mut svg, report, &report.no_jitter, "none", 88.0);
    requests(&mut svg, report, &report.full_jitter, "full", 266.0);
    waiting(&mut svg, report, 444.0);
    svg.push_str("</svg>\n");
    svg
}

fn title(report: &Report) -> String {
    let Report { clients, capacity, .. } = report;
    format!(
        "{} clients fail at once; the server takes {capacity} requests in {TICK_MS} ms",
        number(f64::from(*clients))
    )
}

fn legend(svg: &mut String, report: &Report) {
    let Report { base_ms, cap_ms, .. } = report;
    let y = 48.0;
    for (class, x, name) in [("none", LEFT, "no jitter"), ("full", LEFT + 92.0, "full jitter")] {
        push(
            svg,
            &format!(r#"<rect class="{class}" x="{x}" y="{}" width="11" height="11"/>"#, y - 10.0),
        );
        text(svg, "start", x + 16.0, y, name);
    }
    line(svg, "limit", LEFT + 194.0, y - 4.0, LEFT + 220.0, y - 4.0);
    text(svg, "start", LEFT + 226.0, y, "what the server takes");
    let waits = format!("waits: {base_ms} ms, doubled up to {} ms", number(*cap_ms as f64));
    text(svg, "end", LEFT + INNER, y, &waits);
}

/// Requests of each tick, as bars.
fn requests(svg: &mut String, report: &Report, course: &Course, class: &str, top: f64) {
    let window_ms = report.window_ms();
    let panel = Panel {
        top,
        height: 124.0,
        x: Scale::Linear { end: window_ms as f64 },
        y: Scale::Log { start: 1.0, end: report.requests_max().max(10.0) },
    };
    let name = if class == "none" { "no jitter" } else { "full jitter" };
    let calls = number(course.calls as f64);
    let title =
        format!("{name}: {calls} calls in all, the last done after {}", seconds(course.done_ms));
    panel.axes(svg, &title, "ms since they failed", "requests in 10 ms (log)");
    let mut bars = String::new();
    let width = INNER * TICK_MS as f64 / window_ms as f64;
    for (tick, requests) in course.requests_until(window_ms).into_iter().enumerate() {
        if requests > 0 {
            let x = panel.x((tick as u64 * TICK_MS) as f64);
            // One request is a bar, too.
            let y = panel.y(f64::from(requests)).min(panel.bottom() - 1.5);
            let bar = (width * 0.85).max(0.5);
            let _ = write!(
                bars,
                "M{x:.1} {:.1}V{y:.1}h{bar:.1}V{:.1}z",
                panel.bottom(),
                panel.bottom()
            );
        }
    }
    push(svg, &format!(r#"<path class="{class}" d="{bars}"/>"#));
    let limit = panel.y(f64::from(report.capacity));
    line(svg, "limit", LEFT, limit, LEFT + INNER, limit);
}

/// Clients that still wait, as lines, until the last of the slower course is done.
fn waiting(svg: &mut String, report: &Report, top: f64) {
    let courses = [(&report.no_jitter, "none"), (&report.full_jitter, "full")];
    let last_ms = courses.iter().map(|(course, _)| course.done_ms).max().unwrap_or_default();
    let panel = Panel {
        top,
        height: 140.0,
        x: Scale::Log { start: 0.01, end: (last_ms as f64 / 1_000.0).max(0.1) },
        y: Scale::Linear { end: f64::from(report.clients) },
    };
    let title = "clients that are not served yet";
    panel.axes(svg, title, "seconds since they failed, logarithmic", "clients");
    for (course, class) in courses {
        let mut left = report.clients;
        let mut path = format!("M{LEFT:.1} {:.1}", panel.y(f64::from(left)));
        for tick in course.ticks.iter().filter(|tick| tick.served > 0) {
            left -= tick.served;
            let x = panel.x((tick.at_ms + TICK_MS) as f64 / 1_000.0);
            let y = panel.y(f64::from(left));
            let _ = write!(path, "H{x:.1}V{y:.1}");
        }
        push(svg, &format!(r#"<path class="line {class}" d="{path}"/>"#));
    }
}

/// Some round values from nothing to `end`.
fn steps(end: f64) -> Vec<f64> {
    const STEPS_MAX: f64 = 7.0;
    let least = end / STEPS_MAX;
    let decade = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * decade);
    let step = steps.into_iter().find(|step| *step >= least).unwrap_or(decade * 10.0);
    (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= end).collect()
}

/// With commas between thousands.
fn number(value: f64) -> String {
    if value > 0.0 && value < 1.0 {
        return format!("{value:.2}").trim_end_matches('0').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1_000.0)
}

fn text(svg: &mut String, anchor: &str, x: f64, y: f64, words: &str) {
    push(svg, &format!(r#"<text text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{words}</text>"#));
}

fn line(svg: &mut String, class: &str, x: f64, y: f64, to_x: f64, to_y: f64) {
    push(svg, &format!(r#"<path class="{class}" d="M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}"/>"#));
}

fn push(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}
