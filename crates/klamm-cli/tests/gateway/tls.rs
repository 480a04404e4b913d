//! HTTPS: the gateway's certificate, those of clients, and files that change while it runs.

use crate::stage::{Answer, Dir, Serving, ask, output};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOWHERE: [&str; 2] = ["-b", "127.0.0.1:1"];

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../klamm-gateway/testdata/tls").join(name)
}

/// A section with this certificate and key.
fn section(stem: &str) -> String {
    let (certificate, key) = (testdata(&format!("{stem}.pem")), testdata(&format!("{stem}.key")));
    format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")
}

/// A gateway with this file before a Kafka that is not there.
fn gateway(dir: &Dir, text: &str) -> Serving {
    let config = dir.file("gateway.toml", text);
    Serving::gateway(&dir.path("log"), &[&NOWHERE[..], &["--config", &config]].concat())
}

/// What a client with this certificate is answered, and the certificate it sees; none if there is no handshake.
fn post(gateway: &Serving, path: &str, client: Option<&str>) -> Option<(Answer, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(testdata("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls_graviola::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder =
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(stem) => {
            let chain = CertificateDer::from_pem_file(testdata(&format!("{stem}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(testdata(&format!("{stem}.key"))).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = gateway.connect();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).ok()?;
    }
    // In TLS 1.3 a client hears only after its handshake that its certificate was refused.
    let mut stream = StreamOwned::new(connection, socket);
    let headers = ["Content-Type: application/json"];
    let answer = ask(&mut stream, &format!("POST {path}"), &headers, b"1").ok()?;
    let server = stream.conn.peer_certificates()?.first()?.to_vec();
    Some((answer, server))
}

fn status(gateway: &Serving, path: &str, client: Option<&str>) -> Option<u16> {
    post(gateway, path, client).map(|(answer, _)| answer.status)
}

#[test]
fn requests_come_in_over_tls_and_no_other_way() {
    let dir = Dir::new();
    let gateway = gateway(&dir, &section("server"));
    assert_eq!(status(&gateway, "/topics/orders", None), Some(202));
    let plain = ask(&mut gateway.connect(), "POST /topics/orders", &[], b"1");
    assert!(plain.is_err() || plain.is_ok_and(|answer| answer.status == 400));
}

#[test]
fn a_certificate_of_a_client_says_who_sends() {
    let dir = Dir::new();
    let clients = |more: &str| {
        let ca = testdata("ca.pem");
        let tls = format!("{}client_ca = {ca:?}\n{more}", section("server"));
        let account = "[[account]]\nname = \"app\"\nproduce = [\"orders\"]\n";
        format!("[auth]\nothers = []\n{tls}{account}certificate = \"spiffe://klamm.example/app\"\n")
    };
    let required = gateway(&dir, &clients("client_name = \"uri\"\n"));
    assert_eq!(status(&required, "/topics/orders", Some("client")), Some(202));
    assert_eq!(status(&required, "/topics/others", Some("client")), Some(403));
    for refused in [None, Some("client-other"), Some("client-expired"), Some("client-unnamed")] {
        assert_eq!(status(&required, "/topics/orders", refused), None, "{refused:?}");
    }
    drop(required);
    let dir = Dir::new();
    let more = "client_name = \"uri\"\nclient_certificate = \"optional\"\n";
    let optional = gateway(&dir, &clients(more));
    assert_eq!(status(&optional, "/topics/orders", Some("client")), Some(202));
    assert_eq!(status(&optional, "/topics/orders", None), Some(401));
}

#[test]
fn a_new_certificate_is_served_after_a_hang_up() {
    let dir = Dir::new();
    let (certificate, key) = (dir.path("tls.crt"), dir.path("tls.key"));
    let copy = |stem: &str| {
        std::fs::copy(testdata(&format!("{stem}.pem")), &certificate).unwrap();
        std::fs::copy(testdata(&format!("{stem}.key")), &key).unwrap();
    };
    copy("server");
    let gateway =
        gateway(&dir, &format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"));
    let (_, first) = post(&gateway, "/topics/orders", None).unwrap();
    copy("server2");
    gateway.signal("HUP");
    let began = Instant::now();
    while post(&gateway, "/topics/orders", None).unwrap().1 == first {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the old certificate is served for ever"
        );
    }
    let (end, told) = gateway.terminate();
    assert_eq!(end, Some(0), "{told}");
}

#[test]
fn what_is_wrong_with_certificates_is_told_at_the_start() {
    let dir = Dir::new();
    let (good, other) = (section("server"), testdata("server2.key"));
    for (text, says) in [
        (
            "[tls]\ncertificate = \"a\"\n".to_owned(),
            "line 1, column 2: tls: certificate and key belong",
        ),
        (format!("{good}client_name = \"dns\"\n"), "certificates of clients need a client_ca"),
        (format!("{good}client_ca = \"/no/such/ca\"\n"), "tls: /no/such/ca: "),
        (good.replace("server.key", "server2.key"), "do not fit together"),
        (good.replace("server.key", "server.pem"), "server.pem: "),
    ] {
        let config = dir.file("gateway.toml", &text);
        let log = dir.path("log");
        let args = Serving::gateway_args(&log, &[&NOWHERE[..], &["--config", &config]].concat());
        let refused = output(&args);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(says), "{says}: {told}");
        let key = std::fs::read_to_string(&other).unwrap();
        assert!(!told.contains(key.lines().nth(1).unwrap()), "{told}");
    }
}
