//! Pure: lines of text with colours, cut to a width; bars and sparklines.

/// How a piece of text looks; colours are the terminal's own, so that they suit its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
    Accent,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "\x1b[1m",
            Paint::Dim => "\x1b[2m",
            Paint::Good => "\x1b[32m",
            Paint::Bad => "\x1b[1;31m",
            Paint::Warn => "\x1b[33m",
            Paint::Accent => "\x1b[36m",
        }
    }
}

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) struct Style {
    pub(in crate::demo) color: bool,
    /// Blocks, dots and ticks; else letters and dashes.
    pub(in crate::demo) unicode: bool,
    pub(in crate::demo) width: usize,
}

impl Style {
    /// A mark, or what stands for it.
    pub(in crate::demo) fn mark(&self, mark: &'static str, plain: &'static str) -> &'static str {
        if self.unicode { mark } else { plain }
    }
}

/// A line of painted pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::demo) struct Line(Vec<(Paint, String)>);

impl Line {
    pub(in crate::demo) fn new() -> Self {
        Self::default()
    }

    /// Appends a piece.
    pub(in crate::demo) fn with(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    /// Appends another line's pieces.
    pub(in crate::demo) fn then(mut self, other: Line) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The line for a terminal, cut where it would be too wide.
    pub(in crate::demo) fn render(&self, style: &Style) -> String {
        let mut left = style.width;
        let mut out = String::new();
        for (paint, text) in &self.0 {
            let text: String = text.chars().take(left).collect();
            left -= text.chars().count();
            let text = if style.unicode { text } else { text.replace(['·', '–'], "-") };
            if style.color && *paint != Paint::Plain && !text.is_empty() {
                out.push_str(paint.code());
                out.push_str(&text);
                out.push_str("\x1b[0m");
            } else {
                out.push_str(&text);
            }
        }
        out
    }
}

/// A bar that is full at 1.
pub(super) fn bar(share: f64, style: &Style, width: usize) -> Line {
    let full = ((share.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
    let (done, rest) = (style.mark("━", "="), style.mark("─", "-"));
    Line::new().with(Paint::Accent, done.repeat(full)).with(Paint::Dim, rest.repeat(width - full))
}

/// Values over time in columns of one character each; what is at `top` or above is a full column.
///
/// The columns share `until` seconds; those without a value are blank.
pub(super) fn sparkline(
    values: &[(f64, f64)],
    until: f64,
    top: f64,
    width: usize,
    unicode: bool,
) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const LETTERS: [char; 8] = ['_', '_', '.', '.', '-', '-', '=', '#'];
    let levels = if unicode { BLOCKS } else { LETTERS };
    let mut columns = vec![(0.0, 0u32); width];
    for (at, value) in values {
        let column = (at / until.max(1e-9) * width as f64) as usize;
        if let Some((sum, n)) = columns.get_mut(column.min(width.saturating_sub(1))) {
            *sum += value;
            *n += 1;
        }
    }
    let mut last = None;
    let character = |(column, (sum, n)): (usize, (f64, u32))| {
        // Fewer samples than columns: the one before stands for those between, not behind the last.
        if n > 0 {
            last = Some(sum / f64::from(n));
        } else if values.last().is_none_or(|(at, _)| (column as f64) > at / until * width as f64) {
            return ' ';
        }
        last.map_or(' ', |value: f64| {
            let level = ((value / top.max(1e-9) * 8.0).ceil() - 1.0).clamp(0.0, 7.0);
            levels[level as usize]
        })
    };
    columns.into_iter().enumerate().map(character).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { color: false, unicode: true, width: 10 };

    #[test]
    fn lines_are_cut_to_the_width_by_what_is_seen() {
        let line = Line::new().with(Paint::Bold, "12345 ").with(Paint::Good, "67890");
        assert_eq!(line.render(&STYLE), "12345 6789");
        let narrow = Style { color: true, width: 3, ..STYLE };
        assert_eq!(line.render(&narrow), "\x1b[1m123\x1b[0m");
    }

    #[test]
    fn without_unicode_there_is_only_ascii() {
        let style = Style { unicode: false, width: 80, ..STYLE };
        let line = Line::new().with(Paint::Plain, "a · b");
        assert!(line.render(&style).is_ascii());
        assert!(bar(0.4, &style, 20).render(&style).is_ascii());
        assert!(sparkline(&[(0.5, 1.0)], 1.0, 1.0, 8, false).is_ascii());
    }

    #[test]
    fn bars_fill() {
        let render = |share| bar(share, &STYLE, 4).render(&STYLE);
        assert_eq!([render(0.0), render(0.5), render(7.0)], ["────", "━━──", "━━━━"]);
    }

    #[test]
    fn sparklines_show_what_was_when() {
        let values = [(0.0, 0.0), (0.3, 50.0), (0.6, 100.0)];
        assert_eq!(sparkline(&values, 1.0, 100.0, 10, true), "▁▁▁▄▄▄█");
        assert_eq!(sparkline(&values, 1.0, 100.0, 2, true), "▂█");
        assert_eq!(sparkline(&[], 1.0, 100.0, 4, true), "");
        assert_eq!(sparkline(&values, 0.0, 0.0, 0, true), "");
    }
}
