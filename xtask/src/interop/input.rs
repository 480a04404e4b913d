//! What klamm is given to send.

use std::path::PathBuf;

use crate::failure::{Doing, Result};
use crate::place::Place;

/// A text with lines of every length up to some KiB, repetitive and not, ASCII and not: about 2 MB.
pub(crate) fn text(place: &Place) -> Result<PathBuf> {
    let file = place.dir("interop")?.join("lines.txt");
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |bound: u64| {
        // xorshift: the same text on every machine.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut text = String::new();
    for number in 0..20_000 {
        text.push_str(&format!("line {number} "));
        match next(4) {
            0 => text.push_str(&"over and over ".repeat(next(12) as usize)),
            1 => text.extend((0..next(200)).map(|_| char::from(b' ' + next(95) as u8))),
            2 => text.push_str("Grüße, naïve καλημέρα 你好 🦀"),
            _ if next(100) == 0 => text.push_str(&"long".repeat(next(4000) as usize)),
            _ => {}
        }
        text.push('\n');
    }
    std::fs::write(&file, text).doing(format_args!("cannot write {}", file.display()))?;
    Ok(file)
}

/// A line of `klamm produce -i jsonl` and what a reader must find.
pub(crate) struct Sample {
    /// The envelope.
    pub(crate) line: &'static str,
    /// Where it goes.
    pub(crate) partition: i32,
    /// The key.
    pub(crate) key: Option<&'static [u8]>,
    /// The value.
    pub(crate) value: Option<&'static [u8]>,
    /// The headers, as readers print them.
    pub(crate) headers: &'static str,
    /// The timestamp, where one is set.
    pub(crate) timestamp: Option<i64>,
}

/// Null and empty, text and bytes, headers of all kinds.
pub(crate) const SAMPLES: [Sample; 7] = [
    Sample {
        line: r#"{"partition":0,"key":"k","value":"v","timestamp":1700000000123}"#,
        partition: 0,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: "",
        timestamp: Some(1_700_000_000_123),
    },
    Sample {
        line: r#"{"partition":0,"key":null,"value":"no key"}"#,
        partition: 0,
        key: None,
        value: Some(b"no key"),
        headers: "",
        timestamp: None,
    },
    Sample {
        line: r#"{"partition":1,"key":"tombstone","value":null}"#,
        partition: 1,
        key: Some(b"tombstone"),
        value: None,
        headers: "",
        timestamp: None,
    },
    Sample {
        line: r#"{"partition":1,"key":"","value":""}"#,
        partition: 1,
        key: Some(b""),
        value: Some(b""),
        headers: "",
        timestamp: None,
    },
    Sample {
        line: r#"{"partition":2,"key":{"base64":"/wD+"},"value":{"base64":"gIEA"}}"#,
        partition: 2,
        key: Some(b"\xff\x00\xfe"),
        value: Some(b"\x80\x81\x00"),
        headers: "",
        timestamp: None,
    },
    Sample {
        line: r#"{"partition":2,"value":"headers","headers":[["a","1"],["a","2"],["b",null],["c",""]]}"#,
        partition: 2,
        key: None,
        value: Some(b"headers"),
        headers: "a=MQ==,a=Mg==,b=-,c=",
        timestamp: None,
    },
    Sample {
        line: r#"{"partition":2,"value":"bytes","headers":[["x",{"base64":"/w=="}]]}"#,
        partition: 2,
        key: None,
        value: Some(b"bytes"),
        headers: "x=/w==",
        timestamp: None,
    },
];
