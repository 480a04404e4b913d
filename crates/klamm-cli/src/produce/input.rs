//! Records out of files: pieces between delimiters, with a limit on their length.

use crate::failure::{DATA, Failure};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest record: above every broker's limit, and a bound on memory for input without delimiters.
const RECORD_MAX_BYTES: usize = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 1024 * 1024;

/// One file, or standard input, being read.
pub(super) struct Input {
    name: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    delimiter: Vec<u8>,
    record: Vec<u8>,
    number: u64,
    read: u64,
    before: u64,
}

impl Input {
    /// Opens all files at once, so that a missing one is known before anything is sent.
    pub(super) fn open(files: &[PathBuf], delimiter: &[u8]) -> Result<Vec<Input>, Failure> {
        if files.is_empty() {
            return Ok(vec![Self::new("standard input", std::io::stdin(), delimiter, 0)]);
        }
        let mut inputs = Vec::new();
        let mut before = 0;
        for path in files {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|e| Failure::new(DATA, format!("{name}: {e}")))?;
            let size = file.metadata().map_or(0, |m| m.len());
            inputs.push(Self::new(&name, file, delimiter, before));
            before += size;
        }
        Ok(inputs)
    }

    fn new(name: &str, reader: impl Read + Send + 'static, delimiter: &[u8], before: u64) -> Self {
        Self {
            name: name.into(),
            reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, reader)),
            delimiter: delimiter.to_vec(),
            record: Vec::new(),
            number: 0,
            read: 0,
            before,
        }
    }

    /// Bytes of all files, if they are files.
    pub(super) fn total_bytes(files: &[PathBuf]) -> Option<u64> {
        let size = |p: &PathBuf| std::fs::metadata(p).ok().filter(|m| m.is_file()).map(|m| m.len());
        files.iter().map(size).sum::<Option<u64>>().filter(|n| *n > 0)
    }

    /// The name of the file.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.read
    }

    pub(super) fn bytes_before(&self) -> u64 {
        self.before
    }

    /// The next record without its delimiter, and its number, counted from one.
    pub(super) fn next_record(&mut self) -> Result<Option<(u64, &[u8])>, Failure> {
        self.record.clear();
        self.number += 1;
        let Some(last) = self.delimiter.last().copied() else { return Ok(None) };
        loop {
            let room = (RECORD_MAX_BYTES - self.record.len()) as u64 + 1;
            let n = (&mut self.reader)
                .take(room)
                .read_until(last, &mut self.record)
                .map_err(|e| Failure::new(DATA, format!("{}: {e}", self.name)))?;
            self.read += n as u64;
            if self.record.ends_with(&self.delimiter) {
                self.record.truncate(self.record.len() - self.delimiter.len());
                return Ok(Some((self.number, &self.record)));
            }
            if self.record.len() > RECORD_MAX_BYTES {
                let (name, number) = (&self.name, self.number);
                let text =
                    format!("{name}:{number}: a record is longer than {RECORD_MAX_BYTES} bytes");
                return Err(Failure::new(DATA, text));
            }
            if n == 0 {
                return Ok((!self.record.is_empty()).then_some((self.number, &self.record[..])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &'static str, delimiter: &[u8]) -> Vec<String> {
        let mut input = Input::new("test", text.as_bytes(), delimiter, 0);
        let mut out = Vec::new();
        while let Ok(Some((_, record))) = input.next_record() {
            out.push(String::from_utf8_lossy(record).into_owned());
        }
        out
    }

    #[test]
    fn pieces_between_delimiters() {
        assert_eq!(records("a\nb\n\nc", b"\n"), ["a", "b", "", "c"]);
        assert_eq!(records("a--b-c--", b"--"), ["a", "b-c"]);
        assert!(records("", b"\n").is_empty());
    }
}
