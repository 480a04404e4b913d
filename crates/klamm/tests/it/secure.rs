//! The auth matrix: every way to prove who we are, and every way for that to fail, on a real Kafka.
//!
//! Each failure is held to its kind, to its words, to the time it takes, and to showing no secret.

use crate::facts::{fact, file};
use crate::logs;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use klamm::admin::NewTopic;
use klamm::config::Identity;
use klamm::{
    Client, ClientConfig, ClientCredentials, ClientError, ConnectStage, Delivered, ErrorKind,
    ProducerConfig, Record, SaslConfig, SendError, TlsConfig, TlsRoots, Token, TokenError,
    TokenProvider,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// In every wrong secret, and nowhere that may be seen.
const CANARY: &str = "c4n4ry";
/// The users' right passwords end so.
const SECRETS: [&str; 3] = [CANARY, "alice-secret", "bob-secret"];
/// A refusal takes no longer, however busy the machine is.
const AT_ONCE: Duration = Duration::from_secs(8);
const BOUND: Duration = Duration::from_secs(60);

/// The future, but not forever.
async fn bounded<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(BOUND, step).await.expect("an end within a minute")
}

/// Connects, makes a topic and sends a record to it.
async fn works(config: ClientConfig) {
    logs::collect();
    let client = bounded(Client::connect(config)).await.unwrap_or_else(|e| panic!("{e}"));
    let delivered = bounded(send(&client, "klamm-secure")).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(delivered.offset().is_some());
    bounded(client.close()).await;
    nothing_leaked("");
}

async fn send(client: &Client, topic: &str) -> Result<Delivered, SendError> {
    // An error is fine where it is there already or may not be touched: the send tells.
    let _ = client.admin().create_topics(vec![NewTopic::new(topic).partitions(1)], false).await;
    let producer = client.producer(ProducerConfig::default()).unwrap();
    let sent = producer.send(Record::to(topic).value("x")).await;
    producer.close(BOUND).await;
    sent
}

/// Fails to connect at this stage, with this kind, with these words, at once, and shows nothing.
async fn fails(config: ClientConfig, stage: ConnectStage, kind: ErrorKind, words: &str) {
    logs::collect();
    nothing_leaked(&format!("{config:?}"));
    let began = Instant::now();
    let error = match bounded(Client::connect(config)).await {
        Ok(_) => panic!("a connection came to be where {words:?} was due"),
        Err(error) => error,
    };
    let took = began.elapsed();
    assert!(took < AT_ONCE, "{error} took {took:?}");
    nothing_leaked(&format!("{error} {error:?}"));
    match &error {
        ClientError::Connect(e) => assert_eq!((e.stage(), e.kind()), (stage, kind), "{error}"),
        other => panic!("{other}"),
    }
    assert!(error.to_string().contains(words), "{error}, not {words:?}");
}

fn nothing_leaked(text: &str) {
    let logged = logs::so_far();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "logged");
    }
}

fn trusting(ca: &str) -> TlsConfig {
    TlsConfig::default().roots(TlsRoots::Pem(ca.to_owned()))
}

/// The three ways of a user with a password.
fn by_password(user: &str, password: &str) -> [SaslConfig; 3] {
    [
        SaslConfig::plain(user, password),
        SaslConfig::scram_sha_256(user, password),
        SaslConfig::scram_sha_512(user, password),
    ]
}

#[tokio::test]
async fn tls_works_by_address_and_by_name() {
    let test = "tls_works_by_address_and_by_name";
    let (Some(ssl), Some(ca)) = (fact(test, "ssl"), file(test, "ca")) else { return };
    works(ClientConfig::new(&ssl).tls(trusting(&ca))).await;
    let by_name = ssl.replace("127.0.0.1", "localhost");
    works(ClientConfig::new(by_name).tls(trusting(&ca))).await;
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_by_name() {
    let test = "certificates_that_prove_nothing_are_refused_by_name";
    let (Some(ssl), Some(ca)) = (fact(test, "ssl"), file(test, "ca")) else { return };
    let (Some(expired), Some(wrong)) = (fact(test, "expired"), fact(test, "wrong_name")) else {
        return;
    };
    let Some(other_ca) = file(test, "other_ca") else { return };
    let refused = [
        (&expired, trusting(&ca), "has expired"),
        (&wrong, trusting(&ca), "is not for 127.0.0.1"),
        (&ssl, trusting(&other_ca), "not trusted here"),
        (&ssl, TlsConfig::default().roots(TlsRoots::Bundled), "not trusted here"),
    ];
    for (address, tls, words) in refused {
        let config = ClientConfig::new(address).tls(tls);
        fails(config, ConnectStage::Tls, ErrorKind::Unauthorized, words).await;
    }
    // The switch that turns this off says what it is.
    for address in [expired, wrong] {
        let careless = TlsConfig::default().danger_accept_any_certificate(true);
        works(ClientConfig::new(address).tls(careless)).await;
    }
}

#[tokio::test]
async fn client_certificate_is_shown_and_missed() {
    let test = "client_certificate_is_shown_and_missed";
    let (Some(mtls), Some(ca)) = (fact(test, "mtls"), file(test, "ca")) else { return };
    let Some(dir) = fact(test, "tls_dir") else { return };
    let read = |name: &str| std::fs::read_to_string(format!("{dir}/{name}")).unwrap();
    let identity =
        |name: &str| Identity::from_pem(read(&format!("{name}.pem")), read(&format!("{name}.key")));
    works(ClientConfig::new(&mtls).tls(trusting(&ca).identity(identity("client")))).await;
    let without = ClientConfig::new(&mtls).tls(trusting(&ca));
    let stage = ConnectStage::ApiVersions;
    fails(without, stage, ErrorKind::Unauthorized, "client certificate").await;
    for name in ["other-client", "expired-client"] {
        let config = ClientConfig::new(&mtls).tls(trusting(&ca).identity(identity(name)));
        fails(config, stage, ErrorKind::Unauthorized, "client certificate").await;
    }
}

#[tokio::test]
async fn passwords_work_by_every_mechanism_with_and_without_tls() {
    let test = "passwords_work_by_every_mechanism_with_and_without_tls";
    let (Some(plain), Some(tls)) = (fact(test, "sasl_plaintext"), fact(test, "sasl_ssl")) else {
        return;
    };
    let Some(ca) = file(test, "ca") else { return };
    for sasl in by_password("alice", "alice-secret") {
        works(ClientConfig::new(&plain).sasl(sasl.clone())).await;
        works(ClientConfig::new(&tls).tls(trusting(&ca)).sasl(sasl)).await;
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_are_refused_at_once() {
    let test = "wrong_passwords_and_unknown_users_are_refused_at_once";
    let (Some(plain), Some(tls)) = (fact(test, "sasl_plaintext"), fact(test, "sasl_ssl")) else {
        return;
    };
    let Some(ca) = file(test, "ca") else { return };
    for user in ["alice", "nobody"] {
        for sasl in by_password(user, CANARY) {
            let stage = ConnectStage::Sasl;
            let words = "refused";
            let config = ClientConfig::new(&plain).sasl(sasl.clone());
            fails(config, stage, ErrorKind::Unauthorized, words).await;
            let config = ClientConfig::new(&tls).tls(trusting(&ca)).sasl(sasl);
            fails(config, stage, ErrorKind::Unauthorized, words).await;
        }
    }
}

/// What Kafka's validator for tests takes: a signed-by-nobody token of this subject.
fn unsecured_token(subject: &str, lifetime_seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let (issued, expires) = (now - 60, now + lifetime_seconds);
    let claims = format!(r#"{{"sub":"{subject}","iat":{issued},"exp":{expires}}}"#);
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}

/// Gives out what it is told to.
#[derive(Debug)]
struct Fixed(Result<Token, TokenError>);

impl TokenProvider for Fixed {
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + '_>> {
        Box::pin(async { self.0.clone() })
    }
}

fn bearer(token: Result<Token, TokenError>) -> SaslConfig {
    SaslConfig::oauthbearer(Arc::new(Fixed(token)))
}

#[tokio::test]
async fn bearer_tokens_work_and_are_refused_when_they_have_run_out() {
    let test = "bearer_tokens_work_and_are_refused_when_they_have_run_out";
    let Some(address) = fact(test, "sasl_plaintext") else { return };
    let sasl = bearer(Ok(Token::new(unsecured_token("alice", 3600))));
    works(ClientConfig::new(&address).sasl(sasl)).await;
    let stage = ConnectStage::Sasl;
    let cases = [
        (Ok(Token::new(unsecured_token("alice", -30))), ErrorKind::Unauthorized, "refused"),
        (Ok(Token::new(CANARY)), ErrorKind::Unauthorized, "refused"),
        (Err(TokenError::unavailable("issuer down")), ErrorKind::Retriable, "issuer down"),
        (Err(TokenError::refused("who are you")), ErrorKind::Unauthorized, "who are you"),
    ];
    for (token, kind, words) in cases {
        let config = ClientConfig::new(&address).sasl(bearer(token));
        fails(config, stage, kind, words).await;
    }
}

/// Answers one request for a token.
async fn issue(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = vec![0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    let token = unsecured_token("alice", 3600);
    let body = format!(r#"{{"access_token":"{token}","expires_in":3600}}"#);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn client_credentials_of_a_token_endpoint_work() {
    let test = "client_credentials_of_a_token_endpoint_work";
    let Some(address) = fact(test, "sasl_plaintext") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let issuing = tokio::spawn(async move { issue(listener.accept().await.unwrap().0).await });
    let credentials = ClientCredentials::new(&endpoint, "me", CANARY).unwrap();
    let sasl = SaslConfig::oauthbearer(Arc::new(credentials));
    works(ClientConfig::new(&address).sasl(sasl)).await;
    bounded(issuing).await.unwrap();
}

#[tokio::test]
async fn token_endpoint_must_prove_who_it_is() {
    let test = "token_endpoint_must_prove_who_it_is";
    let Some(address) = fact(test, "sasl_plaintext") else { return };
    let (Some(ca), Some(other_ca)) = (file(test, "ca"), file(test, "other_ca")) else { return };
    let Some(dir) = fact(test, "tls_dir") else { return };
    let chain = CertificateDer::pem_file_iter(format!("{dir}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{dir}/server.key")).unwrap();
    let provider = Arc::new(klamm_tls::provider().unwrap());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://localhost:{}/token", listener.local_addr().unwrap().port());
    let issuing = tokio::spawn(async move {
        let refused = acceptor.accept(listener.accept().await.unwrap().0).await;
        assert!(refused.is_err(), "a client that does not trust us goes on");
        issue(acceptor.accept(listener.accept().await.unwrap().0).await.unwrap()).await;
    });
    let sasl = |ca: &str| {
        let credentials = ClientCredentials::new(&endpoint, "me", CANARY).unwrap();
        SaslConfig::oauthbearer(Arc::new(credentials.tls(trusting(ca))))
    };
    let config = ClientConfig::new(&address).sasl(sasl(&other_ca));
    fails(config, ConnectStage::Sasl, ErrorKind::Unauthorized, "token endpoint").await;
    works(ClientConfig::new(&address).sasl(sasl(&ca))).await;
    bounded(issuing).await.unwrap();
}

#[tokio::test]
async fn security_that_one_side_does_not_expect_is_recognised() {
    let test = "security_that_one_side_does_not_expect_is_recognised";
    let (Some(plain), Some(ssl)) = (fact(test, "bootstrap"), fact(test, "ssl")) else { return };
    let (Some(sasl), Some(ca)) = (fact(test, "sasl_plaintext"), file(test, "ca")) else { return };
    let password = || SaslConfig::plain("alice", CANARY);
    // Plain to TLS, TLS to plain.
    let stage = ConnectStage::ApiVersions;
    fails(ClientConfig::new(&ssl), stage, ErrorKind::Misuse, "wants TLS").await;
    let config = ClientConfig::new(&plain).tls(trusting(&ca));
    fails(config, ConnectStage::Tls, ErrorKind::Retriable, "does this port speak TLS").await;
    // Nobody in particular where a name is wanted, and a name where none is.
    let config = ClientConfig::new(&sasl);
    fails(config, ConnectStage::Metadata, ErrorKind::Retriable, "wants SASL").await;
    let config = ClientConfig::new(&plain).sasl(password());
    fails(config, ConnectStage::Sasl, ErrorKind::Misuse, "ILLEGAL_SASL_STATE").await;
}

#[tokio::test]
async fn session_is_renewed_while_records_flow() {
    let test = "session_is_renewed_while_records_flow";
    let Some(address) = fact(test, "reauth") else { return };
    logs::collect();
    for sasl in [
        SaslConfig::plain("alice", "alice-secret"),
        SaslConfig::scram_sha_512("alice", "alice-secret"),
        bearer(Ok(Token::new(unsecured_token("alice", 3600)))),
    ] {
        let renewals = || logs::so_far().matches("authenticated again").count();
        let before = renewals();
        let client = bounded(Client::connect(ClientConfig::new(&address).sasl(sasl))).await;
        let client = client.unwrap_or_else(|e| panic!("{e}"));
        bounded(send(&client, "klamm-reauth")).await.unwrap_or_else(|e| panic!("{e}"));
        let producer = client.producer(ProducerConfig::default()).unwrap();
        let began = Instant::now();
        let mut last = None;
        // More than two sessions of three seconds.
        while began.elapsed() < Duration::from_secs(7) {
            let sent = bounded(producer.send(Record::to("klamm-reauth").value("x"))).await;
            let offset = sent.unwrap_or_else(|e| panic!("{e}")).offset();
            assert!(offset > last, "{offset:?} after {last:?}");
            last = offset;
        }
        producer.close(BOUND).await;
        bounded(client.close()).await;
        assert!(renewals() >= before + 2, "{} renewals", renewals() - before);
    }
    nothing_leaked("");
}

#[tokio::test]
async fn forbidden_topic_is_refused_to_one_and_open_to_the_other() {
    let test = "forbidden_topic_is_refused_to_one_and_open_to_the_other";
    let Some(address) = fact(test, "sasl_plaintext") else { return };
    let Some(prefix) = fact(test, "forbidden_prefix") else { return };
    let topic = format!("{prefix}-topic");
    let user = |name: &str| {
        let sasl = SaslConfig::plain(name, format!("{name}-secret"));
        Client::connect(ClientConfig::new(&address).sasl(sasl))
    };
    let alice = bounded(user("alice")).await.unwrap_or_else(|e| panic!("{e}"));
    bounded(send(&alice, &topic)).await.unwrap_or_else(|e| panic!("{e}"));
    let bob = bounded(user("bob")).await.unwrap_or_else(|e| panic!("{e}"));
    let began = Instant::now();
    let error = bounded(send(&bob, &topic)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(error.to_string().contains("TOPIC_AUTHORIZATION_FAILED"), "{error}");
    nothing_leaked(&format!("{error:?}"));
}
