//! Pure: where requests go.

use hyper::Uri;
use std::str::FromStr;

/// An address of HTTP without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Host and port to connect to.
    pub(super) address: String,
    /// What the `Host` header says.
    pub(super) host: String,
    /// Path and query.
    pub(super) path: String,
}

impl Target {
    /// The topic that a path of the gateway's own names.
    pub(super) fn topic(&self) -> Option<&str> {
        let path = self.path.split('?').next()?.strip_prefix("/topics/")?;
        path.split('/').next().filter(|topic| !topic.is_empty())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not of the form http://HOST:PORT/PATH");
        let uri: Uri = text.parse().map_err(|e| format!("{text:?}: {e}"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        if host.host().is_empty() || host.as_str().contains('@') {
            return Err(wrong());
        }
        let address = format!("{}:{}", host.host(), host.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { address, host: host.as_str().to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn addresses_are_taken_apart() {
        let target: Target = "http://127.0.0.1:8080/topics/orders?key=1".parse().unwrap();
        assert_eq!((&*target.address, &*target.host), ("127.0.0.1:8080", "127.0.0.1:8080"));
        assert_eq!((&*target.path, target.topic()), ("/topics/orders?key=1", Some("orders")));
        let bare: Target = "http://[::1]".parse().unwrap();
        assert_eq!((&*bare.address, &*bare.path, bare.topic()), ("[::1]:80", "/", None));
        let partition: Target = "http://h/topics/t/partitions/1".parse().unwrap();
        assert_eq!(partition.topic(), Some("t"));
    }

    #[test]
    fn others_are_refused() {
        for wrong in ["", "host:80/x", "https://h/x", "http:///x", "http://u:p@h/x", "/topics/t"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
