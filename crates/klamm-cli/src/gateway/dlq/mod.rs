//! `klamm gateway dlq`: records that Kafka would not take, and sending them where they belong once more.
//!
//! `file` and `topic` are where they are; each hands its letters to a [`Visitor`], which shows or sends them.

mod file;
mod redrive;
mod topic;

use self::redrive::Redrive;
use crate::args::{Global, Output};
use crate::connect::all_settings;
use crate::failure::{Failure, USAGE};
use klamm_gateway::dead_letter::{FILE_NAME, Letter};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Dlq {
    /// Show dead letters: when, id, where to, bytes, and why not; changes nothing
    List(Which),
    /// Send dead letters where they belong, as they were and with their klamm-id
    ///
    /// They are sent one after the other; at the first that Kafka does not take this ends, and it stays where it is. Those of a
    /// file leave it once Kafka has them. Those of a topic stay there, and the group klamm-dlq remembers up to which all were
    /// sent: what comes behind one that was left out comes again the next time, with the same klamm-id.
    Redrive {
        #[command(flatten)]
        which: Which,
        /// Say what would be sent, and send nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Topics of dead letters: that of a topic has its name with .dlq behind it
    #[arg(value_name = "DLQ_TOPIC")]
    topics: Vec<String>,
    /// The file in the directory of this gateway; to redrive it, the gateway must not have it open
    #[arg(short, long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only those that were to go to this topic
    #[arg(short, long = "topic", value_name = "TOPIC")]
    wanted: Vec<String>,
    /// Only those with this error, such as MESSAGE_TOO_LARGE
    #[arg(short, long, value_name = "NAME")]
    error: Vec<String>,
    /// Only those with this klamm-id
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// No more than this
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Those of a topic that were sent again before, too
    #[arg(long)]
    all: bool,
}

impl Which {
    fn has(&self, letter: &Letter) -> bool {
        let among =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        among(&self.wanted, &letter.record.topic)
            && among(&self.id, &letter.id)
            && (self.error.is_empty()
                || self.error.iter().any(|name| name.eq_ignore_ascii_case(&error(letter))))
    }
}

/// Where a letter is.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// The line of the file, from 1.
    File(usize),
    /// The offset in a partition of a topic.
    Topic(&'a str, i32, i64),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(line) => write!(f, "{FILE_NAME}:{line}"),
            Self::Topic(topic, partition, offset) => write!(f, "{topic}/{partition}/{offset}"),
        }
    }
}

/// What was done with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// Kafka has it where it belongs.
    Sent,
    /// It is where it was.
    Left,
    /// Neither it nor any other is wanted.
    Enough,
}

/// What is done with letters, one after the other.
struct Visitor<'a> {
    global: &'a Global,
    which: &'a Which,
    /// Sends them; without, they are shown.
    redrive: Option<Redrive>,
    /// Letters that were shown or sent.
    count: u64,
    /// Letters that others may want.
    left: u64,
}

impl Visitor<'_> {
    async fn visit(&mut self, place: Place<'_>, letter: &Letter) -> Result<Done, Failure> {
        if self.which.limit.is_some_and(|limit| self.count >= limit) {
            return Ok(Done::Enough);
        }
        if !self.which.has(letter) {
            self.left += 1;
            return Ok(Done::Left);
        }
        let Some(redrive) = &self.redrive else {
            self.show(place, letter);
            self.count += 1;
            return Ok(Done::Left);
        };
        redrive.send(self.global, place, letter).await?;
        self.count += 1;
        Ok(if redrive.is_dry() { Done::Left } else { Done::Sent })
    }

    fn show(&self, place: Place<'_>, letter: &Letter) {
        if self.global.output == Output::Json {
            println!("{}", json(place, letter));
            return;
        }
        if self.count == 0 {
            println!("{:24}  {:28}  {:20}  {:>9}  ERROR", "TIME", "KLAMM-ID", "TOPIC", "BYTES");
        }
        let at = jiff::Timestamp::from_millisecond(letter.at_ms);
        let at = at.map_or_else(|_| letter.at_ms.to_string(), |at| at.to_string());
        let (error, bytes) = (error(letter), letter.record.bytes());
        let to = to(letter);
        println!("{at:24}  {:28}  {to:20}  {bytes:>9}  {error}: {}", letter.id, letter.reason);
    }
}

pub(super) async fn run(global: &Global, command: Dlq) -> Result<(), Failure> {
    let (which, dry_run) = match &command {
        Dlq::List(which) => (which, None),
        Dlq::Redrive { which, dry_run } => (which, Some(*dry_run)),
    };
    if which.topics.is_empty() && which.data.is_none() {
        let none = "which dead letters? Name their topics, such as orders.dlq, or --data DIR";
        return Err(Failure::new(USAGE, none));
    }
    let settings = all_settings(global, &[])?;
    let redrive = match dry_run {
        Some(false) => Some(Redrive::connect(&settings).await?),
        Some(true) => Some(Redrive::dry()),
        None => None,
    };
    let mut visitor = Visitor { global, which, redrive, count: 0, left: 0 };
    let mut ended = Ok(());
    if let Some(dir) = &which.data {
        ended = file::visit(&dir.join(FILE_NAME), &mut visitor).await;
    }
    if ended.is_ok() && !which.topics.is_empty() {
        ended = topic::visit_all(settings.client, &mut visitor).await;
    }
    let what = match dry_run {
        None => "dead letters",
        Some(false) => "sent",
        Some(true) => "would be sent",
    };
    eprintln!("{} {what}, {} others", visitor.count, visitor.left);
    ended
}

/// Where a letter was to go.
fn to(letter: &Letter) -> String {
    let record = &letter.record;
    match record.partition {
        Some(partition) => format!("{}/{partition}", record.topic),
        None => record.topic.to_string(),
    }
}

fn error(letter: &Letter) -> String {
    letter.error.name().map_or_else(|| letter.error.0.to_string(), str::to_owned)
}

/// All of a letter, and where it is.
fn json(place: Place<'_>, letter: &Letter) -> Value {
    let mut line: Value = serde_json::from_str(&letter.to_line()).unwrap_or_default();
    line["place"] = place.to_string().into();
    line
}

#[cfg(test)]
mod tests {
    use super::{Place, Which, json, to};
    use klamm_gateway::dead_letter::Letter;

    const LINE: &str = r#"{"id":"i/7","topic":"orders","partition":2,"timestamp":1,"key":null,"value":"eA==",
        "headers":[],"error":"MESSAGE_TOO_LARGE","error_code":10,"reason":"no","at":5}"#;

    fn which(wanted: &[&str], error: &[&str], id: &[&str]) -> Which {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Which {
            topics: vec![],
            data: None,
            wanted: owned(wanted),
            error: owned(error),
            id: owned(id),
            limit: None,
            all: false,
        }
    }

    #[test]
    fn all_that_is_said_of_a_letter_has_to_be_so() {
        let letter = Letter::from_line(LINE).unwrap();
        let table = [
            (which(&[], &[], &[]), true),
            (which(&["orders", "b"], &["message_too_large"], &["i/7"]), true),
            (which(&["b"], &[], &[]), false),
            (which(&["orders"], &["INVALID_RECORD"], &[]), false),
            (which(&[], &[], &["i/70"]), false),
        ];
        for (which, expected) in table {
            assert_eq!(which.has(&letter), expected, "{which:?}");
        }
    }

    #[test]
    fn a_letter_says_where_it_is_and_where_it_was_to_go() {
        let letter = Letter::from_line(LINE).unwrap();
        assert_eq!(to(&letter), "orders/2");
        let line = json(Place::Topic("orders.dlq", 0, 3), &letter);
        assert_eq!((&line["place"], &line["id"]), (&"orders.dlq/0/3".into(), &"i/7".into()));
    }
}
