//! What `perf http` can be told.

use super::request::BodyKind;
use super::target::Target;
use std::path::PathBuf;

/// Options of `perf http`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PerfHttp {
    /// Where to post, as http://HOST:PORT/PATH; without one a gateway in this process
    pub(crate) url: Option<Target>,
    /// Connections, each with one request at a time
    #[arg(long, short = 'c', default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) connections: u32,
    /// How long requests are sent
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// No more requests than this
    #[arg(long, value_name = "COUNT")]
    pub(crate) num_requests: Option<u64>,
    /// Requests per second, on a schedule that waits for nobody; -1 for as fast as answers come
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) throughput: i64,
    /// Bytes of a record of JSON, or @FILE, or the text itself; {{id}} stands for the number of the record
    #[arg(long, default_value = "230", value_name = "BYTES|@FILE|TEXT")]
    pub(crate) body: BodyKind,
    /// Default: application/json, or application/x-ndjson for several records in a request
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Records in a request, a line each
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) records_per_request: u64,
    /// One more header of every request
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Requests at the start that do not count for latency and rate
    #[arg(long, default_value_t = 0)]
    pub(crate) warmup_requests: u64,
    /// Milliseconds an answer may take
    #[arg(long, default_value_t = 30_000)]
    pub(crate) timeout: u64,
    /// Threads that share the connections
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    /// Write a line for each request: number of its first record, status, id of the answer
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// Read the topic afterwards, the path's or this, and look for what was accepted
    #[arg(long, value_name = "TOPIC", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) verify: Option<String>,
    /// Milliseconds to wait for the next record before what is missing is lost
    #[arg(long, default_value_t = 10_000)]
    pub(crate) verify_timeout: u64,
    /// Answers of 429 and 503 are no failure
    #[arg(long)]
    pub(crate) refusals_ok: bool,
}

const EXAMPLES: &str = "Latency counts from when a request was due; with --throughput a stall so shows in everything it delayed.
--verify asks the brokers of -b: each record whose request was accepted (2xx) must be in the topic, by its own number and, where
the answer names one, by the header klamm-id. Something missing ends with status 7, a request without a good answer with 6.

Examples:
  klamm perf http --seconds 5 --verify                                  a gateway and a broker in this process
  klamm perf http http://127.0.0.1:8080/topics/orders
  klamm perf http http://127.0.0.1:8080/topics/orders -c 256 --seconds 30 --verify -b 127.0.0.1:9092
  klamm perf http http://127.0.0.1:8080/topics/orders --throughput 20000 --records-per-request 100
  klamm perf http http://127.0.0.1:8080/hook --body '{\"order\":{{id}}}' -H 'authorization: Bearer KEY'";
