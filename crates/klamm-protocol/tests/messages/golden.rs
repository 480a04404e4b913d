//! Reads `testdata/wire/messages.bin`, whose README describes the layout.

use crate::codec::{CODECS, Codec};
use bytes::{Buf, Bytes};

static FILE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/wire/messages.bin"));

/// What Java's message classes made of one value in one version.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) codec: &'static Codec,
    /// The version the value was made for.
    pub(crate) from: i16,
    /// The version it is written in.
    pub(crate) to: i16,
    /// `None` when Java refused to write it.
    pub(crate) bytes: Option<Bytes>,
    /// For a value written in another version: the bytes in its own.
    pub(crate) source: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The schema's defaults.
    Default,
    /// Every field set.
    Full,
    /// About half of the fields set.
    Half,
    /// The value of the last entry of another kind, in another version.
    Other,
}

impl Entry {
    /// Names the entry in a failure.
    pub(crate) fn name(&self) -> String {
        format!("{} {:?} {} -> {}", self.codec.name, self.kind, self.from, self.to)
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    let mut file = Bytes::from_static(FILE);
    let mut entries = Vec::new();
    let mut last = None;
    while file.has_remaining() {
        let mut entry = entry(&mut file);
        match entry.kind {
            Kind::Other => entry.source.clone_from(&last),
            _ => last.clone_from(&entry.bytes),
        }
        entries.push(entry);
    }
    entries
}

fn entry(file: &mut Bytes) -> Entry {
    let kind = match file.get_u8() {
        b'd' => Kind::Default,
        b'f' => Kind::Full,
        b'h' => Kind::Half,
        b'o' => Kind::Other,
        other => panic!("no kind {other}"),
    };
    let name_len = usize::from(file.get_u8());
    let name = file.split_to(name_len);
    let codec = CODECS.iter().find(|c| c.name.as_bytes() == name).expect("a known message");
    let (from, to) = (file.get_i16(), file.get_i16());
    let bytes = usize::try_from(file.get_i32()).ok().map(|len| file.split_to(len));
    Entry { kind, codec, from, to, bytes, source: None }
}
