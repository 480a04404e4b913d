//! A whole gateway, configured as its users do, in front of a Kafka that asks for TLS, certificates and passwords.

use crate::wire::Wire;
use klamm_broker::{Broker, ClientAuth, SaslSettings, TlsSettings};
use klamm_gateway::Gateway;
use klamm_gateway::config::GatewayConfig;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PASSWORD: &str = "a-password-nobody-may-see";

fn testdata(name: &str) -> PathBuf {
    let gateway = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/klamm-gateway");
    gateway.join("testdata/tls").join(name)
}

/// A broker that takes nobody without a certificate, a name and its password.
async fn broker() -> Broker {
    let tls = TlsSettings::from_files(&testdata("server.pem"), &testdata("server.key")).unwrap();
    let tls = tls.client_certificates_file(&testdata("ca.pem"), ClientAuth::Required).unwrap();
    let sasl = SaslSettings::new().user("gateway", PASSWORD).mechanisms(&["SCRAM-SHA-512"]);
    let broker = Broker::builder().topic("t", 1).tls(tls).sasl(sasl.unwrap());
    broker.start().await.unwrap()
}

/// A gateway whose data goes away with it.
struct Started {
    gateway: Gateway,
    data: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Started {
    /// With these certificates and this password.
    async fn new(name: &str, broker: &Broker, ca: &str, client: &str, password: &str) -> Self {
        let data = std::env::temp_dir().join(format!("klamm-{name}-{}", std::process::id()));
        let [ca, certificate, key] =
            [ca.to_owned(), format!("{client}.pem"), format!("{client}.key")]
                .map(|name| testdata(&name).display().to_string());
        let config = format!(
            r#"
            http.listen = "127.0.0.1:0"
            management.listen = "127.0.0.1:0"
            wal.data = {data:?}
            [kafka]
            bootstrap.servers = "{}"
            security.protocol = "SASL_SSL"
            sasl.mechanism = "SCRAM-SHA-512"
            sasl.username = "gateway"
            sasl.password = "{password}"
            ssl.truststore.location = "{ca}"
            ssl.certificate.location = "{certificate}"
            ssl.key.location = "{key}"
            "#,
            broker.bootstrap()
        );
        let config = GatewayConfig::from_toml(&config).unwrap();
        assert!(!format!("{config:?}").contains(PASSWORD));
        Self { gateway: Gateway::start(config).await.unwrap(), data }
    }

    async fn ask(&self, address: SocketAddr, request: &str) -> (u16, String) {
        let mut wire = Wire::connect(address).await;
        wire.send(request).await;
        let reply = wire.reply().await;
        (reply.status, reply.body)
    }

    async fn post(&self, headers: &str) -> u16 {
        let head = "POST /topics/t HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let request = format!("{head}{headers}content-length: 2\r\n\r\n{{}}");
        self.ask(self.gateway.address(), &request).await.0
    }

    async fn get(&self, address: SocketAddr, path: &str) -> Value {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let (status, body) = self.ask(address, &request).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What the gateway says of Kafka, once it says that something is wrong.
    async fn trouble(&self) -> String {
        let began = Instant::now();
        loop {
            let said = self.get(self.gateway.management().unwrap(), "/status.json").await;
            assert_eq!(said["kafka"]["connected"], false);
            if let Some(error) = said["kafka"]["errors"][0]["error"].as_str() {
                assert!(!error.contains(PASSWORD), "{error}");
                return error.to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "nothing is said: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_there_and_back() {
    let broker = broker().await;
    let started = Started::new("secure", &broker, "ca.pem", "client", PASSWORD).await;
    assert_eq!(started.post("prefer: wait=30\r\n").await, 200);
    let page = started.get(started.gateway.address(), "/topics/t/events?from=earliest").await;
    assert_eq!(page["records"][0]["value"], json!({}), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_refuses_is_said_and_records_wait() {
    let broker = broker().await;
    for (ca, client, password, said) in [
        ("ca.pem", "client", "another", "SCRAM"),
        ("other-ca.pem", "client", PASSWORD, "certificate"),
        ("ca.pem", "client-other", PASSWORD, "certificate"),
    ] {
        let started = Started::new("refused", &broker, ca, client, password).await;
        assert_eq!(started.post("").await, 202);
        let trouble = started.trouble().await;
        assert!(trouble.to_lowercase().contains(&said.to_lowercase()), "{said}: {trouble}");
    }
}
