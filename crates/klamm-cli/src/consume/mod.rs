//! `klamm consume`: records out of topics, as lines, as JSON or in a format of one's own.

mod args;
mod filter;
mod format;
mod jsonl;
mod moment;
mod offset;
mod output;
mod plan;
mod printer;
mod reading;
#[cfg(test)]
mod sample;
mod stop;
mod terminal;
mod trouble;

pub(crate) use self::args::Consume;

use self::filter::Filter;
use self::offset::{From, Range};
use self::output::Output;
use self::printer::{Colour, Printer};
use self::reading::{Counts, End, Reading};
use self::stop::Stop;
use crate::args::Global;
use crate::connect::{all_settings, connect};
use crate::failure::{FAILED, Failure, USAGE};
use klamm::AutoOffsetReset;
use std::io::IsTerminal;
use std::time::Instant;

pub(crate) async fn run(global: &Global, args: Consume) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let began = Instant::now();
    let mut reading = tokio::select! {
        reading = prepare(global, &args) => reading?,
        () = stop.received() => return Ok(()),
    };
    let end = tokio::select! {
        end = reading.run() => end,
        () = stop.received() => End::Stopped,
    };
    let end = reading.finish(end).await;
    if std::io::stderr().is_terminal() {
        report(&end, reading.counts, began);
    }
    match end {
        End::Failed(failure) => Err(failure),
        _ => Ok(()),
    }
}

/// Reads the options, connects, and finds out what is to be read.
async fn prepare(global: &Global, args: &Consume) -> Result<Reading, Failure> {
    let range = Range::parse(&args.offset, jiff::Timestamp::now().as_millisecond());
    let range = range.map_err(|why| Failure::new(USAGE, format!("-o {}: {why}", args.offset)))?;
    let printer = Printer::new(args, global.output, terminal())?;
    let filter = Filter::new(args)?;
    let settings = all_settings(global, &[])?;
    // Positions are looked up and minded here: none is ever moved in silence.
    let mut config = settings.consumer.auto_offset_reset(AutoOffsetReset::None);
    if let Some(isolation) = args.isolation {
        config = config.isolation_level(isolation.into());
    }
    let client = connect(settings.client).await?;
    let topics = plan::topics(&client.admin(), args).await?;
    let partitions = plan::partitions(&topics, &args.partitions)?;
    let consumer = client.consumer(config)?;
    let only_new = range == Range { from: From::End(0), until: None };
    let follow = args.follow || (only_new && !args.exit_eof);
    let places = plan::look_up(&consumer, &partitions, range, follow).await?;
    let output = Output::stdout();
    let output = output.map_err(|e| Failure::new(FAILED, format!("standard output: {e}")))?;
    Ok(Reading {
        consumer,
        places,
        filter,
        printer,
        output,
        left: args.num,
        skip_corrupt: args.skip_corrupt,
        block: Vec::new(),
        counts: Counts::default(),
    })
}

/// Whether a person reads, and likes colours (no-color.org).
fn terminal() -> Option<Colour> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal().then_some(Colour(!plain))
}

fn report(end: &End, counts: Counts, began: Instant) {
    let why = match end {
        End::Reached => "end reached; -F goes on",
        End::Counted => "as many as were asked for",
        End::Stopped => "stopped",
        End::OutputClosed => "the output was closed",
        End::Failed(_) => "failed",
    };
    let Counts { read, written, skipped } = counts;
    let of = if read == written { String::new() } else { format!(" of {read}") };
    let damaged = if skipped == 0 { String::new() } else { format!(", {skipped} offsets skipped") };
    eprintln!("{written}{of} records in {:.1} s{damaged}: {why}", began.elapsed().as_secs_f64());
}
