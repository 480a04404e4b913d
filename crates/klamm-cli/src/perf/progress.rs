//! What is shown while a measurement runs.

use super::measure::{Meter, Summary};
use crate::args::Output;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a bar is drawn.
pub(super) const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A bar on the terminal.
    Bar,
    /// Lines on standard output.
    Lines,
    /// Lines on standard error: standard output has the result alone.
    Aside,
    /// Nowhere.
    Nothing,
}

impl Look {
    /// What fits the output that was asked for.
    pub(super) fn of(output: Output, compat: bool) -> Self {
        match output {
            Output::Json => Look::Aside,
            Output::Text if !compat && std::io::stderr().is_terminal() => Look::Bar,
            Output::Text => Look::Lines,
        }
    }
}

/// Shows windows of a measurement until it is finished.
pub(super) struct Progress {
    task: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows, of what is counted up to a number of records, each window: as a line every so often, or beside
    /// a bar.
    pub(super) fn start(
        look: Look,
        every: Duration,
        (meter, records): (&Arc<Meter>, u64),
        line: impl Fn(&Summary) -> String + Send + 'static,
        beside_bar: impl Fn(&Summary) -> String + Send + 'static,
    ) -> Self {
        let counted = Arc::clone(meter);
        let position = move || counted.progress();
        Self::start_to(look, every, (meter, records, position), line, beside_bar)
    }

    /// The same with a bar of any length, which is drawn to a position.
    pub(super) fn start_to(
        look: Look,
        every: Duration,
        (meter, length, position): (&Arc<Meter>, u64, impl Fn() -> u64 + Send + 'static),
        line: impl Fn(&Summary) -> String + Send + 'static,
        beside_bar: impl Fn(&Summary) -> String + Send + 'static,
    ) -> Self {
        let bar = (look == Look::Bar).then(|| bar(length));
        let (meter, shown) = (Arc::clone(meter), bar.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(if shown.is_some() { DRAW_EVERY } else { every });
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let window = meter.take_window();
                match (&shown, look) {
                    (Some(bar), _) => {
                        bar.set_position(position());
                        bar.set_message(beside_bar(&window));
                    }
                    (None, Look::Aside) => eprintln!("{}", line(&window)),
                    (None, Look::Lines) => println!("{}", line(&window)),
                    (None, Look::Bar | Look::Nothing) => {}
                }
            }
        });
        Self { task, bar }
    }

    /// Shows nothing more.
    pub(super) fn finish(&self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar up to a number of records, or of whatever else.
pub(super) fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}
