//! What the clients are asked to do, and the payloads they do it with.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use crate::failure::{Doing, Failure, Result};
use crate::place::Place;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As many records as fast as they go.
    Produce,
    /// One record after the other, each awaited.
    Latency,
    /// A topic from its beginning.
    Consume,
    /// As `Produce`, but a number of records that is over in a second: what counts is the whole of it.
    Large,
    /// Records of many sizes at a steady rate, read by several as they come.
    Paced,
}

impl Mode {
    /// What the programs call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Produce | Mode::Large => "produce",
            Mode::Latency => "latency",
            Mode::Consume => "consume",
            Mode::Paced => "paced",
        }
    }
}

/// What payloads are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    /// Letters in which no codec finds anything.
    Random,
    /// Words, which shrink to about half.
    Text,
}

/// One row of the comparison.
#[derive(Debug)]
pub(crate) struct Workload {
    /// What `--workloads` calls it.
    pub(crate) name: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    pub(crate) mode: Mode,
    /// Bytes of a value.
    pub(crate) size: usize,
    pub(crate) records: u64,
    pub(crate) partitions: u16,
    pub(crate) codec: &'static str,
    /// Whether it goes through the delay proxy.
    pub(crate) slow: bool,
    payload: Payload,
}

impl Workload {
    const BASE: Self = Self {
        name: "",
        title: "",
        mode: Mode::Produce,
        size: 100,
        records: 3_000_000,
        partitions: 1,
        codec: "none",
        slow: false,
        payload: Payload::Random,
    };
}

const WORKLOADS: [Workload; 8] = [
    Workload { name: "a", title: "100 B, 1 partition", ..Workload::BASE },
    Workload { name: "b", title: "100 B, 50 partitions", partitions: 50, ..Workload::BASE },
    Workload {
        name: "c",
        title: "1 KiB, 50 partitions",
        size: 1024,
        records: 1_000_000,
        partitions: 50,
        ..Workload::BASE
    },
    Workload {
        name: "d",
        title: "300 KB, 1 partition",
        size: 307_200,
        records: 3_000,
        ..Workload::BASE
    },
    Workload {
        name: "a-lz4",
        title: "100 B of text, 1 partition, lz4",
        codec: "lz4",
        payload: Payload::Text,
        ..Workload::BASE
    },
    Workload {
        name: "c-lz4",
        title: "1 KiB of text, 50 partitions, lz4",
        size: 1024,
        records: 1_000_000,
        partitions: 50,
        codec: "lz4",
        payload: Payload::Text,
        ..Workload::BASE
    },
    Workload {
        name: "f",
        title: "one record at a time",
        mode: Mode::Latency,
        records: 2_000,
        ..Workload::BASE
    },
    Workload {
        name: "g",
        title: "1 KiB, 1 partition, 20 ms round trip",
        size: 1024,
        records: 300_000,
        slow: true,
        ..Workload::BASE
    },
];

/// A topic to read.
const fn reading(name: &'static str, title: &'static str, partitions: u16) -> Workload {
    Workload { name, title, mode: Mode::Consume, partitions, ..Workload::BASE }
}

/// The same with values of 1 KiB.
const fn of_1k(workload: Workload) -> Workload {
    Workload { size: 1024, records: 1_000_000, ..workload }
}

/// The same with words, and lz4.
const fn in_lz4(workload: Workload) -> Workload {
    Workload { codec: "lz4", payload: Payload::Text, ..workload }
}

const CONSUMING: [Workload; 8] = [
    reading("100-1", "read 100 B, 1 partition", 1),
    reading("100-50", "read 100 B, 50 partitions", 50),
    of_1k(reading("1k-1", "read 1 KiB, 1 partition", 1)),
    of_1k(reading("1k-50", "read 1 KiB, 50 partitions", 50)),
    in_lz4(reading("100-1-lz4", "read 100 B of text, 1 partition, lz4", 1)),
    in_lz4(reading("100-50-lz4", "read 100 B of text, 50 partitions, lz4", 50)),
    in_lz4(of_1k(reading("1k-1-lz4", "read 1 KiB of text, 1 partition, lz4", 1))),
    in_lz4(of_1k(reading("1k-50-lz4", "read 1 KiB of text, 50 partitions, lz4", 50))),
];

/// Large records, as fast as they go.
pub(crate) const LARGE: Workload = Workload {
    name: "3000x200k",
    title: "3,000 records of 200 KB, 1 partition",
    mode: Mode::Large,
    size: 200_000,
    records: 3_000,
    ..Workload::BASE
};

/// Large records, 30 a second for ten seconds; the size here is the mean.
pub(crate) const FANOUT: Workload = Workload {
    name: "1-to-5",
    title: "30 records of 100 to 500 KB a second, one producer, five consumers",
    mode: Mode::Paced,
    size: 300_000,
    records: 300,
    ..Workload::BASE
};

/// Bytes of the values of [`FANOUT`].
const FANOUT_SIZES: std::ops::RangeInclusive<usize> = 100_000..=500_000;

/// The sizes of so many records, the same on every machine.
pub(crate) fn fanout_sizes(records: usize) -> Vec<usize> {
    let (low, high) = FANOUT_SIZES.into_inner();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    (0..records).map(|_| low + random.below(high - low + 1)).collect()
}

/// The workloads that read, named in `list`, or all.
pub(crate) fn consuming(list: Option<&str>) -> Result<Vec<&'static Workload>> {
    let Some(list) = list else { return Ok(CONSUMING.iter().collect()) };
    list.split(',').map(|name| named(&CONSUMING, name, "")).collect()
}

fn named(workloads: &'static [Workload], name: &str, more: &str) -> Result<&'static Workload> {
    workloads.iter().find(|w| w.name == name).ok_or_else(|| {
        let names: Vec<&str> = workloads.iter().map(|w| w.name).collect();
        Failure::new(format!("no workload {name:?}; there are: {}{more}", names.join(", ")))
    })
}

/// Name of the rows against the sink, which are not a comparison.
const HOT: &str = "hot";

/// The workloads named in `list`, or all; and whether the hot path is among them.
pub(crate) fn chosen(list: Option<&str>) -> Result<(Vec<&'static Workload>, bool)> {
    let Some(list) = list else { return Ok((WORKLOADS.iter().collect(), true)) };
    let mut chosen = Vec::new();
    for name in list.split(',').filter(|name| *name != HOT) {
        chosen.push(named(&WORKLOADS, name, ", hot")?);
    }
    Ok((chosen, list.split(',').any(|name| name == HOT)))
}

impl Workload {
    /// Records of one run.
    pub(crate) fn records(&self, scale: f64) -> u64 {
        ((self.records as f64 * scale) as u64).max(10)
    }

    /// The file with one payload per line that every client reads; made when it is missing, and the same everywhere.
    pub(crate) fn payloads(&self, place: &Place) -> Result<PathBuf> {
        let kind = if self.payload == Payload::Random { "random" } else { "text" };
        let file = place.dir("bench/payloads")?.join(format!("{}-{kind}.txt", self.size));
        if file.is_file() {
            return Ok(file);
        }
        let lines = (2_000_000 / self.size).clamp(8, 10_000);
        let half_made = file.with_extension("part");
        let mut out = BufWriter::new(File::create(&half_made).doing(half_made.display())?);
        let mut random = Random(0x2545_f491_4f6c_dd1d ^ self.size as u64);
        for _ in 0..lines {
            out.write_all(&self.line(&mut random)).doing(half_made.display())?;
        }
        out.flush().doing(half_made.display())?;
        std::fs::rename(&half_made, &file).doing(file.display())?;
        Ok(file)
    }

    fn line(&self, random: &mut Random) -> Vec<u8> {
        let mut line = Vec::with_capacity(self.size + 16);
        while line.len() < self.size {
            match self.payload {
                Payload::Random => line.push(LETTERS[random.below(LETTERS.len())]),
                Payload::Text => {
                    line.extend_from_slice(WORDS[random.below(WORDS.len())].as_bytes());
                    line.push(b' ');
                }
            }
        }
        line.truncate(self.size);
        line.push(b'\n');
        line
    }
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const WORDS: [&str; 32] = [
    "order",
    "customer",
    "\"id\":",
    "\"amount\":",
    "shipped",
    "pending",
    "Berlin",
    "Prague",
    "2026-11-21",
    "true",
    "false",
    "null",
    "warehouse",
    "invoice",
    "\"currency\":\"EUR\"",
    "\"status\":",
    "position",
    "4711",
    "0815",
    "route",
    "parcel",
    "delivered",
    "unknown",
    "castle",
    "\"event\":",
    "created",
    "gorge",
    "river",
    "official",
    "village",
    "letter",
    "bridge",
];

/// A small generator whose numbers are the same on every machine (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{CONSUMING, FANOUT, FANOUT_SIZES, LARGE, Random, WORKLOADS};
    use super::{chosen, consuming, fanout_sizes};

    #[test]
    fn payloads_have_their_size_and_are_always_the_same() {
        for workload in WORKLOADS.iter().chain(&CONSUMING).chain([&LARGE]) {
            let line = workload.line(&mut Random(7));
            assert_eq!(line.len(), workload.size + 1, "{}", workload.name);
            assert_eq!(line, workload.line(&mut Random(7)));
            assert!(!line[..workload.size].contains(&b'\n'));
        }
    }

    #[test]
    fn workloads_are_chosen_by_name() {
        let (rows, hot) = chosen(Some("b,hot,f")).unwrap();
        assert_eq!(rows.iter().map(|w| w.name).collect::<Vec<_>>(), ["b", "f"]);
        assert!(hot);
        assert!(chosen(Some("z")).unwrap_err().to_string().contains("a-lz4"));
        let reading = consuming(Some("1k-50-lz4")).unwrap();
        assert_eq!((reading[0].size, reading[0].partitions, reading[0].codec), (1024, 50, "lz4"));
        assert!(consuming(Some("a")).unwrap_err().to_string().contains("100-50"));
    }

    #[test]
    fn sizes_are_within_their_bounds_and_always_the_same() {
        let sizes = fanout_sizes(3_000);
        assert!(sizes.iter().all(|size| FANOUT_SIZES.contains(size)));
        assert_eq!(sizes[..30], fanout_sizes(30));
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!(mean.abs_diff(FANOUT.size) < FANOUT.size / 20, "{mean}");
    }
}
