//! Tokens that another program signed, and an issuer that publishes keys, changes them, and goes away.

use super::Algorithm;
use super::config::{KeySource, TokenConfig, WrongSource};
use super::jwks::KeySet;
use super::keys::{Keys, NotProven, Pace};
use super::token::{Bad, Good, check};
use crate::guard::principal::{Accounts, Allowance};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEYS: &str = include_str!("../../../testdata/jwt/keys.json");
const ROTATED: &str = include_str!("../../../testdata/jwt/rotated.json");
const TOKENS: &str = include_str!("../../../testdata/jwt/tokens.txt");
const NOW: i64 = 1_800_000_000;

/// Name and text of all tokens that are good, or that are not.
fn tokens(kind: &str) -> Vec<(&'static str, &'static str)> {
    let words = TOKENS.lines().map(|line| line.splitn(3, ' ').collect::<Vec<_>>());
    words.filter(|words| words[0] == kind).map(|words| (words[1], words[2])).collect()
}

fn token(name: &str) -> &'static str {
    let all = tokens("good").into_iter().chain(tokens("bad"));
    all.into_iter().find(|(other, _)| *other == name).unwrap().1
}

fn config(keys: KeySource) -> TokenConfig {
    TokenConfig::new("https://id.example", "klamm", keys)
}

fn nowhere() -> TokenConfig {
    config(KeySource::OpenId { ca: None })
}

fn set(json: &str) -> KeySet {
    KeySet::parse(json.as_bytes()).unwrap()
}

#[test]
fn good_tokens_name_who_shows_them() {
    for (name, text) in tokens("good") {
        let keys = set(if name == "late" { ROTATED } else { KEYS });
        // The one that begins later is asked later.
        let now = if name == "begins-2000000000" { 2_000_000_000 } else { NOW };
        let good = check(&nowhere(), &keys, text, now).map(|good| good.name);
        assert_eq!(good.as_deref(), Ok("app"), "{name}");
    }
    assert_eq!(tokens("good").len(), 16);
}

#[test]
fn bad_tokens_are_refused() {
    for (name, text) in tokens("bad") {
        let bad = check(&nowhere(), &set(KEYS), text, NOW).unwrap_err();
        let unknown = ["kid-unknown", "key-for-encryption"].contains(&name);
        assert_eq!(bad == Bad::UnknownKey, unknown, "{name} {bad:?}");
    }
    assert_eq!(tokens("bad").len(), 37);
    assert_eq!(check(&nowhere(), &set(KEYS), token("late"), NOW), Err(Bad::UnknownKey));
    assert!(check(&nowhere(), &KeySet::default(), token("no-kid"), NOW).is_err());
}

#[test]
fn time_has_a_leeway_at_both_ends() {
    let (ends, begins) = (token("ends-2000000000"), token("begins-2000000000"));
    let end = 2_000_000_000;
    for (text, now, good) in [
        (ends, end + 59, true),
        (ends, end + 60, false),
        (begins, end - 60, true),
        (begins, end - 61, false),
    ] {
        assert_eq!(check(&nowhere(), &set(KEYS), text, now).is_ok(), good, "{now}");
    }
    let good = check(&nowhere(), &set(KEYS), ends, NOW);
    assert_eq!(good, Ok(Good { name: "app".to_owned(), until: end + 60, topics: None }));
    let exact = TokenConfig { leeway: Duration::ZERO, ..nowhere() };
    assert!(check(&exact, &set(KEYS), ends, end).is_err());
}

#[test]
fn what_is_asked_can_be_narrowed() {
    let only = TokenConfig { algorithms: vec![Algorithm::Es256], ..nowhere() };
    for (name, good) in [("ES256", true), ("no-kid", true), ("RS256", false), ("EdDSA", false)] {
        assert_eq!(check(&only, &set(KEYS), token(name), NOW).is_ok(), good, "{name}");
    }
    let email = TokenConfig { name_claim: "email".to_owned(), ..nowhere() };
    let good = check(&email, &set(KEYS), token("EdDSA"), NOW).unwrap();
    assert_eq!(good.name, "app@klamm.example");
    let audiences = vec!["x".to_owned(), "other".to_owned()];
    let other = TokenConfig { audiences, ..nowhere() };
    assert!(check(&other, &set(KEYS), token("EdDSA"), NOW).is_ok());
    assert!(check(&other, &set(KEYS), token("aud-text"), NOW).is_err());
    let none = TokenConfig { audiences: Vec::new(), ..nowhere() };
    assert!(check(&none, &set(KEYS), token("EdDSA"), NOW).is_err());
}

#[test]
fn a_token_can_say_which_topics_it_is_good_for() {
    let listed = |claim: &str, name: &str| {
        let config = TokenConfig { topics_claim: Some(claim.to_owned()), ..nowhere() };
        check(&config, &set(KEYS), token(name), NOW)
    };
    let topics = |names: &[&str]| Some(crate::guard::Topics::parse(names).unwrap());
    assert_eq!(listed("aud", "aud-text").unwrap().topics, topics(&["klamm"]));
    assert_eq!(listed("aud", "EdDSA").unwrap().topics, topics(&["other", "klamm"]));
    assert_eq!(listed("none", "EdDSA").unwrap().topics, topics(&[]));
    assert!(
        matches!(listed("exp", "EdDSA"), Err(Bad::Reason(reason)) if reason.contains("topics"))
    );
}

#[test]
fn hostile_forms_are_refused() {
    let good = token("EdDSA");
    let keys = set(KEYS);
    let dots = ".".repeat(16_000);
    let huge = "A".repeat(1 << 20);
    let parts: Vec<&str> = good.split('.').collect();
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        dots,
        huge.clone(),
        format!("{huge}.{huge}.{huge}"),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!(" {good}"),
        format!("{good}="),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        good.replace('.', "%2e"),
    ];
    for case in cases {
        let shown = &case[..case.len().min(40)];
        assert!(check(&nowhere(), &keys, &case, NOW).is_err(), "{shown}");
    }
}

proptest! {
    #[test]
    fn every_character_counts(at in 0_usize..400, to in "[A-Za-z0-9_.-]") {
        for name in ["EdDSA", "ES256"] {
            let good = token(name);
            let at = at % good.len();
            let changed = format!("{}{to}{}", &good[..at], &good[at + 1..]);
            let checked = check(&nowhere(), &set(KEYS), &changed, NOW);
            prop_assert_eq!(checked.is_ok(), changed == good, "{}", changed);
        }
    }
}

/// An issuer on this machine: what it publishes, and how often it was asked.
struct Issuer {
    url: String,
    document: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    serving: tokio::task::AbortHandle,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Issuer {
    async fn start(document: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let document = Arc::new(Mutex::new(document.replace("ISSUER", &url)));
        let asked = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn(Self::serve(listener, document.clone(), asked.clone()));
        Self { url, document, asked, serving: serving.abort_handle() }
    }

    async fn serve(listener: TcpListener, document: Arc<Mutex<String>>, asked: Arc<AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let line = String::from_utf8_lossy(&request).lines().next().unwrap().to_owned();
            let current = document.lock().clone();
            let (status, body) = match &*line {
                "GET /keys?v=1 HTTP/1.1" => {
                    asked.fetch_add(1, Ordering::SeqCst);
                    ("200 OK", current)
                }
                "GET /.well-known/openid-configuration HTTP/1.1" => ("200 OK", current),
                "GET /jwks HTTP/1.1" => ("200 OK", KEYS.to_owned()),
                "GET /moved HTTP/1.1" => ("302 Found\r\nlocation: /jwks", String::new()),
                _ => ("404 Not Found", String::new()),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    fn source(&self, path: &str) -> KeySource {
        KeySource::Url { url: format!("{}{path}", self.url).parse().unwrap(), ca: None }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const RESTLESS: Pace = Pace { every: HOUR, again: HOUR, rest: Duration::ZERO };
const LAZY: Pace = Pace { every: HOUR, again: HOUR, rest: HOUR };

async fn prove(keys: &Keys, token: &str) -> Result<String, NotProven> {
    let accounts = Accounts::new([], Allowance::default());
    let who = keys.prove(token, &accounts, NOW, 0).await;
    who.map(|who| who.name().to_string())
}

#[tokio::test]
async fn keys_are_read_before_the_first_token_and_again_for_a_new_one() {
    let issuer = Issuer::start(KEYS).await;
    let keys = Keys::start_at(config(issuer.source("/keys?v=1")), RESTLESS).unwrap();
    assert_eq!(prove(&keys, token("EdDSA")).await.as_deref(), Ok("app"));
    assert_eq!(prove(&keys, token("EdDSA")).await.as_deref(), Ok("app"));
    let before = issuer.asked();
    assert_eq!(before, 1);
    *issuer.document.lock() = ROTATED.to_owned();
    keys.rested().await;
    assert_eq!(prove(&keys, token("late")).await.as_deref(), Ok("app"));
    assert!(issuer.asked() > before);
    let gone = prove(&keys, token("EdDSA")).await;
    assert!(matches!(gone, Err(NotProven::Bad(_))), "what a key proved is over with the key");
    assert_eq!(keys.stale(), None);
}

#[tokio::test]
async fn invented_keys_do_not_become_requests() {
    let issuer = Issuer::start(KEYS).await;
    let keys = Keys::start_at(config(issuer.source("/keys?v=1")), LAZY).unwrap();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let keys = keys.clone();
        all.spawn(async move { prove(&keys, token("kid-unknown")).await });
    }
    let answers = all.join_all().await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(NotProven::Bad(_)))));
    assert_eq!(issuer.asked(), 1);
    assert!(prove(&keys, token("ES256")).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_says_nothing_useful_changes_nothing() {
    let issuer = Issuer::start("{}").await;
    let keys = Keys::start_at(config(issuer.source("/keys?v=1")), RESTLESS).unwrap();
    assert_eq!(prove(&keys, token("EdDSA")).await, Err(NotProven::NoKeys));
    assert!(keys.stale().unwrap().contains("keys"), "{:?}", keys.stale());
    *issuer.document.lock() = KEYS.to_owned();
    keys.rested().await;
    assert_eq!(prove(&keys, token("EdDSA")).await.as_deref(), Ok("app"));
    *issuer.document.lock() = "x".repeat(2 << 20);
    keys.rested().await;
    assert!(matches!(prove(&keys, token("late")).await, Err(NotProven::Bad(_))));
    assert!(keys.stale().is_some());
    assert_eq!(prove(&keys, token("EdDSA")).await.as_deref(), Ok("app"));
    for path in ["/moved", "/nothing"] {
        let keys = Keys::start_at(config(issuer.source(path)), RESTLESS).unwrap();
        assert_eq!(prove(&keys, token("EdDSA")).await, Err(NotProven::NoKeys));
        assert!(keys.stale().unwrap().contains("the answer is"), "{:?}", keys.stale());
    }
}

#[tokio::test]
async fn openid_says_where_the_keys_are() {
    let document = r#"{"issuer":"ISSUER","jwks_uri":"ISSUER/jwks","more":[]}"#;
    for (document, good) in [
        (document.to_owned(), true),
        (document.replace("\"ISSUER\"", "\"https://evil.example\""), false),
        (document.replace("ISSUER/jwks", "http://evil.example/jwks"), false),
        (document.replace("jwks_uri", "jwks"), false),
    ] {
        let issuer = Issuer::start(&document).await;
        let config = TokenConfig { issuer: issuer.url.clone(), ..nowhere() };
        let keys = Keys::start_at(config, RESTLESS).unwrap();
        let answer = prove(&keys, token("EdDSA")).await;
        // The tokens are of another issuer, which is found out only with keys.
        let read = matches!(answer, Err(NotProven::Bad(reason)) if reason.contains("issuer"));
        assert_eq!(read, good, "{document} {answer:?}");
    }
}

#[tokio::test]
async fn sources_that_cannot_be_are_told_at_once() {
    let open = KeySource::Url { url: "http://id.example/keys".parse().unwrap(), ca: None };
    assert!(matches!(Keys::start(config(open)), Err(WrongSource::Url(_))));
    let plain = TokenConfig { issuer: "http://id.example".to_owned(), ..nowhere() };
    assert!(matches!(Keys::start(plain), Err(WrongSource::Url(_))));
    let missing = KeySource::File("/nonexistent/keys.json".into());
    assert!(matches!(Keys::start(config(missing)), Err(WrongSource::File { .. })));
    let ca = Some("/nonexistent/ca.pem".into());
    assert!(matches!(Keys::start(config(KeySource::OpenId { ca })), Err(WrongSource::File { .. })));
}
