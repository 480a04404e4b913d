//! What `perf consume` can be told.

use super::java_date::JavaDate;
use std::path::PathBuf;

/// Options of `perf consume`; the names are those of Kafka's own tool.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PerfConsume {
    /// Topic to read
    #[arg(long, required_unless_present = "include", conflicts_with = "include")]
    pub(crate) topic: Option<String>,
    /// Topics to read, as a regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) include: Option<String>,
    /// Group to read in; default: one of its own
    #[arg(long, conflicts_with = "assign")]
    pub(crate) group: Option<String>,
    /// Read all partitions of the topic without a group
    #[arg(long, conflicts_with = "include")]
    pub(crate) assign: bool,
    /// Records to read
    #[arg(long, alias = "messages")]
    pub(crate) num_records: u64,
    /// Begin with the next record instead of the first there is
    #[arg(long)]
    pub(crate) from_latest: bool,
    /// Most bytes of a partition in an answer
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES")]
    pub(crate) fetch_size: i32,
    /// Taken, without effect: the system sizes its buffers itself
    #[arg(long, hide = true)]
    pub(crate) socket_buffer_size: Option<u64>,
    /// A consumer.properties file
    #[arg(long = "consumer.config", value_name = "FILE")]
    pub(crate) consumer_config: Option<PathBuf>,
    /// Consumer settings
    #[arg(long, num_args = 1.., value_name = "NAME=VALUE")]
    pub(crate) command_property: Vec<String>,
    /// Milliseconds between reports
    #[arg(long, default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) reporting_interval: u64,
    /// Milliseconds without a record after which it ends
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    pub(crate) timeout: u64,
    /// Bytes of the records that fill a broker in this process
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    pub(crate) record_size: usize,
    /// With --compat: a row for each interval instead of one at the end
    #[arg(long)]
    pub(crate) show_detailed_stats: bool,
    /// With --compat: no names above the columns
    #[arg(long)]
    pub(crate) hide_header: bool,
    /// With --compat: how times are written, as Java's SimpleDateFormat has it
    #[arg(long, default_value = "yyyy-MM-dd HH:mm:ss:SSS", value_name = "PATTERN")]
    pub(crate) date_format: JavaDate,
    /// Print the settings at the end
    #[arg(long)]
    pub(crate) print_metrics: bool,
    /// Print exactly what Kafka's own tool prints
    #[arg(long)]
    pub(crate) compat: bool,
}

const EXAMPLES: &str = "Without an address a broker in this process is filled first, and its work is part of the CPU that is reported.

Examples:
  klamm perf consume --topic t --num-records 1000000
  klamm perf consume --topic t --num-records 1000000 --assign
  klamm perf consume --topic t --num-records 1000000 --command-property compression.type=lz4
  klamm perf consume -b HOST:9092 --topic t --num-records 1000000 --compat";
