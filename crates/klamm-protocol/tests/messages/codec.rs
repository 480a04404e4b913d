//! All message types as one table of functions.

use bytes::Bytes;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{DecodeError, Decoder, EncodeError, Encoder, Message};
use std::ops::RangeInclusive;

/// A value that was read, written again.
pub(crate) type Recoded = Result<Result<Bytes, EncodeError>, DecodeError>;

/// One message type.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    /// Encodes the default value.
    pub(crate) default: fn(i16) -> Result<Bytes, EncodeError>,
    /// Decodes from one version and encodes in another.
    pub(crate) recode: fn(Bytes, i16, i16) -> Recoded,
}

impl Codec {
    /// Decodes and encodes in the same version.
    pub(crate) fn round(&self, bytes: &Bytes, version: i16) -> Recoded {
        (self.recode)(bytes.clone(), version, version)
    }
}

fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut e = Encoder::new();
    message.encode(&mut e, version)?;
    Ok(e.into_bytes())
}

fn recode<M: Message>(bytes: Bytes, from: i16, to: i16) -> Recoded {
    let mut d = Decoder::new(bytes);
    let message = M::decode(&mut d, from)?;
    d.finish()?;
    Ok(encode(&message, to))
}

macro_rules! table {
    ($($name:ident,)*) => {
        pub(crate) const CODECS: &[Codec] = &[$(Codec {
            name: stringify!($name),
            versions: $name::VERSIONS,
            default: |version| encode(&$name::default(), version),
            recode: recode::<$name>,
        },)*];
    };
}
klamm_protocol::for_each_message!(table);
