//! The frames of one connection: which API each belongs to, and the file it is kept in.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// More requests than any client here sends on one connection.
const MAX_REQUESTS: usize = 10_000;

/// What is known of the requests of one connection.
pub struct Conversation {
    prefix: PathBuf,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    count: usize,
    /// By correlation id: the name of the request that has no answer yet.
    open: HashMap<[u8; 4], String>,
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// The name of an API; only those of a producer have one here.
fn api(key: i16) -> String {
    match key {
        0 => "Produce".to_owned(),
        3 => "Metadata".to_owned(),
        18 => "ApiVersions".to_owned(),
        22 => "InitProducerId".to_owned(),
        key => format!("Api{key}"),
    }
}

impl Conversation {
    /// Keeps frames in files whose path starts with `prefix`.
    pub fn new(prefix: PathBuf) -> Self {
        Self { prefix, asked: Mutex::default() }
    }

    /// Keeps a request.
    pub fn request(&self, frame: &[u8]) -> Result<()> {
        let Some(&[k0, k1, v0, v1, id @ ..]) = frame.first_chunk::<8>() else {
            return Err(malformed("a request without a header"));
        };
        let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.count == MAX_REQUESTS {
            return Err(malformed("too many requests"));
        }
        let name = format!("{:03}-{}-v{version}", asked.count, api(key));
        asked.count += 1;
        asked.open.insert(id, name.clone());
        self.keep(&name, "request", frame)
    }

    /// Keeps a response under the name of its request.
    pub fn response(&self, frame: &[u8]) -> Result<()> {
        let id =
            frame.first_chunk::<4>().ok_or_else(|| malformed("a response without a header"))?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let name = asked.open.remove(id).ok_or_else(|| malformed("a response nobody asked for"))?;
        self.keep(&name, "response", frame)
    }

    fn keep(&self, name: &str, side: &str, frame: &[u8]) -> Result<()> {
        let mut path = self.prefix.clone().into_os_string();
        path.push(format!("-{name}-{side}.bin"));
        std::fs::write(path, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::Conversation;

    #[test]
    fn answers_are_named_after_their_questions_in_whatever_order_they_come() {
        let dir = std::env::temp_dir().join(format!("capture-proxy-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let conversation = Conversation::new(dir.join("00"));
        conversation.request(&[0, 18, 0, 4, 0, 0, 0, 1, 5]).unwrap();
        conversation.request(&[0, 3, 0, 13, 0, 0, 0, 2]).unwrap();
        conversation.response(&[0, 0, 0, 2, 6]).unwrap();
        conversation.response(&[0, 0, 0, 1]).unwrap();
        assert!(conversation.response(&[0, 0, 0, 1]).is_err(), "answered already");
        assert!(conversation.request(&[0; 7]).is_err(), "no header");
        let kept = |name: &str| std::fs::read(dir.join(name)).unwrap();
        assert_eq!(kept("00-000-ApiVersions-v4-request.bin"), [0, 18, 0, 4, 0, 0, 0, 1, 5]);
        assert_eq!(kept("00-001-Metadata-v13-request.bin"), [0, 3, 0, 13, 0, 0, 0, 2]);
        assert_eq!(kept("00-001-Metadata-v13-response.bin"), [0, 0, 0, 2, 6]);
        assert_eq!(kept("00-000-ApiVersions-v4-response.bin"), [0, 0, 0, 1]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
