//! What `klamm groups` can be told.

use super::reset::ResetArgs;
use super::scope::TopicScope;
use clap::{Args, Subcommand, ValueEnum};
use klamm::IsolationLevel;
use klamm::admin::{GroupState, GroupType};

const PATTERNS: &str =
    "Wherever groups are named, * stands for any letters and ? for one; quote them.";

const LAG_EXAMPLES: &str = "\
Examples:
  klamm groups lag                          all groups, the one that lags most first
  klamm groups lag 'orders-*' --partitions  partition by partition
  klamm groups lag app --fail-over 10000    exit status 7 if more than so many records are unread
  klamm groups lag app --fail-over 5m       exit status 7 if the oldest unread record is older
  klamm groups lag app --isolation read_committed

LAG counts records between what was committed and the end. AGE is how long ago the first unread record was written.";

#[derive(Debug, Args)]
#[command(after_help = PATTERNS)]
pub(crate) struct GroupsArgs {
    /// Where logs end: at the last record, or before the first open transaction
    #[arg(long, global = true, value_enum, default_value_t = Isolation::ReadUncommitted)]
    pub(super) isolation: Isolation,
    #[command(subcommand)]
    pub(super) command: Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

impl From<Isolation> for IsolationLevel {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::ReadUncommitted => IsolationLevel::ReadUncommitted,
            Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Groups {
    /// List groups: state, type, coordinator; with --verbose the number of members, too
    List(List),
    /// Show how far groups are, partition by partition, and who reads what
    Describe(Which),
    /// Show how much groups have not read yet, in records and in time
    #[command(after_help = LAG_EXAMPLES)]
    Lag(Lag),
    /// Show members and what they have
    Members(Which),
    /// Set where groups go on reading; only shows what would change unless --execute is given
    #[command(after_help = super::reset::EXAMPLES)]
    Reset(Box<ResetArgs>),
    /// Delete groups without members, or what they have committed of some topics
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only groups with these names; * stands for any letters
    #[arg(value_name = "GROUP")]
    pub(super) groups: Vec<String>,
    /// Only groups in these states: Stable, Empty, ...
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(super) state: Vec<GroupState>,
    /// Only groups of these types: classic, consumer, share, streams
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(super) types: Vec<GroupType>,
}

/// Which groups a command is about.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Groups; * stands for any letters
    #[arg(value_name = "GROUP", required_unless_present_any = ["more", "all_groups"])]
    pub(super) groups: Vec<String>,
    /// As Kafka's tool has it
    #[arg(long = "group", value_name = "GROUP", hide = true)]
    pub(super) more: Vec<String>,
    /// All groups of consumers
    #[arg(long, conflicts_with_all = ["groups", "more"])]
    pub(super) all_groups: bool,
}

impl Which {
    /// The names and patterns; none for all groups.
    pub(super) fn patterns(&self) -> Vec<String> {
        self.groups.iter().chain(&self.more).cloned().collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Lag {
    /// Groups; * stands for any letters; all groups of consumers if none is given
    #[arg(value_name = "GROUP")]
    pub(super) groups: Vec<String>,
    /// Show each partition that lags
    #[arg(long)]
    pub(super) partitions: bool,
    /// Exit with 7 if a group lags by more: a number of records, or a time such as 30s, 5m, PT1H
    #[arg(long, value_name = "LIMIT")]
    pub(super) fail_over: Option<super::lag::Limit>,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(super) which: Which,
    /// Only what was committed of this topic, or of some of its partitions; may be given more than once
    #[arg(long, value_name = "TOPIC[:0,1,...]")]
    pub(super) topic: Vec<TopicScope>,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
}
