//! Options of `klamm consume`.

use clap::ValueEnum;
use klamm::IsolationLevel;

const EXAMPLES: &str = r"Examples:
  klamm consume orders                            all there is, then end
  klamm consume orders -F                         and go on with what comes
  klamm consume orders -o end                     only what comes
  klamm consume orders --tail 10                  the last ten
  klamm consume orders -o @-1h -p 0,3             the last hour of two partitions
  klamm consume orders -o @2024-02-14:1h          an hour of that day
  klamm consume orders -f '%p %o %k %v{hex}\n'    a line of one's own
  klamm consume orders --grep ERROR --header source=^web
  klamm consume orders -g audit                   as a member of a group
  klamm consume a -O jsonl | klamm produce b -i jsonl     a copy

Where to read from and to (-o):
  start, end            the first record; the next that is produced
  +N, -N, N             N after the first, N before the end, offset N
  FROM:UNTIL            UNTIL itself is not read; it is an offset, -N, or end: the end there is now
  @TIME, @TIME:TIME     the first record that is not before TIME; the second may be end
  TIME                  2024-02-14, 2024-02-14T10:00:00Z, seconds or milliseconds since 1970 (10 or 13 digits),
                        or an age: -90s, -1h30m, -2d; after a date a length counts from it

What is written (-f):
  %t %k %v              topic, key, value; {hex} {base64} {base64raw} {json} {unpack[>Iqcs]}
  %p %o %e %d           partition, offset, leader epoch, timestamp (%d{strftime[%F]} or %d{go[15:04:05]})
  %T %K %V %H %i        lengths of topic, key, value; number of headers; how many records were written
  %h{%k=%v }            for each header: %k %v %K %V
  %x %y                 producer id and epoch
  %a{timestamp-type}    or transactional-bit, control-bit; %[ %| %] are log start, last stable, high watermark
  numbers               {ascii} {hex} {hex64…hex4} {big64…big8} {little64…little8} {byte} {bool}
  \n \t \r \0 \\ \xNN   and %% %{ %}";

/// Options of `consume`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples, offsets and formats: klamm consume --help")]
pub(crate) struct Consume {
    /// Topics to read
    #[arg(required = true, value_name = "TOPIC")]
    pub(super) topics: Vec<String>,
    /// Take the topics for regular expressions; every topic that one of them is found in is read
    #[arg(short, long)]
    pub(super) regex: bool,
    /// Only these partitions
    #[arg(short, long, value_delimiter = ',', value_name = "N,N…")]
    pub(super) partitions: Vec<i32>,
    /// Where to read from, and to
    #[arg(
        short,
        long,
        default_value = "start",
        allow_hyphen_values = true,
        value_name = "FROM[:UNTIL]"
    )]
    pub(super) offset: String,
    /// Stop after so many records
    #[arg(short, long, value_name = "COUNT")]
    pub(super) num: Option<u64>,
    /// Only the last records of each topic that are wanted, by time; with -F, and what comes then
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["offset", "num", "group"])]
    pub(super) tail: Option<usize>,
    /// Read as a member of this group, from what it has committed, and commit what was written; goes on
    /// until it is stopped, or with -e until nothing is left
    #[arg(short, long, conflicts_with = "partitions")]
    pub(super) group: Option<String>,
    /// Go on with what is produced from now on; so do -o end and -g
    #[arg(short = 'F', long)]
    pub(super) follow: bool,
    /// Stop at the end there is when reading begins, which is what happens without -F, -g and -o end
    #[arg(short, long, conflicts_with = "follow")]
    pub(super) exit_eof: bool,
    /// What is written of a record; json and jsonl are as -O jsonl
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) format: Option<String>,
    /// Write the key, and this after it
    #[arg(short = 'K', long, value_name = "TEXT", conflicts_with = "format")]
    pub(super) key_delimiter: Option<String>,
    /// What follows a record instead of a line feed; \n \t \0 \xNN are understood
    #[arg(short = 'D', long, value_name = "TEXT", conflicts_with = "format")]
    pub(super) record_delimiter: Option<String>,
    /// Only records in whose value this regular expression is found; all that are given have to be
    #[arg(long, value_name = "REGEX")]
    pub(super) grep: Vec<String>,
    /// The same of their keys
    #[arg(long, value_name = "REGEX")]
    pub(super) key_grep: Vec<String>,
    /// Only records with such a header: NAME, or NAME=REGEX for its value
    #[arg(long, value_name = "NAME[=REGEX]")]
    pub(super) header: Vec<String>,
    /// What of transactions is read
    #[arg(long, value_enum)]
    pub(super) isolation: Option<Isolation>,
    /// Go on behind batches that are damaged, and say so
    #[arg(long)]
    pub(super) skip_corrupt: bool,
}

/// What of transactions is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolation {
    /// Everything, in the order of the log
    #[value(alias = "read_uncommitted")]
    ReadUncommitted,
    /// Only what was committed
    #[value(alias = "read_committed")]
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
