//! Where the picture goes.

use super::frame::{Scene, event, frame, in_one_line, title};
use super::paint::{Line, Paint, Style};
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

/// Columns where nobody tells.
const WIDTH: usize = 80;
/// Rows where nobody tells.
const HEIGHT: usize = 24;
/// Fewer columns than this are not drawn into.
const WIDTH_MIN: usize = 40;
/// Seconds between lines where nothing is redrawn.
const LINE_EVERY: f64 = 1.0;

/// Standard error, as a picture or as lines; results go to standard output.
#[derive(Debug)]
pub(in crate::demo) struct View {
    style: Style,
    live: bool,
    /// Lines of the picture that stand there.
    drawn: usize,
    /// The second of the run for which there was a line, and the events that were told.
    told: (f64, usize),
}

impl View {
    /// A picture if standard error is a terminal that can be drawn on.
    pub(in crate::demo) fn new() -> Self {
        let (width, height) = size(std::io::stderr());
        let live = std::io::stderr().is_terminal() && !is_dumb() && width >= WIDTH_MIN;
        let style = Style { color: live && !no_color(), unicode: live && speaks_utf8(), width };
        Self { style, live: live && height > 4, drawn: 0, told: (0.0, 0) }
    }

    /// Says a line that stays.
    pub(in crate::demo) fn say(&mut self, line: &Line) {
        let text = line.render(&self.style);
        self.put(&format!("{}{text}\n", self.erased()));
        self.drawn = 0;
    }

    /// Whether there is a picture, which goes in the end.
    pub(in crate::demo) fn is_live(&self) -> bool {
        self.live
    }

    /// A new part begins.
    pub(in crate::demo) fn begin(&mut self, part: usize, heading: &str, setting: &str) {
        self.told = (0.0, 0);
        if !self.live {
            self.say(&Line::new());
            self.say(&title(part, heading));
            self.say(&Line::new().with(Paint::Dim, format!("   {setting}")));
        }
    }

    /// Shows a moment.
    pub(in crate::demo) fn show(&mut self, scene: &Scene) {
        if self.live { self.draw(scene) } else { self.tell(scene) }
    }

    /// Takes the picture away.
    pub(in crate::demo) fn clear(&mut self) {
        if self.drawn > 0 {
            self.put(&format!("{}\x1b[?25h", self.erased()));
            self.drawn = 0;
        }
    }

    fn draw(&mut self, scene: &Scene) {
        let (width, height) = size(std::io::stderr());
        // The last column stays free: some terminals wrap when it is written to.
        self.style.width = width.saturating_sub(1);
        let mut lines = frame(scene, &self.style);
        lines.truncate(height.saturating_sub(1));
        // Drawn over in one go, between marks that let the terminal show it at once; nothing blinks.
        let mut out = String::from("\x1b[?2026h\x1b[?25l");
        if self.drawn > 0 {
            out.push_str(&format!("\x1b[{}A\r", self.drawn));
        }
        for line in &lines {
            out.push_str(&line.render(&self.style));
            out.push_str("\x1b[K\n");
        }
        out.push_str("\x1b[J\x1b[?2026l");
        self.put(&out);
        self.drawn = lines.len();
    }

    fn tell(&mut self, scene: &Scene) {
        for happened in scene.events.iter().skip(self.told.1) {
            self.put(&format!("{}\n", event(happened).render(&self.style)));
        }
        self.told.1 = scene.events.len();
        let now = scene.samples.last().map_or(0.0, |s| s.at);
        if now - self.told.0 >= LINE_EVERY - 0.1 {
            self.told.0 = now;
            self.put(&format!("{}\n", in_one_line(scene)));
        }
    }

    /// What takes the picture away.
    fn erased(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }

    fn put(&self, text: &str) {
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.live {
            self.put("\x1b[?25h");
        }
    }
}

/// How results look.
pub(in crate::demo) fn stdout_style() -> Style {
    let terminal = std::io::stdout().is_terminal() && !is_dumb();
    let width = if terminal { size(std::io::stdout()).0 } else { usize::MAX };
    Style { color: terminal && !no_color(), unicode: speaks_utf8() && !is_dumb(), width }
}

fn size(of: impl AsFd) -> (usize, usize) {
    match tcgetwinsize(of) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => (WIDTH, HEIGHT),
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// See no-color.org: any value but an empty one.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn speaks_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let locale = locale.unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
