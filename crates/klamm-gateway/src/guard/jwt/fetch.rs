//! Reading a small JSON document by HTTPS: bounded in time and size, and never anywhere else than where it was told.

use super::config::WrongSource;
use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use klamm_tls::provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From looking up a name to the last byte.
const TIME_MAX: Duration = Duration::from_secs(5);
/// No document is larger, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// Reads documents.
pub(super) struct Fetcher {
    tls: TlsConnector,
}

impl Fetcher {
    /// Trusts those in `ca`, else those that the system trusts. Blocks while it reads them.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, WrongSource> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(path) => {
                let wrong = |reason: String| WrongSource::File { path: path.to_owned(), reason };
                let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
                let all: Vec<_> = all.map_err(|error| wrong(error.to_string()))?;
                let (added, _) = roots.add_parsable_certificates(all);
                if added == 0 {
                    return Err(wrong("there is no certificate in it".to_owned()));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let wrong = |reason: String| WrongSource::Fetch { at: "TLS".to_owned(), reason };
        let provider = provider().map_err(|missing| wrong(missing.to_string()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The body of the answer to GET. Redirects are not followed.
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn get(&self, url: &Uri) -> Result<Bytes, WrongSource> {
        trusted(url)?;
        let answer = tokio::time::timeout(TIME_MAX, self.exchange(url)).await;
        let answer = answer.unwrap_or_else(|_| Err("it takes longer than 5 s".to_owned()));
        answer.map_err(|reason| WrongSource::Fetch { at: url.to_string(), reason })
    }

    async fn exchange(&self, url: &Uri) -> Result<Bytes, String> {
        let text = |error: std::io::Error| error.to_string();
        let host = host(url);
        let secure = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(text)?;
        if !secure {
            return ask(stream, url).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        ask(self.tls.connect(name, stream).await.map_err(text)?, url).await
    }
}

/// Whether what comes from there may be believed.
pub(super) fn trusted(url: &Uri) -> Result<(), WrongSource> {
    let here = ["localhost", "127.0.0.1", "::1"].contains(&host(url));
    match url.scheme_str() {
        Some("https") if !host(url).is_empty() => Ok(()),
        Some("http") if here => Ok(()),
        _ => Err(WrongSource::Url(url.to_string())),
    }
}

fn host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

async fn ask<S>(stream: S, url: &Uri) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(text)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| error.to_string())
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may be over before what it brought is read.
        _ = &mut connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::trusted;

    #[test]
    fn open_lines_are_for_this_machine() {
        for good in [
            "https://id.example/keys",
            "http://localhost:1/",
            "http://127.0.0.1/x",
            "http://[::1]:8/",
        ] {
            assert!(trusted(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/keys",
            "ftp://localhost/",
            "/keys",
            "localhost:80",
            "http://localhost.example/",
        ] {
            assert!(trusted(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
