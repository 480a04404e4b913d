//! Pure: records lent out by their batch, and their headers.

use super::varint::{read_i32, read_i64};
use super::{BatchError, BatchHeader, RecordError};

/// A record lent out by its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Create or append time, in ms since the epoch; -1 when the format of its batch had none.
    pub timestamp: i64,
    /// Its key; null is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Its value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its headers in order, duplicates and null values included.
    ///
    /// A name that is not UTF-8 reads as U+FFFD, so that one foreign producer's habit does not make
    /// the record unreadable; [`Record::raw_headers`] has the bytes.
    pub fn headers(&self) -> HeaderIter<'a> {
        HeaderIter(self.raw_headers())
    }

    /// Its headers in order, with names as the bytes they are.
    pub fn raw_headers(&self) -> RawHeaderIter<'a> {
        RawHeaderIter { bytes: self.headers, at: 0, left: self.header_count }
    }
}

/// Iterates over the headers of a record.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a>(RawHeaderIter<'a>);

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((std::str::from_utf8(name).unwrap_or("\u{fffd}"), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// Iterates over the headers of a record without asking that names are UTF-8.
#[derive(Debug, Clone)]
pub struct RawHeaderIter<'a> {
    bytes: &'a [u8],
    at: usize,
    left: i32,
}

impl<'a> Iterator for RawHeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        // They were walked over once when the record was read; this cannot fail any more.
        header(self.bytes, &mut self.at).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = usize::try_from(self.left).unwrap_or(0);
        (n, Some(n))
    }
}

/// What the batch says about all of its records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    offset: i64,
    last_offset_delta: i32,
    /// Added to every record's delta: the base timestamp.
    timestamp: i64,
    /// Cleared when the append time stands in for every record's own.
    timestamp_delta_mask: i64,
}

impl Base {
    #[inline]
    pub(super) fn of(header: &BatchHeader) -> Self {
        let appended = header.attributes.is_log_append_time();
        Self {
            offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            timestamp: if appended { header.max_timestamp } else { header.base_timestamp },
            timestamp_delta_mask: if appended { 0 } else { -1 },
        }
    }
}

/// A place between two records of one batch; of another batch it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordPosition {
    at: usize,
    index: i32,
}

impl RecordPosition {
    /// Bytes of the records before it.
    #[inline]
    pub fn bytes_before(self) -> usize {
        self.at
    }
}

/// Iterates over the records of a batch; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    base: Base,
    bytes: &'a [u8],
    at: usize,
    count: i32,
    next: i32,
    /// Reported instead of the first record.
    refused: Option<&'static str>,
}

impl<'a> RecordIter<'a> {
    #[inline]
    pub(super) fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        let base = Base::of(header);
        Self { base, bytes, at: 0, count: header.records_count, next: 0, refused: None }
    }

    pub(super) fn refused(header: &BatchHeader, what: &'static str) -> Self {
        Self { refused: Some(what), count: 0, ..Self::new(header, &[]) }
    }

    #[inline]
    pub(super) fn from_position(
        header: &BatchHeader,
        bytes: &'a [u8],
        position: RecordPosition,
    ) -> Self {
        let at = position.at.min(bytes.len());
        Self { at, next: position.index, ..Self::new(header, bytes) }
    }

    /// Where the next record stands: [`RecordBatch::records_from`] goes on there.
    ///
    /// [`RecordBatch::records_from`]: super::RecordBatch::records_from
    #[inline]
    pub fn position(&self) -> RecordPosition {
        RecordPosition { at: self.at, index: self.next }
    }

    /// The end, or what is wrong with it.
    #[cold]
    fn end(&mut self) -> Option<Result<Record<'a>, BatchError>> {
        let trailing = self.at < self.bytes.len();
        let what = self.refused.take().or(trailing.then_some("bytes after the last record"))?;
        self.at = self.bytes.len();
        Some(Err(BatchError::Malformed { base_offset: self.base.offset, what }))
    }

    #[cold]
    fn fail(&mut self, error: RecordError) -> BatchError {
        let index = self.next;
        (self.next, self.at) = (self.count, self.bytes.len());
        BatchError::Record { base_offset: self.base.offset, index, error }
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return self.end();
        }
        match read_record(&self.base, self.bytes, &mut self.at) {
            Ok(record) => {
                self.next += 1;
                Some(Ok(record))
            }
            Err(error) => Some(Err(self.fail(error))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // One more than the count: the error about what is behind the last record.
        (0, usize::try_from(self.count - self.next).ok().and_then(|n| n.checked_add(1)))
    }
}

#[inline]
fn read_record<'a>(
    base: &Base,
    bytes: &'a [u8],
    at: &mut usize,
) -> Result<Record<'a>, RecordError> {
    let len = read_i32(bytes, at)?;
    let len = usize::try_from(len).map_err(|_| RecordError::Length(len))?;
    let end = at.checked_add(len).ok_or(RecordError::Truncated)?;
    // From here on nothing can run past the record.
    let body = bytes.get(..end).ok_or(RecordError::Truncated)?;
    *at += 1; // attributes: no bit of a record is in use
    let timestamp_delta = read_i64(body, at)?;
    let offset_delta = read_i32(body, at)?;
    if !(0..=base.last_offset_delta).contains(&offset_delta) {
        return Err(RecordError::OffsetDelta(offset_delta));
    }
    let key = field(body, at)?;
    let value = field(body, at)?;
    let header_count = read_i32(body, at)?;
    let headers = body.get(*at..).unwrap_or_default();
    if header_count != 0 {
        check_headers(headers, header_count)?;
    } else if !headers.is_empty() {
        return Err(RecordError::Trailing);
    }
    *at = end;
    Ok(Record {
        offset: base.offset.wrapping_add(i64::from(offset_delta)),
        timestamp: base.timestamp.wrapping_add(timestamp_delta & base.timestamp_delta_mask),
        key,
        value,
        header_count,
        headers,
    })
}

/// Walks over headers once, so that handing them out later cannot fail.
fn check_headers(bytes: &[u8], count: i32) -> Result<(), RecordError> {
    if count < 0 {
        return Err(RecordError::Length(count));
    }
    let mut at = 0;
    // Each takes two bytes at least, so a false count ends at the end of the bytes.
    for _ in 0..count {
        header(bytes, &mut at)?;
    }
    if at == bytes.len() { Ok(()) } else { Err(RecordError::Trailing) }
}

#[inline]
fn header<'a>(
    bytes: &'a [u8],
    at: &mut usize,
) -> Result<(&'a [u8], Option<&'a [u8]>), RecordError> {
    let name = field(bytes, at)?.ok_or(RecordError::Length(-1))?;
    Ok((name, field(bytes, at)?))
}

/// A length and as many bytes; -1 is null.
#[inline]
fn field<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, RecordError> {
    let len = read_i32(bytes, at)?;
    if len < 0 {
        return if len == -1 { Ok(None) } else { Err(RecordError::Length(len)) };
    }
    let (from, len) = (*at, len as usize);
    // `from` is within the bytes, so this cannot overflow on any machine with 32 bits or more.
    let taken = bytes.get(from..from.saturating_add(len)).ok_or(RecordError::Truncated)?;
    *at = from + len;
    Ok(Some(taken))
}
