//! Pure: plots as SVG. Colours are classes that the page's style sheet fills in, for light and for dark.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// How values lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From 0 to here.
    Linear(f64),
    /// From one power of ten to another.
    Log(f64, f64),
    /// Shares of records, the distance to 1 halving evenly: from 0 to this many nines.
    Nines(f64),
}

impl Scale {
    /// A linear axis that holds these values, and a little more.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(0.0, f64::max);
        Scale::Linear(if most > 0.0 { most * 1.08 } else { 1.0 })
    }

    /// A logarithmic axis that holds these values.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|v| *v > 0.0);
        let (low, high) = positive.fold((f64::MAX, 0.0), |(l, h), v| (v.min(l), v.max(h)));
        if high == 0.0 {
            return Scale::Log(0.1, 10.0);
        }
        let (low, high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
        Scale::Log(low, if high > low { high } else { low * 10.0 })
    }

    /// Where a value lies, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear(most) => value / most,
            Scale::Log(low, high) => (value.max(low) / low).log10() / (high / low).log10(),
            Scale::Nines(nines) => -(1.0 - value).max(10f64.powf(-nines)).log10() / nines,
        };
        place.clamp(0.0, 1.0)
    }

    /// Where there are marks, and what they say.
    fn marks(self, label: fn(f64) -> String) -> Vec<(f64, String)> {
        match self {
            Scale::Linear(most) => {
                let step = step(most / 5.0);
                let marks = (0..).map(|n| f64::from(n) * step).take_while(|v| *v <= most);
                marks.map(|v| (v, label(v))).collect()
            }
            Scale::Log(low, high) => {
                let marks = std::iter::successors(Some(low), |v| Some(v * 10.0));
                marks.take_while(|v| *v <= high * 1.001).map(|v| (v, label(v))).collect()
            }
            Scale::Nines(nines) => {
                let all: [f64; 8] = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999];
                let marks = all.into_iter().filter(|v| -(1.0 - v).log10() <= nines + 1e-9);
                marks.map(|v| (v, percent(v))).collect()
            }
        }
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// 1, 2 or 5 times a power of ten, not below.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|s| *s >= least).unwrap_or(power)
}

/// A line of a plot.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// The class that colours it.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    /// The area below it is filled instead.
    pub(super) is_area: bool,
}

/// An axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    pub(super) label: fn(f64) -> String,
}

/// A plot: what it is called, its axes, its lines, and moments that are marked in it.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    pub(super) moments: Vec<(f64, String)>,
}

impl Plot {
    /// The plot as an element of a page.
    pub(super) fn svg(&self) -> String {
        let mut out = format!(
            r#"<figure><figcaption>{}{}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            escape(&self.title),
            self.legend(),
            escape(&self.title)
        );
        self.grid(&mut out);
        for series in self.series.iter().filter(|s| s.is_area) {
            self.area(series, &mut out);
        }
        let mut before = f64::MIN;
        let mut row = 0.0;
        for (number, (at, what)) in (1..).zip(&self.moments) {
            // Those that lie close together stand below each other.
            row = if self.x(*at) - before < 18.0 { row + 1.0 } else { 0.0 };
            before = self.x(*at);
            self.moment(number, row, *at, what, &mut out);
        }
        for series in self.series.iter().filter(|s| !s.is_area) {
            self.line(series, &mut out);
        }
        out.push_str("</svg></figure>\n");
        out
    }

    fn legend(&self) -> String {
        let entry = |s: &Series| format!(r#"<span class="key {}">{}</span>"#, s.class, s.name);
        self.series.iter().map(entry).collect()
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.scale.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.scale.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self, out: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, label) in self.y.scale.marks(self.y.label) {
            let y = self.y(value);
            // Writing into a string does not fail, here and below.
            let _ = write!(
                out,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text class="y" x="{:.1}" y="{:.1}">{label}</text>"#,
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (value, label) in self.x.scale.marks(self.x.label) {
            let x = self.x(value);
            let _ = write!(
                out,
                r#"<path class="tick" d="M{x:.1} {bottom}v4"/><text class="x" x="{x:.1}" y="{:.1}">{label}</text>"#,
                bottom + 18.0
            );
        }
        let _ = write!(out, r#"<path class="axis" d="M{LEFT} {bottom}H{right}"/>"#);
    }

    fn points(&self, series: &Series) -> String {
        let point = |(x, y): &(f64, f64)| format!("{:.1} {:.1}", self.x(*x), self.y(*y));
        series.points.iter().map(point).collect::<Vec<_>>().join("L")
    }

    fn line(&self, series: &Series, out: &mut String) {
        if !series.points.is_empty() {
            let (class, points) = (series.class, self.points(series));
            let _ = write!(out, r#"<path class="line {class}" d="M{points}"/>"#);
        }
    }

    fn area(&self, series: &Series, out: &mut String) {
        if let (Some(first), Some(last)) = (series.points.first(), series.points.last()) {
            let (class, points, bottom) = (series.class, self.points(series), HEIGHT - BOTTOM);
            let (from, to) = (self.x(first.0), self.x(last.0));
            let _ = write!(
                out,
                r#"<path class="area {class}" d="M{from:.1} {bottom}L{points}L{to:.1} {bottom}Z"/>"#
            );
        }
    }

    /// A moment that is marked; what it was shows when the pointer rests on it.
    fn moment(&self, number: u32, row: f64, at: f64, what: &str, out: &mut String) {
        let (x, bottom, what) = (self.x(at), HEIGHT - BOTTOM, escape(what));
        let y = TOP + 4.0 + row * 18.0;
        let _ = write!(
            out,
            r#"<g class="moment"><title>{at:.1} s: {what}</title><path d="M{x:.1} {TOP}V{bottom}"/><circle cx="{x:.1}" cy="{y:.1}" r="8"/><text x="{x:.1}" y="{:.1}">{number}</text></g>"#,
            y + 4.0
        );
    }
}

/// Text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: f64) -> String {
        format!("{n}")
    }

    #[test]
    fn scales_place_values_between_their_ends() {
        let linear = Scale::linear([1.0, 100.0].into_iter());
        assert_eq!(linear, Scale::Linear(108.0));
        assert_eq!((linear.place(54.0), linear.place(500.0)), (0.5, 1.0));
        let log = Scale::log([0.3, 0.0, 42.0].into_iter());
        assert_eq!(log, Scale::Log(0.1, 100.0));
        assert!((log.place(1.0) - 1.0 / 3.0).abs() < 1e-9 && log.place(0.0) == 0.0);
        let nines = Scale::Nines(4.0);
        assert!((nines.place(0.99) - 0.5).abs() < 1e-9 && nines.place(1.0) == 1.0);
        assert_eq!(Scale::linear(std::iter::empty()), Scale::Linear(1.0));
        assert_eq!(Scale::log(std::iter::empty()), Scale::Log(0.1, 10.0));
    }

    #[test]
    fn marks_are_round_numbers() {
        let labels =
            |scale: Scale| scale.marks(number).into_iter().map(|(_, l)| l).collect::<Vec<_>>();
        assert_eq!(labels(Scale::Linear(108.0)), ["0", "50", "100"]);
        assert_eq!(labels(Scale::Log(1.0, 100.0)), ["1", "10", "100"]);
        assert_eq!(labels(Scale::Nines(3.0)), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn names_cannot_break_the_page() {
        let axis = Axis { scale: Scale::Linear(1.0), label: number };
        let plot = Plot {
            title: "<script>".to_owned(),
            x: axis,
            y: axis,
            series: vec![Series { name: "a", class: "c1", points: Vec::new(), is_area: true }],
            moments: vec![(0.5, "\"<&>".to_owned())],
        };
        let svg = plot.svg();
        assert!(!svg.contains("<script>") && svg.contains("&quot;&lt;&amp;&gt;"), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
