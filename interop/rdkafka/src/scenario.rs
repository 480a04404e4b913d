//! The records that a client must carry, comparisons, and waits that end.

use std::fmt::{Debug, Display, Formatter};
use std::time::{Duration, Instant};

/// Partitions of a topic that a scenario makes.
pub(crate) const PARTITIONS: i32 = 3;
/// Every codec of Kafka's.
pub(crate) const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Less than what the caller grants, so that a slow scenario still says where it was.
const PATIENCE: Duration = Duration::from_secs(25);

/// What is wrong.
#[derive(Debug)]
pub(crate) struct Wrong(String);

/// The result of every step.
pub(crate) type Result<T> = std::result::Result<T, Wrong>;

impl Wrong {
    pub(crate) fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<rdkafka::error::KafkaError> for Wrong {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self(error.to_string())
    }
}

/// A record as it is sent and as it must come back; `None` is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(crate) fn check(holds: bool, why: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Wrong(why())) }
}

pub(crate) fn equal<T: PartialEq + Debug>(found: &T, expected: &T, what: &str) -> Result<()> {
    let shown = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    check(found == expected, || format!("{what}: {} instead of {}", shown(found), shown(expected)))
}

/// Waits until `come` says so; it does the waiting between two looks itself.
pub(crate) fn until(what: &str, mut come: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !come()? {
        check(Instant::now() < deadline, || format!("waited too long for {what}"))?;
    }
    Ok(())
}

/// A name nobody has used.
pub(crate) fn unique(what: &str) -> String {
    format!("interop-rdkafka-{what}-{:08x}", fastrand::u32(..))
}

/// Null and empty, text and bytes, small and large.
pub(crate) fn samples() -> Vec<Sample> {
    let every: Vec<u8> = (0..=255).collect();
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let many = vec![
        header("a", Some(b"1")),
        header("a", Some(b"2")),
        header("null", None),
        header("empty", Some(b"")),
        header("bytes", Some(&every)),
    ];
    let mut parts = vec![
        (some(b"key"), some(b"value"), vec![]),
        (None, some(b"no key"), vec![]),
        (some(b"tombstone"), None, vec![]),
        (some(b""), some(b""), vec![]),
        (None, some(b""), vec![header("one", Some(b"1"))]),
        (some(b"\xff\x00\xfe"), some(&every), vec![]),
        (some(b"headers"), some(b"v"), many),
        (
            some("schlüssel".as_bytes()),
            some("wert ✓".as_bytes()),
            vec![header("name ü", Some(b"u"))],
        ),
        (some(b"large"), some(&b"0123456789abcdef".repeat(6400)), vec![]),
    ];
    for number in 0..90 {
        let value = format!("a value that repeats itself {number}");
        parts.push((some(format!("n{number}").as_bytes()), some(value.as_bytes()), vec![]));
    }
    let partitions = (0..PARTITIONS).cycle();
    parts
        .into_iter()
        .zip(partitions)
        .map(|((key, value, headers), partition)| Sample { partition, key, value, headers })
        .collect()
}

/// Records that have their number as value.
pub(crate) fn numbered(start: i32, count: i32, partitions: i32) -> Vec<Sample> {
    let number = |n: i32| Sample {
        partition: n % partitions,
        key: None,
        value: Some(n.to_string().into_bytes()),
        headers: Vec::new(),
    };
    (start..start + count).map(number).collect()
}

/// The numbers of such records, each once, in order.
pub(crate) fn numbers(records: &[Sample]) -> Vec<i32> {
    let number = |sample: &Sample| {
        let value = sample.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
        value.and_then(|value| value.parse().ok()).unwrap_or(-1)
    };
    let mut numbers: Vec<i32> = records.iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Compares by partition, which is where order is promised.
pub(crate) fn same_records(found: &[Sample], expected: &[Sample], what: &str) -> Result<()> {
    for partition in 0..PARTITIONS {
        let part = |all: &[Sample]| -> Vec<Sample> {
            all.iter().filter(|sample| sample.partition == partition).cloned().collect()
        };
        let (got, wanted) = (part(found), part(expected));
        equal(&got.len(), &wanted.len(), &format!("{what}: records in partition {partition}"))?;
        for (number, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            equal(got, wanted, &format!("{what}: record {number} of partition {partition}"))?;
        }
    }
    Ok(())
}
