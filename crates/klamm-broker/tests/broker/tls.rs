//! TLS and certificates of clients, set up by Kafka's names, used by a client that is rustls and nothing of klamm's.

use crate::batch::{batch, records};
use crate::certificates::{Authority, Identity};
use crate::peer::{Peer, fetch, produce, start};
use klamm_broker::storage::FaultyStorage;
use klamm_broker::{Broker, Builder, ServerProperties};
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::create_acls_request::AclCreation;
use klamm_protocol::message::{ApiVersionsRequest, CreateAclsRequest, Request};
use klamm_protocol::primitives::Str;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Kafka's codes for what may not be done to a topic.
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// A broker that speaks TLS, with more settings.
async fn broker(ca: &Authority, more: &[(&str, &str)]) -> Broker {
    broker_of(Broker::builder(), ca, more).await
}

async fn broker_of(builder: Builder, ca: &Authority, more: &[(&str, &str)]) -> Broker {
    let server = ca.server();
    let mut properties = ServerProperties::new();
    let settings = [
        ("listeners", "SSL://127.0.0.1:0"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.certificate.chain", &server.certificate),
        ("ssl.keystore.key", &server.key),
        ("ssl.truststore.certificates", &ca.certificate),
    ];
    for (name, value) in settings.iter().chain(more) {
        properties.set(name, value).unwrap();
    }
    start(properties.apply(builder.topic("t", 1)).unwrap()).await
}

struct Client {
    stream: TlsStream<TcpStream>,
}

impl Client {
    /// Shakes hands. With TLS 1.3 a client learns only with the first answer that it was turned away.
    async fn connect(
        broker: &Broker,
        ca: &Authority,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        Self::connect_to(broker.address(), ca, identity, versions).await
    }

    async fn connect_to(
        address: SocketAddr,
        ca: &Authority,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(klamm_tls::provider().unwrap());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain =
                    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Self { stream })
    }

    async fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        let frame = encode_request(request, version, 1, "tls").unwrap();
        self.stream.write_all(&frame.parts().concat()).await?;
        self.stream.flush().await?;
        let len = self.stream.read_u32().await?;
        let mut frame = vec![0; len as usize];
        self.stream.read_exact(&mut frame).await?;
        Ok(decode_response::<R>(frame.into(), version).unwrap().1)
    }
}

/// Whether a client gets an answer to its first request.
async fn is_answered(
    broker: &Broker,
    ca: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> bool {
    match Client::connect(broker, ca, identity, versions).await {
        Ok(mut client) => client.call(0, &ApiVersionsRequest::default()).await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_unless_one_is_ruled_out() {
    let ca = Authority::new("authority");
    let open = broker(&ca, &[]).await;
    for version in BOTH {
        assert!(is_answered(&open, &ca, None, &[version]).await, "{version:?}");
    }
    let narrow = broker(&ca, &[("ssl.enabled.protocols", "TLSv1.3")]).await;
    assert!(is_answered(&narrow, &ca, None, &[&TLS13]).await);
    assert!(!is_answered(&narrow, &ca, None, &[&TLS12]).await);
    let other = Authority::new("another authority");
    assert!(!is_answered(&open, &other, None, BOTH).await, "the client does not trust it");
}

#[tokio::test]
async fn answers_that_are_read_while_they_are_written_pass_through_tls() {
    let ca = Authority::new("authority");
    // Not in memory, as far as the broker knows.
    let builder = Broker::builder().storage(Arc::new(FaultyStorage::new()));
    let broker = broker_of(builder, &ca, &[]).await;
    for version in BOTH {
        let mut client = Client::connect(&broker, &ca, None, &[version]).await.unwrap();
        let value = "klamm".repeat(170_000);
        client.call(9, &produce(0, batch(&[&value]), -1)).await.unwrap();
        let answer = client.call(11, &fetch(0, 0, 0)).await.unwrap();
        let read = answer.responses[0].partitions[0].records.as_ref().unwrap().to_bytes();
        assert!(records(read.to_vec()) == [(0, value)]);
    }
}

#[tokio::test]
async fn whoever_does_not_speak_tls_gets_nothing() {
    let ca = Authority::new("authority");
    let broker = broker(&ca, &[]).await;
    let mut plain = TcpStream::connect(broker.address()).await.unwrap();
    let frame = encode_request(&ApiVersionsRequest::default(), 0, 1, "plain").unwrap();
    plain.write_all(&frame.parts().concat()).await.unwrap();
    let mut answer = Vec::new();
    // The connection ends; TLS says why in an alert of a few bytes, or the system resets it.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.len() <= 7, "{answer:?}");
}

#[tokio::test]
async fn a_listener_of_tls_stands_beside_one_of_plain_text() {
    let ca = Authority::new("authority");
    let listeners = "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,MUTUAL://127.0.0.1:0";
    let protocols = "PLAINTEXT:PLAINTEXT,SSL:SSL,MUTUAL:SSL";
    let settings = [
        ("listeners", listeners),
        ("listener.security.protocol.map", protocols),
        ("listener.name.mutual.ssl.client.auth", "required"),
    ];
    let broker = broker(&ca, &settings).await;
    let mut plain = Peer::connect(broker.address()).await;
    assert_eq!(plain.produce(0, batch(&["x"])).await.error_code, 0);
    let identity = ca.client("a", "Org");
    for (name, identity, is_let_in) in
        [("SSL", None, true), ("MUTUAL", None, false), ("MUTUAL", Some(&identity), true)]
    {
        let address = broker.listener(name).unwrap().addresses[0];
        let answered = match Client::connect_to(address, &ca, identity, BOTH).await {
            Ok(mut client) => client.call(11, &fetch(0, 0, 0)).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(answered, is_let_in, "{name}");
    }
}

#[tokio::test]
async fn certificates_are_asked_for_as_the_setting_says() {
    let ca = Authority::new("authority");
    let (ours, theirs) = (ca.client("a", "Org"), Authority::new("others").client("a", "Org"));
    for (auth, without, foreign) in
        [("none", true, true), ("requested", true, false), ("required", false, false)]
    {
        let broker = broker(&ca, &[("ssl.client.auth", auth)]).await;
        assert!(is_answered(&broker, &ca, Some(&ours), BOTH).await, "{auth}");
        assert_eq!(is_answered(&broker, &ca, None, BOTH).await, without, "{auth}");
        assert_eq!(is_answered(&broker, &ca, Some(&theirs), BOTH).await, foreign, "{auth}");
    }
}

async fn allow(admin: &mut Client, principal: &str) {
    // Write to the topic t, from everywhere.
    let creation = AclCreation {
        resource_type: 2,
        resource_name: Str::from_static("t"),
        principal: Str::from(principal.to_owned()),
        host: Str::from_static("*"),
        operation: 4,
        permission_type: 3,
        ..AclCreation::default()
    };
    let created = admin.call(2, &CreateAclsRequest { creations: vec![creation] }).await.unwrap();
    assert_eq!(created.results[0].error_code, 0, "{created:?}");
}

async fn produced(client: &mut Client) -> i16 {
    let answer = client.call(9, &produce(0, batch(&["x"]), -1)).await.unwrap();
    answer.responses[0].partition_responses[0].error_code
}

#[tokio::test]
async fn a_certificate_is_a_user_and_has_the_users_rights() {
    let ca = Authority::new("authority");
    let broker = broker(
        &ca,
        &[
            ("ssl.client.auth", "required"),
            ("ssl.principal.mapping.rules", "RULE:^CN=(.*?),O=Acme$/$1/L,DEFAULT"),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:admin;User:CN=root,O=Other"),
        ],
    )
    .await;
    let connect = async |name, organization| {
        let identity = ca.client(name, organization);
        Client::connect(&broker, &ca, Some(&identity), BOTH).await.unwrap()
    };
    let mut writer = connect("Writer", "Acme").await;
    assert_eq!(produced(&mut writer).await, TOPIC_AUTHORIZATION_FAILED, "nothing is allowed yet");
    allow(&mut connect("admin", "Acme").await, "User:writer").await;
    assert_eq!(produced(&mut writer).await, 0);
    let answer = writer.call(11, &fetch(0, 0, 0)).await.unwrap();
    let refused = answer.responses[0].partitions[0].error_code;
    assert_eq!(refused, TOPIC_AUTHORIZATION_FAILED, "it may write, not read");
    // No rule fits: the whole subject is the user.
    assert_eq!(produced(&mut connect("writer", "Other").await).await, TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(produced(&mut connect("root", "Other").await).await, 0);
}
