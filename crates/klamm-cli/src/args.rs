//! What the command line can say.

use crate::deferred::Deferred;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Kafka at full speed.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, about, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done; 1 failed; 2 wrong arguments or settings; 3 no broker reached; \
4 credentials or permissions refused; 5 the topic or group does not exist, or exists already; 6 bad input or records not delivered; \
7 the target rate was not held, a limit was passed, or records came out other than they went in.";

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Brokers to ask first, as host:port, separated by commas
    #[arg(
        short = 'b',
        long,
        global = true,
        env = "KLAMM_BOOTSTRAP_SERVERS",
        value_name = "HOST:PORT"
    )]
    pub(crate) bootstrap_server: Option<String>,
    /// Any setting, by Kafka's name or librdkafka's
    #[arg(short = 'X', global = true, value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
    /// A client.properties file
    #[arg(
        short = 'C',
        long = "command-config",
        alias = "producer.config",
        global = true,
        value_name = "FILE"
    )]
    pub(crate) command_config: Option<PathBuf>,
    /// How results are printed
    #[arg(short = 'O', long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Log more; twice for debugging
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    #[value(alias = "jsonl")]
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List, create, change and delete topics
    #[command(subcommand)]
    Topics(Deferred<Topics>),
    /// List, describe, reset and delete consumer groups; show their lag and their members
    Groups(Deferred<crate::groups::GroupsArgs>),
    /// Send lines or JSON records from files or standard input
    Produce(Deferred<Produce>),
    /// Print records of topics as lines, as JSON or in a format of your own
    Consume(Deferred<crate::consume::Consume>),
    /// Measure
    #[command(subcommand)]
    Perf(Deferred<PerfCommand>),
    /// Show it all: a broker, a load, a group of consumers, large records, and a verdict
    Demo(Deferred<crate::demo::DemoArgs>),
    /// Serve Kafka clients: a broker in this process
    Broker(Deferred<crate::broker::BrokerArgs>),
    /// Serve HTTP in front of Kafka: what it accepts is on the disk before it says so, and reaches Kafka
    Gateway(Deferred<crate::gateway::GatewayArgs>),
    /// Print the reference of all settings
    #[command(hide = true)]
    Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// List topics
    List {
        /// Kafka's own, too
        #[arg(long)]
        internal: bool,
    },
    /// Show partitions, leaders and replicas
    Describe {
        /// Topics
        #[arg(required = true)]
        topics: Vec<String>,
    },
    /// Create topics
    Create {
        /// Topics
        #[arg(required = true)]
        topics: Vec<String>,
        /// Number of partitions; the broker's default if not given
        #[arg(short, long, default_value_t = -1, allow_negative_numbers = true)]
        partitions: i32,
        /// Number of replicas; the broker's default if not given
        #[arg(short, long, default_value_t = -1, allow_negative_numbers = true)]
        replication_factor: i16,
        /// A setting of the topic
        #[arg(short, long, value_name = "NAME=VALUE")]
        config: Vec<String>,
        /// Leave a topic that exists as it is
        #[arg(long)]
        if_not_exists: bool,
        /// Only ask whether it could be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete topics and everything in them
    Delete {
        /// Topics
        #[arg(required = true)]
        topics: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Add partitions
    Alter {
        /// Topic
        topic: String,
        /// Number of partitions there shall be
        #[arg(short, long)]
        partitions: i32,
    },
    /// Show or change a topic's settings
    Config {
        /// Topic
        topic: String,
        /// Set, as NAME=VALUE
        #[arg(short, long, value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Back to the default
        #[arg(short, long, value_name = "NAME")]
        unset: Vec<String>,
        /// Show defaults, too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PerfCommand {
    /// Send generated records and report rate and latency
    Produce(PerfProduce),
    /// Read a topic and report rate and cost
    Consume(crate::perf::PerfConsume),
    /// Send records, read them again, and report latency and whether all came through
    E2e(crate::perf::PerfE2e),
    /// Post to a gateway, report rate and latency, and look whether what was accepted arrives
    Http(crate::perf::PerfHttp),
}

/// Options of `perf produce`; the names are those of Kafka's own tool.
#[derive(Debug, clap::Args)]
pub(crate) struct PerfProduce {
    /// Topic to send to
    #[arg(long)]
    pub(crate) topic: String,
    /// Records to send
    #[arg(long)]
    pub(crate) num_records: u64,
    /// Bytes of each record; random letters
    #[arg(long, conflicts_with = "payload_file")]
    pub(crate) record_size: Option<usize>,
    /// Take records from this file, at random
    #[arg(long, value_name = "FILE")]
    pub(crate) payload_file: Option<PathBuf>,
    /// What separates records in the payload file
    #[arg(long, default_value = "\\n")]
    pub(crate) payload_delimiter: String,
    /// A header of every record
    #[arg(short = 'H', long, value_name = "NAME=VALUE")]
    pub(crate) header: Vec<String>,
    /// Records per second; -1 for as fast as possible
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) throughput: i64,
    /// Producer settings
    #[arg(long, num_args = 1.., value_name = "NAME=VALUE")]
    pub(crate) producer_props: Vec<String>,
    /// Records at the start that do not count
    #[arg(long, default_value_t = 0)]
    pub(crate) warmup_records: u64,
    /// Tasks that share the one producer
    #[arg(long, default_value_t = 1)]
    pub(crate) tasks: usize,
    /// Print the producer's counters at the end
    #[arg(long)]
    pub(crate) print_metrics: bool,
    /// Print exactly what Kafka's own tool prints
    #[arg(long)]
    pub(crate) compat: bool,
}

/// Options of `produce`.
#[derive(Debug, clap::Args)]
pub(crate) struct Produce {
    /// Topic to send to
    pub(crate) topic: String,
    /// Files; standard input if none is given
    pub(crate) files: Vec<PathBuf>,
    /// What ends the key of a line
    #[arg(short = 'K', long, value_name = "TEXT")]
    pub(crate) key_delimiter: Option<String>,
    /// What ends a record; \n \t \0 \xNN are understood
    #[arg(short = 'D', long, default_value = "\\n", value_name = "TEXT")]
    pub(crate) record_delimiter: String,
    /// Form of the input
    #[arg(short = 'i', long, value_enum, default_value_t = InputForm::Lines)]
    pub(crate) input: InputForm,
    /// A header of every record
    #[arg(short = 'H', long, value_name = "NAME=VALUE")]
    pub(crate) header: Vec<String>,
    /// The key of every record
    #[arg(short = 'k', long)]
    pub(crate) key: Option<String>,
    /// The partition of records that name none; -1 leaves the choice of all to the partitioner
    #[arg(short = 'p', long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..))]
    pub(crate) partition: Option<i32>,
    /// Send JSON records to the topic they name, not to TOPIC
    #[arg(long)]
    pub(crate) own_topics: bool,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(short = 'z', long, value_name = "CODEC")]
    pub(crate) compression: Option<String>,
    /// 0, 1 or all
    #[arg(long)]
    pub(crate) acks: Option<String>,
    /// Records per second at most
    #[arg(long)]
    pub(crate) rate: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// One record a line
    Lines,
    /// One JSON object a line: topic, partition, key, value, headers, timestamp
    Jsonl,
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::{Command, CommandFactory};

    fn check(command: &Command, names: &mut Vec<String>) {
        names.push(command.get_name().to_owned());
        assert!(command.get_about().is_some(), "{names:?} says nothing of itself");
        command.get_subcommands().for_each(|command| check(command, names));
    }

    #[test]
    fn commands_that_are_described_late_are_whole() {
        let mut all = Args::command();
        // Describes all of them, and looks for names that contradict each other.
        all.build();
        let mut names = Vec::new();
        check(&all, &mut names);
        for name in ["describe", "reset", "e2e", "fault", "redrive"] {
            assert!(names.iter().any(|known| known == name), "no {name} among {names:?}");
        }
    }
}
