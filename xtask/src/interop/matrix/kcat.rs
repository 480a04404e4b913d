//! kcat, which needs no program of ours: what it can do, asked for by its arguments.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bounded;
use super::cell::Outcome;
use super::kcat_members as members;
use crate::failure::{Doing, Failure, Result};
use crate::interop::rows::{KCAT, Row, read_kcat};
use crate::process;

/// One run of kcat; a fresh topic makes librdkafka wait a second for its leader.
const LIMIT: Duration = Duration::from_secs(25);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Runs one scenario against `bootstrap`; what kcat says besides goes to files named after `log`.
pub(super) fn run(bootstrap: &str, scenario: &str, log: &Path) -> Result<Outcome> {
    let kcat = Kcat { bootstrap, log };
    let lacks = match scenario {
        "codecs" => return kcat.codecs().map(|()| Outcome::Done),
        "idempotent" => return kcat.idempotent().map(|()| Outcome::Done),
        "group" => return members::group(&kcat).map(|()| Outcome::Done),
        "transactions" => return members::transactions(&kcat).map(|()| Outcome::Done),
        "timestamps" => return kcat.timestamps().map(|()| Outcome::Done),
        "admin" => "it lists, and changes nothing",
        "static" | "cooperative" => "settings of librdkafka, which confluent-kafka tries",
        _ => "librdkafka 2.0 does not have it",
    };
    Ok(Outcome::Lacks(lacks.to_owned()))
}

/// Key and value.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// kcat on one broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kcat<'a> {
    bootstrap: &'a str,
    /// Where it says what is neither data nor an answer.
    pub(super) log: &'a Path,
}

/// A name nobody has used: other runs may have left topics behind on the same broker.
pub(super) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("interop-kcat-{what}-{:x}-{count}", now.as_millis())
}

/// An error unless `found` is `expected`.
pub(super) fn equal<T: PartialEq + std::fmt::Debug>(
    found: &T,
    expected: &T,
    what: &str,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let shown = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    Err(Failure::new(format!("{what}: {} instead of {}", shown(found), shown(expected))))
}

/// `line 0`, `line 1`, …
pub(super) fn lines(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

impl Kcat<'_> {
    /// The command with `args`, connected to the broker.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", self.bootstrap, "-X", "topic.metadata.refresh.interval.ms=1000"]);
        kcat.args(args);
        kcat
    }

    /// What it prints until it ends by itself with status 0.
    pub(super) fn output(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let mut kcat = self.command(args);
        let (status, printed) = bounded::output(&mut kcat, input, self.log, LIMIT)?;
        if status.is_some_and(|status| status.success()) {
            return Ok(printed);
        }
        let said = std::fs::read_to_string(self.log).unwrap_or_default();
        let ended = status.map_or("no end".to_owned(), |status| status.to_string());
        let said = process::last_lines(&said, 6);
        Err(Failure::new(format!("{ended} from: {}\n{said}", process::shown(&kcat))))
    }

    /// Produces a record for each of `lines`.
    pub(super) fn produce(&self, topic: &str, args: &[&str], lines: &[String]) -> Result<()> {
        let mut all = vec!["-P", "-t", topic];
        all.extend(args);
        self.output(&all, (lines.join("\n") + "\n").as_bytes()).map(drop)
    }

    /// Every record of `topic`.
    pub(super) fn read(&self, topic: &str, args: &[&str]) -> Result<Vec<Row>> {
        let mut all = vec!["-C", "-q", "-e", "-X", "check.crcs=true", "-f", KCAT, "-t", topic];
        all.extend(if args.contains(&"-o") { &[][..] } else { &["-o", "beginning"] });
        all.extend(args);
        read_kcat(&self.output(&all, b"")?)
    }

    fn codecs(&self) -> Result<()> {
        let mut pairs: Vec<Pair> = vec![
            (Some(b"k".to_vec()), Some(b"v".to_vec())),
            (Some(b"null".to_vec()), None),
            (Some(b"binary\xff\x01".to_vec()), Some((1..=255).filter(|b| *b != b'\n').collect())),
            (Some(b"large".to_vec()), Some(b"0123456789abcdef".repeat(6400))),
        ];
        let many =
            (0..200).map(|n| (Some(vec![b'n']), Some(format!("again and again {n}").into())));
        pairs.extend(many);
        let mut input = Vec::new();
        for (key, value) in &pairs {
            input.extend_from_slice(key.as_deref().unwrap_or_default());
            input.extend_from_slice(b"==");
            input.extend_from_slice(value.as_deref().unwrap_or_default());
            input.push(b'\n');
        }
        for codec in CODECS {
            let topic = unique(codec);
            let args = ["-P", "-t", &topic, "-z", codec, "-Z", "-K", "==", "-H", "head=er"];
            self.output(&args, &input)?;
            let rows = self.read(&topic, &[])?;
            let found: Vec<Pair> = rows.into_iter().map(|row| (row.key, row.value)).collect();
            equal(&found, &pairs, codec)?;
            let headers = self.output(&["-C", "-q", "-c1", "-f", "%h", "-t", &topic], b"")?;
            equal(&String::from_utf8_lossy(&headers).as_ref(), &"head=er", "headers")?;
        }
        Ok(())
    }

    fn idempotent(&self) -> Result<()> {
        let (topic, lines) = (unique("idempotent"), lines(0..3000));
        let args = ["-X", "enable.idempotence=true", "-X", "batch.num.messages=10"];
        self.produce(&topic, &args, &lines)?;
        equal(&self.values(&topic, &[])?, &lines, "idempotent")
    }

    /// The values of all records as text.
    pub(super) fn values(&self, topic: &str, args: &[&str]) -> Result<Vec<String>> {
        let text = |row: Row| String::from_utf8_lossy(&row.value.unwrap_or_default()).into_owned();
        Ok(self.read(topic, args)?.into_iter().map(text).collect())
    }

    /// kcat cannot say which timestamp a record shall have, so the expected answers are made from what it reads.
    fn timestamps(&self) -> Result<()> {
        let topic = unique("time");
        for number in 0..3 {
            self.produce(&topic, &[], &lines(number..number + 1))?;
        }
        let rows = self.read(&topic, &[])?;
        equal(&rows.len(), &3, "records")?;
        for row in &rows {
            let first = rows.iter().find(|other| other.timestamp >= row.timestamp);
            let expected = first.map_or(-1, |first| first.offset);
            equal(&self.query(&topic, row.timestamp)?, &expected, "offset at a timestamp")?;
        }
        let last = rows.iter().map(|row| row.timestamp).max().unwrap_or_default();
        equal(&self.query(&topic, last + 1)?, &-1, "offset after the last timestamp")?;
        equal(&self.query(&topic, -2)?, &0, "first offset")?;
        equal(&self.query(&topic, -1)?, &3, "end offset")?;
        let from = format!("s@{}", rows[2].timestamp);
        equal(&self.read(&topic, &["-o", &from])?.last(), &rows.last(), "read from a timestamp")
    }

    fn query(&self, topic: &str, timestamp: i64) -> Result<i64> {
        let printed = self.output(&["-Q", "-t", &format!("{topic}:0:{timestamp}")], b"")?;
        let printed = String::from_utf8_lossy(&printed).trim().to_owned();
        let offset = printed.rsplit(' ').next().unwrap_or_default();
        offset.parse().doing(format_args!("kcat -Q prints {printed:?}"))
    }
}
