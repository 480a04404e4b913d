//! Pure: the picture of a moment.

use super::paint::{Line, Paint, Style, bar, sparkline};
use crate::demo::figures::{count, ms, rate};
use crate::demo::handover::Orphans;
use crate::demo::sample::{Event, Of, Recent, Sample, backlog, rates};

/// Where the columns of figures begin.
const LABEL: usize = 16;
/// Rates and latencies are shown over this long.
const WINDOW_SECS: f64 = 0.9;

/// A member of the group, or a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) enum Member {
    Joining,
    /// It has so many partitions.
    Reading(usize),
    Killed,
}

/// What has been counted so far that must stay zero, and what may be read twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::demo) struct Faults {
    pub(in crate::demo) duplicated: u64,
    pub(in crate::demo) reordered: u64,
    pub(in crate::demo) corrupted: u64,
    pub(in crate::demo) read_again: u64,
}

/// A part of the run at a moment.
#[derive(Debug, Clone, Default)]
pub(in crate::demo) struct Scene {
    /// Its number.
    pub(in crate::demo) part: usize,
    pub(in crate::demo) title: String,
    pub(in crate::demo) setting: String,
    /// How long it is meant to take, in seconds.
    pub(in crate::demo) length: f64,
    /// Records per second.
    pub(in crate::demo) target: f64,
    /// How often each record is to be read.
    pub(in crate::demo) readers: u64,
    pub(in crate::demo) samples: Vec<Sample>,
    pub(in crate::demo) members: Vec<Member>,
    pub(in crate::demo) orphans: Orphans,
    pub(in crate::demo) faults: Faults,
    pub(in crate::demo) events: Vec<Event>,
}

impl Scene {
    fn now(&self) -> f64 {
        self.samples.last().map_or(0.0, |s| s.at)
    }

    /// The time axis: as long as planned, or longer if it takes longer.
    fn until(&self) -> f64 {
        self.length.max(self.now())
    }
}

/// The whole picture.
pub(super) fn frame(scene: &Scene, style: &Style) -> Vec<Line> {
    let mut lines = vec![
        Line::new(),
        title(scene.part, &scene.title),
        Line::new().with(Paint::Dim, format!("   {}", scene.setting)),
        progress(scene, style),
        Line::new(),
    ];
    lines.extend(flows(scene, style));
    lines.extend(latencies(scene));
    lines.push(members(scene, style));
    lines.push(checked(scene));
    if !scene.events.is_empty() {
        lines.push(Line::new());
    }
    lines.extend(scene.events.iter().map(event));
    lines
}

/// The heading of a part.
pub(in crate::demo) fn title(part: usize, title: &str) -> Line {
    Line::new().with(Paint::Accent, format!("{part}  ")).with(Paint::Bold, title)
}

/// Something that happened.
pub(in crate::demo) fn event(event: &Event) -> Line {
    Line::new()
        .with(Paint::Dim, format!("   {:>5.1} s  ", event.at))
        .with(Paint::Plain, event.what.as_str())
}

fn progress(scene: &Scene, style: &Style) -> Line {
    let now = scene.now();
    let time = format!("  {now:.1} s");
    let width = style.width.saturating_sub(3 + 9).min(64);
    let bar = bar(now / scene.length.max(1e-9), style, width);
    let indented = Line::new().with(Paint::Plain, "   ");
    indented.then(bar).with(Paint::Plain, time)
}

/// What goes in, what comes out, and what waits between.
fn flows(scene: &Scene, style: &Style) -> [Line; 3] {
    let (written, read) =
        (rates(&scene.samples, Of::Acknowledged), rates(&scene.samples, Of::Read));
    let last = scene.samples.last().cloned().unwrap_or_default();
    let readers = scene.readers.max(1);
    let waiting: Vec<(f64, f64)> =
        scene.samples.iter().map(|s| (s.at, backlog(s, readers) as f64)).collect();
    let most = waiting.iter().map(|(_, n)| *n).fold(1.0, f64::max);
    let flow = |label: &str, total: u64, values: &[(f64, f64)], rate_of: Option<f64>, top: f64| {
        let rate = rate_of.map_or(String::new(), |r| format!("{}/s", rate(r)));
        let width = style.width.saturating_sub(LABEL + 11 + 13 + 2).min(48);
        let spark = sparkline(values, scene.until(), top, width, style.unicode);
        labelled(label)
            .with(Paint::Plain, format!("{:>11}", count(total)))
            .with(Paint::Plain, format!("{rate:>13}  "))
            .with(Paint::Accent, spark)
    };
    let reading = scene.target * readers as f64;
    [
        flow("written", last.acknowledged, &written, Some(recent(&written)), scene.target),
        flow("read", last.read, &read, Some(recent(&read)), reading),
        flow("waiting", backlog(&last, readers), &waiting, None, most),
    ]
}

fn latencies(scene: &Scene) -> [Line; 2] {
    let since = scene.now() - WINDOW_SECS;
    let worst = |of: fn(&Sample) -> Recent| {
        let recent = scene.samples.iter().filter(|s| s.at > since).map(of).filter(|l| l.count > 0);
        // Percentiles cannot be averaged: the middle one of the medians, the highest of the others.
        let mut medians: Vec<f64> = recent.clone().map(|l| l.p50).collect();
        medians.sort_by(f64::total_cmp);
        (medians.get(medians.len() / 2).copied(), recent.map(|l| l.p99).fold(0.0, f64::max))
    };
    let line = |label: &str, (p50, p99): (Option<f64>, f64)| {
        let text = p50.map_or("-".to_owned(), |p50| format!("p50 {:<10}p99 {}", ms(p50), ms(p99)));
        labelled(label).with(Paint::Plain, format!("  {text}"))
    };
    [line("acknowledged", worst(|s| s.ack)), line("end to end", worst(|s| s.end_to_end))]
}

fn members(scene: &Scene, style: &Style) -> Line {
    let label = if scene.readers > 1 { "consumers" } else { "members" };
    let mut line = labelled(label).with(Paint::Plain, "  ");
    for (number, member) in (1..).zip(&scene.members) {
        line = line.with(Paint::Dim, format!("{number} "));
        line = match member {
            Member::Joining => line.with(Paint::Warn, "joins"),
            Member::Reading(partitions) => line
                .with(Paint::Good, style.mark("●", "+"))
                .with(Paint::Plain, format!(" {partitions}")),
            Member::Killed => line.with(Paint::Bad, format!("{} killed", style.mark("✕", "x"))),
        };
        line = line.with(Paint::Plain, "   ");
    }
    if scene.orphans.waiting > 0 {
        line = line.with(Paint::Warn, format!("{} without reader", scene.orphans.waiting));
    }
    line
}

fn checked(scene: &Scene) -> Line {
    let faults = &scene.faults;
    let counts = [
        (faults.duplicated, "duplicated"),
        (faults.reordered, "reordered"),
        (faults.corrupted, "corrupted"),
    ];
    let mut line = labelled("checked").with(Paint::Plain, "  ");
    for (n, what) in counts {
        let paint = if n == 0 { Paint::Good } else { Paint::Bad };
        line = line.with(Paint::Dim, format!("{what} ")).with(paint, format!("{}   ", count(n)));
    }
    if faults.read_again > 0 {
        line = line.with(Paint::Dim, "read again ").with(Paint::Plain, count(faults.read_again));
    }
    line
}

fn labelled(label: &str) -> Line {
    Line::new().with(Paint::Dim, format!("   {label:<width$}", width = LABEL - 3))
}

/// The mean of the last values.
fn recent(values: &[(f64, f64)]) -> f64 {
    let since = values.last().map_or(0.0, |(at, _)| at - WINDOW_SECS);
    let last: Vec<f64> = values.iter().filter(|(at, _)| *at > since).map(|(_, v)| *v).collect();
    last.iter().sum::<f64>() / last.len().max(1) as f64
}

/// One line for a moment, where lines cannot be drawn over.
pub(super) fn in_one_line(scene: &Scene) -> String {
    let last = scene.samples.last().cloned().unwrap_or_default();
    let readers = scene.readers.max(1);
    let written = recent(&rates(&scene.samples, Of::Acknowledged));
    let [_, end_to_end] = latencies(scene);
    let plain = Style { color: false, unicode: false, width: usize::MAX };
    let end_to_end = end_to_end.render(&plain);
    format!(
        "   {:>5.1} s  written {} ({}/s)  read {}  waiting {}  {}",
        last.at,
        count(last.acknowledged),
        rate(written),
        count(last.read),
        count(backlog(&last, readers)),
        end_to_end.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { color: false, unicode: true, width: 79 };

    /// Half of a run of ten seconds, two seconds after a member was killed.
    fn scene() -> Scene {
        let recent = Recent { count: 100, p50: 0.6, p99: 1.4 };
        let sample = |n: u64| Sample {
            at: n as f64 / 10.0,
            acknowledged: n * 10_000,
            read: if n > 30 { 300_000 + (n - 30) * 6_600 } else { n * 10_000 },
            ack: recent,
            end_to_end: recent,
        };
        Scene {
            part: 1,
            title: "100,000 records/s for 10 s".to_owned(),
            setting: "10 tasks share one producer, 50 partitions, 100 B, a group of 3".to_owned(),
            length: 10.0,
            target: 100_000.0,
            readers: 1,
            samples: (0..=50).map(sample).collect(),
            members: vec![
                Member::Killed,
                Member::Reading(17),
                Member::Reading(16),
                Member::Joining,
            ],
            orphans: Orphans { all: 17, waiting: 17, catching_up: 0 },
            faults: Faults { read_again: 12, ..Faults::default() },
            events: vec![Event { at: 3.0, what: "member 1 is killed".to_owned() }],
        }
    }

    fn drawn(style: &Style) -> Vec<String> {
        frame(&scene(), style).iter().map(|line| line.render(style)).collect()
    }

    fn line_with(word: &str) -> String {
        let lines = drawn(&STYLE);
        lines
            .iter()
            .find(|line| line.contains(word))
            .cloned()
            .unwrap_or_else(|| panic!("{lines:?}"))
    }

    #[test]
    fn figures_of_the_moment_are_in_the_picture() {
        let written = line_with("written");
        assert!(written.contains("500,000") && written.contains("100,000/s"), "{written}");
        let read = line_with("read ");
        assert!(read.contains("432,000") && read.contains("66,000/s"), "{read}");
        assert!(line_with("waiting").contains("68,000"));
        let members = line_with("members");
        assert!(members.contains("1 ✕ killed   2 ● 17   3 ● 16   4 joins"), "{members}");
        assert!(members.contains("17 without reader"), "{members}");
        let latency = line_with("end to end");
        assert!(latency.contains("p50 0.60 ms") && latency.contains("p99 1.40 ms"), "{latency}");
        assert!(line_with("━").contains("5.0 s"));
    }

    #[test]
    fn the_picture_fits_a_small_terminal() {
        let lines = drawn(&STYLE);
        assert!(lines.len() < 24, "{lines:?}");
        for width in [1, 20, 40, 79, 200] {
            let lines = drawn(&Style { width, ..STYLE });
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
        }
    }

    #[test]
    fn without_unicode_or_samples_it_is_a_picture_too() {
        let lines = drawn(&Style { unicode: false, ..STYLE });
        assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
        let empty = frame(&Scene::default(), &STYLE);
        assert!(!empty.is_empty());
    }

    #[test]
    fn a_moment_fits_in_one_line() {
        let line = in_one_line(&scene());
        assert_eq!(
            line,
            "     5.0 s  written 500,000 (100,000/s)  read 432,000  waiting 68,000  end to end p50 0.60 ms p99 1.40 ms"
        );
    }
}
