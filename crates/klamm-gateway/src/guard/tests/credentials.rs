//! Keys, passwords, certificates, topics and quotas.

use super::{Directory, ask, head, name, peer};
use crate::guard::{
    Access, AccountConfig, Allowance, ApiKey, Denied, Guard, GuardConfig, GuardError, Quota,
    RouteConfig, Topics,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::num::NonZeroU64;
use std::time::Duration;

/// Of `wonderland`.
const ALICE: &str = "password alice pbkdf2-sha256:10000:MDEyMzQ1Njc4OWFiY2RlZg:cuOITDVXQXwg4RQ5Bx0ExcR1VT/x58FAc0rjB1K/QwM now\n";

fn key(byte: u8, principal: &str) -> (String, String) {
    let key = ApiKey::from_random(&[byte; 38]);
    let line = format!("key {} {principal} sha256:{} now\n", key.id, key.hash);
    (key.reveal().to_owned(), line)
}

fn basic(login: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(login))
}

fn start(directory: &Directory, text: &str, config: GuardConfig) -> Guard {
    let credentials = Some(directory.write("keys", text));
    Guard::start(GuardConfig { credentials, ..config }).unwrap()
}

#[tokio::test]
async fn an_open_guard_asks_nothing() {
    let guard = Guard::open();
    for headers in [&[][..], &[("authorization", "Bearer x")], &[("x-api-key", "y")]] {
        let who = ask(&guard, headers).await.unwrap();
        assert_eq!(&**who.name(), "anonymous");
        guard.topic(&who, "anything").unwrap();
        guard.read(&who, "anything").unwrap();
        guard.charge(&who, usize::MAX, usize::MAX).unwrap();
    }
}

#[tokio::test]
async fn a_key_says_who_it_is_in_either_header() {
    let directory = Directory::new();
    let (text, line) = key(1, "app");
    let guard = start(&directory, &line, GuardConfig::default());
    let bearer = format!("Bearer {text}");
    assert_eq!(name(&guard, &[("x-api-key", &text)]).await.as_deref(), Ok("app"));
    assert_eq!(name(&guard, &[("authorization", &bearer)]).await.as_deref(), Ok("app"));
    let (unknown, _) = key(2, "app");
    for headers in [
        &[][..],
        &[("x-api-key", unknown.as_str())],
        &[("x-api-key", "")],
        &[("x-api-key", &text), ("authorization", &bearer)],
        &[("authorization", "Bearer a.b.c")],
        &[("authorization", "Negotiate a")],
    ] {
        let denied = ask(&guard, headers).await.unwrap_err();
        let Denied::Unauthenticated { challenge, .. } = &denied else { panic!("{denied:?}") };
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert!(!denied.to_string().contains(&unknown[..20]));
    }
}

#[tokio::test]
async fn a_password_is_worked_through_once() {
    let directory = Directory::new();
    let guard = start(&directory, ALICE, GuardConfig::default());
    let good = basic("alice:wonderland");
    for _ in 0..3 {
        assert_eq!(name(&guard, &[("authorization", &good)]).await.as_deref(), Ok("alice"));
    }
    for wrong in ["alice:wonder", "bob:wonderland", "alice", ":"] {
        assert_eq!(name(&guard, &[("authorization", &basic(wrong))]).await, Err(401), "{wrong}");
    }
}

#[tokio::test]
async fn what_the_file_revokes_is_over_and_a_bad_file_changes_nothing() {
    let directory = Directory::new();
    let (one, first) = key(1, "one");
    let (two, second) = key(2, "two");
    let guard = start(&directory, &(first.clone() + ALICE), GuardConfig::default());
    let alice = basic("alice:wonderland");
    assert!(name(&guard, &[("authorization", &alice)]).await.is_ok());
    let take = |text: &str| {
        let file = crate::guard::CredentialsFile::parse(text).map_err(|wrong| wrong.to_string());
        guard.replaced(file.map(Some));
    };
    take("key nonsense");
    assert!(guard.stale().unwrap().contains("line 1"));
    assert!(name(&guard, &[("x-api-key", &one)]).await.is_ok());
    take(&second);
    assert_eq!(guard.stale(), None);
    assert_eq!(name(&guard, &[("x-api-key", &one)]).await, Err(401));
    assert_eq!(name(&guard, &[("x-api-key", &two)]).await.as_deref(), Ok("two"));
    assert_eq!(name(&guard, &[("authorization", &alice)]).await, Err(401), "not remembered either");
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_noticed() {
    let directory = Directory::new();
    let (one, first) = key(1, "one");
    let (two, second) = key(2, "two");
    let guard = start(&directory, &first, GuardConfig::default());
    assert!(name(&guard, &[("x-api-key", &one)]).await.is_ok());
    directory.write("keys", &second);
    let noticed = async {
        while name(&guard, &[("x-api-key", &two)]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), noticed).await.unwrap();
    assert_eq!(name(&guard, &[("x-api-key", &one)]).await, Err(401));
}

#[tokio::test]
async fn a_file_that_is_missing_or_wrong_is_told_at_once() {
    let directory = Directory::new();
    let wrong = directory.write("wrong", "keys:\n- a\n");
    for path in [directory.0.join("none"), wrong, directory.0.clone()] {
        let config = GuardConfig { credentials: Some(path.clone()), ..GuardConfig::default() };
        let error = Guard::start(config).unwrap_err();
        assert!(matches!(error, GuardError::File { path: told, .. } if told == path));
    }
    let account =
        AccountConfig { name: "a".to_owned(), certificate: None, allowance: Allowance::default() };
    let twice = GuardConfig { accounts: vec![account.clone(), account], ..GuardConfig::default() };
    assert!(matches!(Guard::start(twice), Err(GuardError::Config(_))));
}

#[tokio::test]
async fn an_account_may_be_called_otherwise_in_its_certificate() {
    let account = |name: &str| AccountConfig {
        name: name.to_owned(),
        certificate: Some("CN=app".to_owned()),
        allowance: Allowance { produce: Topics::none(), ..Allowance::default() },
    };
    let config = |accounts| GuardConfig { certificates: true, accounts, ..GuardConfig::default() };
    let guard = Guard::start(config(vec![account("app")])).unwrap();
    let who = guard.head(&head(&[]), &peer(Some("CN=app")), None).await.unwrap();
    assert_eq!(&**who.name(), "app");
    assert!(guard.topic(&who, "orders").is_err(), "it has the account of its name");
    let both = Guard::start(config(vec![account("app"), account("other")]));
    assert!(matches!(both, Err(GuardError::Config(told)) if told.contains("CN=app")));
}

#[tokio::test]
async fn topics_and_quotas_are_a_principals_own() {
    let directory = Directory::new();
    let (app, first) = key(1, "app");
    let (other, second) = key(2, "other");
    let allowance = Allowance {
        produce: Topics::parse(&["orders", "logs-*"]).unwrap(),
        read: Topics::none(),
        quota: Quota { bytes: NonZeroU64::new(100), ..Quota::default() },
    };
    let accounts = vec![AccountConfig { name: "app".to_owned(), certificate: None, allowance }];
    let config = GuardConfig { accounts, ..GuardConfig::default() };
    let guard = start(&directory, &(first + &second), config);
    let app = ask(&guard, &[("x-api-key", &app)]).await.unwrap();
    guard.topic(&app, "orders").unwrap();
    guard.topic(&app, "logs-eu").unwrap();
    let denied = guard.topic(&app, "payments").unwrap_err();
    assert_eq!(denied.to_string(), "app may not produce to payments");
    assert_eq!(guard.read(&app, "orders").unwrap_err().status(), 403);
    guard.charge(&app, 100, 1).unwrap();
    let denied = guard.charge(&app, 100, 1).unwrap_err();
    assert_eq!((denied.status(), denied.retry_after_seconds()), (429, Some(1)));
    let other = ask(&guard, &[("x-api-key", &other)]).await.unwrap();
    guard.topic(&other, "payments").unwrap();
    guard.charge(&other, 1000, 1).unwrap();
}

#[tokio::test]
async fn certificates_routes_and_nobody() {
    let directory = Directory::new();
    let (text, line) = key(1, "app");
    let everyone = Access::Everyone(Allowance::default());
    let routes = vec![
        RouteConfig { route: "public".to_owned(), access: everyone },
        RouteConfig { route: "private".to_owned(), access: Access::Known },
    ];
    let nobody = Allowance { produce: Topics::parse(&["open"]).unwrap(), ..Allowance::default() };
    for anonymous in [None, Some(nobody)] {
        let config = GuardConfig {
            certificates: true,
            anonymous: anonymous.clone(),
            routes: routes.clone(),
            ..GuardConfig::default()
        };
        let guard = start(&directory, &line, config);
        let (plain, keyed) = (head(&[]), head(&[("x-api-key", &text)]));
        let wrong = head(&[("x-api-key", "wrong")]);
        let (here, shown) = (peer(None), peer(Some("CN=app2")));
        let name = async |head, peer, route| {
            guard.head(head, peer, route).await.map(|who| who.name().to_string()).ok()
        };
        assert_eq!(name(&plain, &shown, None).await.as_deref(), Some("CN=app2"));
        assert_eq!(name(&keyed, &shown, None).await.as_deref(), Some("app"));
        assert_eq!(name(&wrong, &shown, None).await, None, "what is shown has to be right");
        assert_eq!(name(&wrong, &here, Some("public")).await.as_deref(), Some("anonymous"));
        let nobody = anonymous.as_ref().map(|_| "anonymous");
        assert_eq!(name(&plain, &here, None).await.as_deref(), nobody);
        assert_eq!(name(&plain, &here, Some("private")).await.as_deref(), nobody);
        if let Ok(nobody) = guard.head(&plain, &here, None).await {
            guard.topic(&nobody, "open").unwrap();
            assert!(guard.topic(&nobody, "closed").is_err());
        }
    }
}
