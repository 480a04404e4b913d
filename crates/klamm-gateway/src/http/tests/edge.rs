//! What stands before a request is read: TLS, who asks, and pages of other origins.

use super::stage::{JSON, Stage, post};
use crate::cors::{Cors, CorsConfig, Handshake, Origins};
use crate::http::{Limits, Service};
use crate::tls::{Acceptor, TlsConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn tls() -> Acceptor {
    let (certificate, key) = (testdata("server.pem"), testdata("server.key"));
    Acceptor::start(TlsConfig { certificate, key, clients: None }).unwrap()
}

#[tokio::test]
async fn a_request_over_tls_is_taken() {
    let stage = Stage::made(|service| Service { tls: Some(tls()), ..service }).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(testdata("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(klamm_tls::provider().unwrap());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = post("/topics/a", &format!("{JSON}connection: close\r\n"), "1");
    stream.write_all(&request).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 202"), "{reply}");
}

#[tokio::test]
async fn a_handshake_that_is_none_or_slow_is_ended() {
    let limits = Limits { handshake_timeout: Duration::from_millis(30), ..Limits::default() };
    let stage = Stage::made(|service| Service { tls: Some(tls()), limits, ..service }).await;
    let mut silent = stage.connect().await;
    assert_eq!(silent.rest().await, "");
    let mut plain = stage.connect().await;
    plain.send(post("/topics/a", JSON, "1")).await;
    assert!(!plain.rest().await.contains("HTTP/1.1 202"));
    assert_eq!(stage.refusals("handshake"), 2);
    assert_eq!(stage.wal.state().next, 0);
}

/// A stage where one page and one sender may send to the usual paths.
async fn asking() -> Stage {
    let origins = |name: &str| Origins::parse(&[name]).unwrap();
    let page = CorsConfig { origins: origins("https://page.example"), ..CorsConfig::default() };
    let handshake = Handshake { origins: origins("events.example.com"), rate: None };
    Stage::made(|mut service| {
        let name = service.routes.rules().next().unwrap().name.clone();
        service.asking.cors.insert(name.clone(), Cors::new(page).unwrap());
        service.asking.handshakes.insert(name, handshake);
        service
    })
    .await
}

fn options(headers: &str) -> String {
    format!("OPTIONS /topics/a HTTP/1.1\r\nhost: x\r\n{headers}\r\n")
}

#[tokio::test]
async fn pages_are_told_whether_they_may() {
    let stage = asking().await;
    let wanted = "access-control-request-method: POST\r\n";
    let reply = stage.ask(options(&format!("origin: https://page.example\r\n{wanted}"))).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://page.example"));
    let reply = stage.ask(options(&format!("origin: https://other.example\r\n{wanted}"))).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None));
    for (origin, allowed) in [("page", Some("https://page.example")), ("other", None)] {
        let headers = format!("{JSON}origin: https://{origin}.example\r\n");
        for (body, status) in [("1", 202), ("{", 400)] {
            let reply = stage.ask(post("/topics/a", &headers, body)).await;
            let told = reply.header("access-control-allow-origin");
            assert_eq!(
                (reply.status, told, reply.header("vary")),
                (status, allowed, Some("origin"))
            );
        }
    }
}

#[tokio::test]
async fn senders_of_events_are_told_whether_they_may() {
    let stage = asking().await;
    let reply = stage.ask(options("webhook-request-origin: events.example.com\r\n")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("webhook-allowed-origin"), Some("events.example.com"));
    let reply = stage.ask(options("webhook-request-origin: events.example.org\r\n")).await;
    assert_eq!(reply.status, 403);
    assert_eq!(stage.ask(options("")).await.status, 405);
    assert_eq!(stage.wal.state().next, 0);
}
