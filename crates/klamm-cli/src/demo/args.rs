//! What can be said to `klamm demo`; nothing has to be.

use super::plan::{GroupPlan, LargePlan, VALUE_MAX, parse_duration, parse_sizes};
use crate::failure::{Failure, USAGE};
use crate::verify::Stamp;
use klamm_broker::Durability;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Records per second of the first part
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// How long each of the two parts sends
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = parse_duration)]
    duration: Duration,
    /// Partitions of the first part's topic
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    /// Tasks that share the one producer
    #[arg(long, default_value_t = 10, value_parser = tasks)]
    tasks: usize,
    /// Bytes of each small record
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    record_size: usize,
    /// Members of the group at the start
    #[arg(long, default_value_t = 3, value_parser = readers)]
    members: usize,
    /// How long the group waits for a member that is gone
    #[arg(long, default_value = "6s", value_name = "TIME", value_parser = parse_duration)]
    session_timeout: Duration,
    /// Large records per second, in the second part
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    large_rate: u64,
    /// Bytes of each large record, from and to
    #[arg(long, default_value = "100000-500000", value_name = "BYTES", value_parser = parse_sizes)]
    large_size: RangeInclusive<usize>,
    /// Consumers that each read all large records
    #[arg(long, default_value_t = 5, value_parser = readers)]
    readers: usize,
    /// When the embedded broker takes a record for safe: memory, os, interval=MS or always
    #[arg(long, value_name = "MODE")]
    pub(super) durability: Option<Durability>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

fn tasks(text: &str) -> Result<usize, String> {
    within(text, 1_000)
}

fn readers(text: &str) -> Result<usize, String> {
    within(text, 100)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or_else(|| format!("from 1 to {most}"))
}

impl DemoArgs {
    /// Refuses what cannot be done.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let least = Stamp::LEN;
        let sizes = [self.record_size, *self.large_size.start()];
        if sizes.iter().any(|size| !(least..=VALUE_MAX).contains(size)) {
            let why =
                format!("records have from {least} to {VALUE_MAX} bytes, or cannot be told apart");
            return Err(Failure::new(USAGE, why));
        }
        Ok(())
    }

    pub(super) fn group_plan(&self) -> GroupPlan {
        GroupPlan {
            rate: self.rate,
            duration: self.duration,
            tasks: self.tasks,
            partitions: self.partitions,
            size: self.record_size,
            members: self.members,
            session_timeout: self.session_timeout,
        }
    }

    pub(super) fn large_plan(&self) -> LargePlan {
        LargePlan {
            rate: self.large_rate,
            duration: self.duration,
            sizes: self.large_size.clone(),
            readers: self.readers,
        }
    }
}
