//! Handshakes in memory, and files that change meanwhile.

use super::{Acceptor, CertificateName, ClientCertificates, TlsConfig, TlsError};
use klamm_tls::provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn config(required: Option<bool>, name: CertificateName) -> TlsConfig {
    let clients =
        required.map(|required| ClientCertificates { ca: testdata("ca.pem"), required, name });
    TlsConfig { certificate: testdata("server.pem"), key: testdata("server.key"), clients }
}

/// What a client with this certificate and the server see of each other: the server's certificate, the protocol, and the
/// client's name.
async fn shake(
    acceptor: &Acceptor,
    client: Option<&str>,
) -> std::io::Result<(Vec<u8>, Vec<u8>, Option<String>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(testdata("ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider().unwrap()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(stem) => {
            let chain = CertificateDer::from_pem_file(testdata(&format!("{stem}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(testdata(&format!("{stem}.key"))).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, near).await?;
        let protocol = stream.get_ref().1.alpn_protocol().unwrap().to_vec();
        let server = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        // In TLS 1.3 a client hears only now whether its certificate was good.
        stream.write_all(b"x").await?;
        stream.read_u8().await?;
        std::io::Result::Ok((server, protocol))
    };
    let accepting = async {
        let (mut stream, name) = acceptor.accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_all(&[byte]).await?;
        std::io::Result::Ok(name.map(|name| name.to_string()))
    };
    let both = async { tokio::try_join!(connecting, accepting) };
    let ((server, protocol), name) = both.await?;
    Ok((server, protocol, name))
}

#[tokio::test]
async fn without_client_certificates_nobody_has_a_name() {
    let acceptor = Acceptor::start(config(None, CertificateName::Subject)).unwrap();
    let (_, protocol, name) = shake(&acceptor, None).await.unwrap();
    assert_eq!((&protocol[..], name), (&b"h2"[..], None), "the server's order counts");
    assert_eq!(shake(&acceptor, Some("client")).await.unwrap().2, None);
}

#[tokio::test]
async fn a_client_has_the_name_in_its_certificate() {
    for required in [true, false] {
        let acceptor = Acceptor::start(config(Some(required), CertificateName::Uri)).unwrap();
        let name = shake(&acceptor, Some("client")).await.unwrap().2;
        assert_eq!(name.as_deref(), Some("spiffe://klamm.example/app"));
        for wrong in ["client-other", "client-expired", "client-unnamed"] {
            assert!(shake(&acceptor, Some(wrong)).await.is_err(), "{wrong}");
        }
        let without = shake(&acceptor, None).await;
        assert_eq!(without.is_ok(), !required);
    }
}

#[test]
fn files_that_are_wrong_are_told() {
    let good = config(Some(true), CertificateName::Subject);
    let start = |config: TlsConfig| Acceptor::start(config).map(|_| ()).unwrap_err();
    let told = |error: TlsError, path: PathBuf| {
        assert!(matches!(&error, TlsError::File { path: told, .. } if *told == path), "{error}");
    };
    let (none, key) = (testdata("none"), testdata("server.key"));
    told(start(TlsConfig { certificate: none.clone(), ..good.clone() }), none.clone());
    told(start(TlsConfig { certificate: key.clone(), ..good.clone() }), key);
    let certificate = testdata("server.pem");
    told(start(TlsConfig { key: certificate.clone(), ..good.clone() }), certificate);
    let clients = ClientCertificates { ca: none.clone(), ..good.clients.clone().unwrap() };
    told(start(TlsConfig { clients: Some(clients), ..good.clone() }), none);
    let other = start(TlsConfig { key: testdata("server2.key"), ..good });
    assert!(matches!(other, TlsError::Rejected(_)), "{other}");
}

#[tokio::test(start_paused = true)]
async fn a_new_pair_is_taken_when_both_files_are_there() {
    let directory = std::env::temp_dir().join(format!("klamm-tls-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
    let copy = |from: &str, to: &PathBuf| _ = std::fs::copy(testdata(from), to).unwrap();
    copy("server.pem", &certificate);
    copy("server.key", &key);
    let config = TlsConfig { certificate: certificate.clone(), key: key.clone(), clients: None };
    let acceptor = Acceptor::start(config).unwrap();
    let first = shake(&acceptor, None).await.unwrap().0;

    copy("server2.pem", &certificate);
    wait_until(|| acceptor.stale().is_some()).await;
    assert!(matches!(acceptor.stale(), Some(TlsError::Rejected(_))));
    assert_eq!(shake(&acceptor, None).await.unwrap().0, first, "half a pair changes nothing");

    copy("server2.key", &key);
    wait_until(|| acceptor.stale().is_none()).await;
    assert_ne!(shake(&acceptor, None).await.unwrap().0, first);

    std::fs::remove_dir_all(&directory).unwrap();
    wait_until(|| acceptor.stale().is_some()).await;
    assert!(shake(&acceptor, None).await.is_ok(), "what is gone from the disk still counts");
}

/// Time stands still but for those who wait, so that this takes none.
async fn wait_until(reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), waiting).await.unwrap();
}
