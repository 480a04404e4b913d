//! What `perf e2e` can be told.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Options of `perf e2e`; those of Kafka's own tool have its names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PerfE2e {
    /// Topic to send to and to read from; made with one partition if it does not exist
    #[arg(long)]
    pub(crate) topic: String,
    /// Records to send
    #[arg(long)]
    pub(crate) num_records: u64,
    /// Bytes of each value; FROM-TO for random sizes
    #[arg(long, default_value = "100", value_name = "BYTES")]
    pub(crate) record_size: Sizes,
    /// Bytes of each key; 0 for none
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) record_key_size: usize,
    /// Headers of each record
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub(crate) num_headers: usize,
    /// Bytes of each header's name
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) record_header_key_size: usize,
    /// Bytes of each header's value
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) record_header_size: usize,
    /// Replicas that must have a record: 1 or all
    #[arg(long, default_value = "all", value_parser = ["1", "all"])]
    pub(crate) producer_acks: String,
    /// Records per second, on a schedule that waits for nobody; -1 for none
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) throughput: i64,
    /// Records that may be under way at once; default: without a schedule 100, with --compat 1
    #[arg(long)]
    pub(crate) in_flight: Option<u64>,
    /// Consumers, each of which reads everything
    #[arg(long, default_value_t = 1)]
    pub(crate) consumers: usize,
    /// Tasks that share the one producer
    #[arg(long, default_value_t = 1)]
    pub(crate) tasks: usize,
    /// Records at the start that do not count for latency and rate
    #[arg(long, default_value_t = 0)]
    pub(crate) warmup_records: u64,
    /// Milliseconds to wait for the next record before what is missing is lost
    #[arg(long, default_value_t = 10_000)]
    pub(crate) timeout: u64,
    /// Settings of producer and consumer; linger.ms is 0 unless it is set
    #[arg(long, num_args = 1.., value_name = "NAME=VALUE")]
    pub(crate) command_property: Vec<String>,
    /// Print exactly what Kafka's own tool prints
    #[arg(long)]
    pub(crate) compat: bool,
}

const EXAMPLES: &str = "Each record carries who it is and a checksum: lost, duplicated, reordered and corrupted records are counted, \
and any of them ends with status 7. Latency counts from when a record was due to be sent, on one clock.

Examples:
  klamm perf e2e --topic t --num-records 10000                                    a broker in this process
  klamm perf e2e -b HOST:9092 --topic t --num-records 100000 --throughput 10000
  klamm perf e2e --topic t --num-records 300 --record-size 100000-500000 --throughput 30 --consumers 5";

/// Sizes from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sizes(pub(crate) RangeInclusive<usize>);

/// The largest value a record may have, as far as this command is concerned.
const LARGEST: usize = 64 * 1024 * 1024;

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<usize>().ok();
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to && to <= LARGEST => Ok(Self(from..=to)),
            _ => Err(format!("a size in bytes such as 100, or 100000-500000; at most {LARGEST}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sizes;

    #[test]
    fn sizes_are_one_number_or_two() {
        let sizes = |text: &str| text.parse::<Sizes>().ok().map(|sizes| sizes.0);
        assert_eq!(sizes("100"), Some(100..=100));
        assert_eq!(sizes("100000-500000"), Some(100_000..=500_000));
        for wrong in ["", "-", "5-", "-5", "9-3", "ten", "1-2-3", "99999999999"] {
            assert_eq!(sizes(wrong), None, "{wrong}");
        }
    }
}
