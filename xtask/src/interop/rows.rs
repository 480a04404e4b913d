//! Pure: a record as every reader prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Doing, Failure, Result};

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The partition it is in.
    pub(crate) partition: i32,
    /// Its offset there.
    pub(crate) offset: i64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// `None` is null.
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is null.
    pub(crate) value: Option<Vec<u8>>,
    /// `name=value` with the value in Base64 or `-`, in order.
    pub(crate) headers: String,
}

impl Row {
    /// Reads a line of `testing/interop`'s programs.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[partition, offset, timestamp, key, value, headers] = fields.as_slice() else {
            return Err(Failure::new(format!("a line of {} fields: {line:?}", fields.len())));
        };
        Ok(Self {
            partition: partition.parse().doing(partition)?,
            offset: offset.parse().doing(offset)?,
            timestamp: timestamp.parse().doing(timestamp)?,
            key: bytes(key)?,
            value: bytes(value)?,
            headers: headers.to_owned(),
        })
    }
}

fn bytes(text: &str) -> Result<Option<Vec<u8>>> {
    match text {
        "-" => Ok(None),
        text => STANDARD.decode(text).map(Some).doing(text),
    }
}

/// Reads kcat's output in the format [`KCAT`]: lengths first, so that any byte may follow.
pub(crate) fn read_kcat(mut output: &[u8]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    while !output.is_empty() {
        let end = output.iter().position(|&byte| byte == b'|');
        let (head, rest) = output.split_at(end.ok_or_else(|| Failure::new("a line without |"))?);
        let head = std::str::from_utf8(head).doing("kcat's line")?;
        let numbers: Vec<i64> = head.split(' ').filter_map(|number| number.parse().ok()).collect();
        let &[partition, offset, timestamp, key, value] = numbers.as_slice() else {
            return Err(Failure::new(format!("kcat printed {head:?}")));
        };
        let mut rest = &rest[1..];
        let mut take = |length: i64| -> Result<Option<Vec<u8>>> {
            let Ok(length) = usize::try_from(length) else { return Ok(None) };
            let taken = rest.split_at_checked(length);
            let (taken, left) = taken.ok_or_else(|| Failure::new("kcat's output ends early"))?;
            rest = left;
            Ok(Some(taken.to_vec()))
        };
        let (key, value) = (take(key)?, take(value)?);
        output = rest.strip_prefix(b"\n").ok_or_else(|| Failure::new("kcat's line has no end"))?;
        let partition = i32::try_from(partition).doing("kcat's partition")?;
        rows.push(Row { partition, offset, timestamp, key, value, headers: String::new() });
    }
    Ok(rows)
}

/// Partition, offset, timestamp, length of the key and the value (-1 is null), then the two.
pub(crate) const KCAT: &str = "%p %o %T %K %S|%k%s\n";

#[cfg(test)]
mod tests {
    use super::{Row, read_kcat};

    #[test]
    fn null_and_empty_differ() {
        let row = Row::read("3\t7\t1700000000000\t-\t\ta=eA==,a=-").unwrap();
        assert_eq!((row.partition, row.offset, row.key, row.value), (3, 7, None, Some(Vec::new())));
        assert_eq!(row.headers, "a=eA==,a=-");
        assert!(Row::read("3\t7").is_err() && Row::read("3\t7\t0\t*\t-\t").is_err());
    }

    #[test]
    fn kcat_may_print_any_byte() {
        let rows = read_kcat(b"0 5 9 2 3|k|v\n|\n1 6 9 -1 0|\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].key.as_deref(), Some(&b"k|"[..]));
        assert_eq!(rows[0].value.as_deref(), Some(&b"v\n|"[..]));
        assert_eq!((&rows[1].key, rows[1].value.as_deref()), (&None, Some(&b""[..])));
        assert!(read_kcat(b"0 5 9 2 300|kkv\n").is_err());
    }
}
