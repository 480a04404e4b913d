//! The captured frames, as files without the four bytes of their length.

use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::decode_response;
use klamm_protocol::message::Request;
use klamm_protocol::primitives::Frame;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Java,
    Librdkafka,
    FranzGo,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Java, Self::Librdkafka, Self::FranzGo];

    fn dir(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
            Self::FranzGo => "franz-go",
        }
    }
}

/// One frame and what the name of its file says about it.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) client: Client,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    /// What follows the version: a codec, `response`, or nothing.
    pub(crate) suffix: String,
    pub(crate) frame: Bytes,
}

impl Display for Captured {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { client, api, version, suffix, .. } = self;
        write!(f, "{client:?} {api:?} v{version} {suffix}")
    }
}

impl Captured {
    fn read(client: Client, path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut parts = name.splitn(3, '-');
        let api = match parts.next().unwrap() {
            "Produce" => ApiKey::Produce,
            "Metadata" => ApiKey::Metadata,
            "ApiVersions" => ApiKey::ApiVersions,
            "InitProducerId" => ApiKey::InitProducerId,
            other => panic!("{other} is no API that is captured"),
        };
        let version = parts.next().unwrap().strip_prefix('v').unwrap().parse().unwrap();
        let suffix = parts.next().unwrap_or_default().to_owned();
        Self { client, api, version, suffix, frame: std::fs::read(path).unwrap().into() }
    }

    pub(crate) fn is_response(&self) -> bool {
        self.suffix == "response"
    }

    /// The version that a response is written in.
    ///
    /// A broker that does not know the version of an ApiVersions request says so in version 0.
    pub(crate) fn response_version(&self) -> i16 {
        const UNSUPPORTED_VERSION: [u8; 2] = [0, 35];
        let refused = self.api == ApiKey::ApiVersions && self.frame[4..6] == UNSUPPORTED_VERSION;
        if refused { 0 } else { self.version }
    }

    /// The same with one byte changed.
    pub(crate) fn flipped(&self, at: usize) -> Self {
        let mut frame = self.frame.to_vec();
        frame[at] ^= 0x01;
        Self { frame: frame.into(), ..self.clone() }
    }
}

/// Every captured frame of `client`, sorted by name.
pub(crate) fn of(client: Client) -> Vec<Captured> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wire/capture");
    let dir = std::fs::read_dir(top.join(client.dir())).unwrap();
    let mut paths: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Captured::read(client, path)).collect()
}

/// Every captured frame.
pub(crate) fn all() -> Vec<Captured> {
    Client::ALL.into_iter().flat_map(of).collect()
}

/// The newest answer to `client` for the API of `R`.
pub(crate) fn answer<R: Request>(client: Client) -> R::Response {
    let answers = of(client).into_iter().filter(|c| c.api == R::API_KEY && c.is_response());
    // An ApiVersions request that was refused has been followed by one that was not.
    let answer = answers.filter(|c| c.response_version() == c.version).last().unwrap();
    decode_response::<R>(answer.frame, answer.version).unwrap().1
}

/// The bytes of a frame that klamm has written, after checking the length in front of them.
pub(crate) fn without_length(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.parts().concat();
    let rest = bytes.split_off(4);
    assert_eq!(bytes, u32::try_from(rest.len()).unwrap().to_be_bytes());
    rest
}

/// Where `theirs` and `ours` differ first, as an error.
pub(crate) fn same(what: &str, theirs: &[u8], ours: &[u8]) -> Result<(), String> {
    if theirs == ours {
        return Ok(());
    }
    let at = theirs.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let (theirs, ours) = (theirs.get(at), ours.get(at));
    Err(format!("{what}: byte {at} is {theirs:02x?} in the capture and {ours:02x?} in klamm's"))
}
