//! `klamm consume`: records out of topics, as lines, as JSON or in a format of one's own.

mod args;
mod filter;
mod format;
mod group;
mod jsonl;
mod last;
mod moment;
mod newcomers;
mod offset;
mod output;
mod plan;
mod printer;
mod progress;
mod reading;
mod recovery;
#[cfg(test)]
mod sample;
mod stop;
mod tail;
mod terminal;
mod trouble;

pub(crate) use self::args::Consume;

use self::filter::Filter;
use self::group::Membership;
use self::newcomers::Newcomers;
use self::offset::{From, Range, Until};
use self::output::Output;
use self::printer::{Colour, Printer};
use self::reading::{Counts, End, Reading, Scope};
use self::stop::Stop;
use self::tail::Tail;
use crate::args::Global;
use crate::connect::{all_settings, connect};
use crate::failure::{FAILED, Failure, USAGE};
use klamm::{AutoOffsetReset, Client, Consumer, ConsumerConfig};
use std::io::IsTerminal;
use std::time::Instant;

pub(crate) async fn run(global: &Global, args: Consume) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let began = Instant::now();
    let mut reading = tokio::select! {
        reading = prepare(global, args) => reading?,
        () = stop.received() => return Ok(()),
    };
    let end = tokio::select! {
        end = reading.run() => end,
        () = stop.received() => End::Stopped,
    };
    let end = tokio::select! {
        end = reading.finish(end) => end,
        // Asked a second time, it does not wait any more.
        () = stop.received() => return Ok(()),
    };
    if std::io::stderr().is_terminal() {
        report(&end, reading.counts, began);
    }
    match end {
        End::Failed(failure) => Err(failure),
        _ => Ok(()),
    }
}

/// Reads the options, connects, and finds out what is to be read.
async fn prepare(global: &Global, args: Consume) -> Result<Reading, Failure> {
    let range = range(&args)?;
    let printer = Printer::new(&args, global.output, terminal())?;
    let filter = Filter::new(&args)?;
    let mut settings = all_settings(global, &[])?;
    if let Some(group) = &args.group {
        settings.apply("group.id", group)?;
    }
    // Positions are looked up and minded here: none is ever moved in silence.
    let mut config = settings.consumer.auto_offset_reset(AutoOffsetReset::None);
    if let Some(isolation) = args.isolation {
        config = config.isolation_level(isolation.into());
    }
    let client = connect(settings.client).await?;
    let only_new = range == Range { from: From::End(0), until: None };
    let follow = args.follow || (only_new && !args.exit_eof);
    let (consumer, scope) = scope(&client, config, &args, (range, follow)).await?;
    let output = Output::stdout();
    let output = output.map_err(|e| Failure::new(FAILED, format!("standard output: {e}")))?;
    let open =
        follow && range.until.is_none() && args.partitions.is_empty() && args.group.is_none();
    Ok(Reading {
        consumer,
        scope,
        filter,
        printer,
        output,
        tail: args.tail.map(Tail::new),
        follow,
        left: args.num,
        skip_corrupt: args.skip_corrupt,
        newcomers: open.then(|| Newcomers::new(client.admin(), args)),
        block: Vec::new(),
        counts: Counts::default(),
    })
}

fn range(args: &Consume) -> Result<Range, Failure> {
    if let Some(count) = args.tail {
        let before = i64::try_from(count).unwrap_or(i64::MAX);
        return Ok(Range { from: From::End(before), until: Some(Until::End(0)) });
    }
    let range = Range::parse(&args.offset, jiff::Timestamp::now().as_millisecond());
    range.map_err(|why| Failure::new(USAGE, format!("-o {}: {why}", args.offset)))
}

/// A consumer, and what it is to read.
async fn scope(
    client: &Client,
    config: ConsumerConfig,
    args: &Consume,
    (range, follow): (Range, bool),
) -> Result<(Consumer, Scope), Failure> {
    let topics = plan::topics(&client.admin(), args).await?;
    if args.group.is_some() {
        let (config, member) = Membership::join(config, args, range)?;
        return Ok((client.consumer(config)?, Scope::Group(member)));
    }
    let partitions = plan::partitions(&topics, &args.partitions)?;
    let consumer = client.consumer(config)?;
    let places = plan::look_up(&consumer, &partitions, range, follow).await?;
    Ok((consumer, Scope::Places(places)))
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
