//! As much of the wire format as the sink needs; a malformed request ends the sink, which is a bench tool.

pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        self.at += n;
        &self.bytes[self.at - n..self.at]
    }

    pub fn skip(&mut self, n: usize) {
        self.at += n;
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// So many bytes as they are.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        self.take(n)
    }

    fn uvarint(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    /// A length or count; null is `None`.
    pub fn count(&mut self, flexible: bool) -> Option<usize> {
        if flexible { self.uvarint().checked_sub(1) } else { usize::try_from(self.i32()).ok() }
    }

    pub fn string(&mut self, flexible: bool) -> Option<String> {
        let len = if flexible { self.uvarint().checked_sub(1) } else { usize::try_from(self.i16()).ok() };
        len.map(|n| String::from_utf8_lossy(self.take(n)).into_owned())
    }

    pub fn tags(&mut self) {
        for _ in 0..self.uvarint() {
            self.uvarint();
            let len = self.uvarint();
            self.skip(len);
        }
    }
}

pub struct Writer {
    out: Vec<u8>,
    flexible: bool,
}

impl Writer {
    pub fn frame(correlation_id: i32, header_has_tags: bool, flexible: bool) -> Self {
        let mut w = Self { out: vec![0; 4], flexible };
        w.i32(correlation_id);
        if header_has_tags {
            w.out.push(0);
        }
        w
    }

    pub fn finish(mut self) -> Vec<u8> {
        let size = (self.out.len() - 4) as u32;
        self.out[..4].copy_from_slice(&size.to_be_bytes());
        self.out
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn i8(&mut self, v: i8) {
        self.raw(&v.to_be_bytes());
    }

    pub fn i16(&mut self, v: i16) {
        self.raw(&v.to_be_bytes());
    }

    pub fn i32(&mut self, v: i32) {
        self.raw(&v.to_be_bytes());
    }

    pub fn i64(&mut self, v: i64) {
        self.raw(&v.to_be_bytes());
    }

    fn uvarint(&mut self, mut v: usize) {
        while v >= 0x80 {
            self.out.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.out.push(v as u8);
    }

    pub fn count(&mut self, n: usize) {
        if self.flexible { self.uvarint(n + 1) } else { self.i32(n as i32) }
    }

    pub fn string(&mut self, s: &str) {
        if self.flexible { self.uvarint(s.len() + 1) } else { self.i16(s.len() as i16) }
        self.raw(s.as_bytes());
    }

    /// Bytes that `fill` puts behind what there is, with their number, which it returns, before them.
    pub fn sized(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> usize) -> usize {
        let at = self.out.len();
        self.i32(0);
        let bytes = fill(&mut self.out);
        self.out[at..at + 4].copy_from_slice(&(bytes as u32).to_be_bytes());
        bytes
    }

    pub fn null_string(&mut self) {
        if self.flexible { self.uvarint(0) } else { self.i16(-1) }
    }

    /// The empty list of tagged fields, where the version has one.
    pub fn tags(&mut self) {
        if self.flexible {
            self.out.push(0);
        }
    }
}
