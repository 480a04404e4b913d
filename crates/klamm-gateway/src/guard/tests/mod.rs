//! Guards as a server asks them.

mod credentials;
mod quotas;
mod tokens;
mod webhooks;

use super::{Denied, Guard, Principal};
use crate::Peer;
use http::request::Parts;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A request with these headers.
pub(super) fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::post("/topics/t");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

pub(super) fn peer(certificate: Option<&str>) -> Peer {
    let address = "127.0.0.1:1".parse().unwrap();
    Peer { address, certificate: certificate.map(Into::into) }
}

/// Who sends a request with these headers.
pub(super) async fn ask(guard: &Guard, headers: &[(&str, &str)]) -> Result<Principal, Denied> {
    guard.head(&head(headers), &peer(None), None).await
}

/// The name of who sends a request with these headers; the status code if it is refused.
pub(super) async fn name(guard: &Guard, headers: &[(&str, &str)]) -> Result<String, u16> {
    ask(guard, headers).await.map(|who| who.name().to_string()).map_err(|denied| denied.status())
}

/// A directory that goes away with it.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("klamm-guard-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
