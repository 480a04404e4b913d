//! What `klamm groups reset` can be told; the names are those of Kafka's own tool.

use super::moment::{parse_duration, parse_moment};
use crate::groups::scope::TopicScope;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

pub(in crate::groups) const EXAMPLES: &str = "\
Examples:
  klamm groups reset app --topic orders --to-earliest            shows what would change
  klamm groups reset app --topic orders --to-earliest --execute  changes it
  klamm groups reset app --topic orders:0,3 --shift-by -100
  klamm groups reset app --all-topics --to-datetime 2026-11-21T18:00:00.000
  klamm groups reset app --all-topics --by-duration PT2H
  klamm groups reset app --all-topics --to-current --export > app.csv
  klamm groups reset app --from-file app.csv --execute

Offsets that are not in a log become its begin or its end. A group that has members cannot be reset.";

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Groups; * stands for any letters. One that does not exist is made
    #[arg(value_name = "GROUP", required_unless_present = "more")]
    pub(super) groups: Vec<String>,
    /// As Kafka's tool has it
    #[arg(long = "group", value_name = "GROUP", hide = true)]
    pub(super) more: Vec<String>,
    #[command(flatten)]
    pub(super) scope: Scope,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) execute: bool,
    /// Only show what would change, which is the default
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the new offsets as CSV: topic,partition,offset, with several groups after their names
    #[arg(long)]
    pub(super) export: bool,
}

#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(super) struct Scope {
    /// A topic, or some of its partitions; may be given more than once
    #[arg(long, value_name = "TOPIC[:0,1,...]")]
    pub(super) topic: Vec<TopicScope>,
    /// All partitions of which the group has committed something
    #[arg(long)]
    pub(super) all_topics: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct TargetArgs {
    /// To the first record there is
    #[arg(long)]
    pub(super) to_earliest: bool,
    /// To the end
    #[arg(long)]
    pub(super) to_latest: bool,
    /// To this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(super) to_offset: Option<i64>,
    /// So many offsets ahead of what was committed, or with - behind it
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) shift_by: Option<i64>,
    /// To the first record that is not older: 2026-11-21T18:00:00.000, in UTC unless it ends with Z or +01:00
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    pub(super) to_datetime: Option<i64>,
    /// To the first record at most so old: PT2H, P7D, 90m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) by_duration: Option<Duration>,
    /// To what was committed, or to the end where nothing was
    #[arg(long)]
    pub(super) to_current: bool,
    /// To what a CSV file says, as --export writes it
    #[arg(long, value_name = "FILE", conflicts_with = "Scope")]
    pub(super) from_file: Option<PathBuf>,
}
