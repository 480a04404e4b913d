//! Tokens as a server sees them.

use super::{Directory, name};
use crate::guard::{
    AccountConfig, Allowance, Guard, GuardConfig, GuardError, KeySource, TokenConfig, Topics,
};
use std::time::Duration;

const KEYS: &str = include_str!("../../../testdata/jwt/keys.json");
const ROTATED: &str = include_str!("../../../testdata/jwt/rotated.json");
const TOKENS: &str = include_str!("../../../testdata/jwt/tokens.txt");

fn bearer(wanted: &str) -> String {
    let token = TOKENS.lines().find(|line| line.split(' ').nth(1) == Some(wanted)).unwrap();
    format!("Bearer {}", token.rsplit(' ').next().unwrap())
}

fn config(directory: &Directory) -> GuardConfig {
    let keys = KeySource::File(directory.write("keys.json", KEYS));
    let tokens = Some(TokenConfig::new("https://id.example", "klamm", keys));
    let produce = Topics::parse(&["orders"]).unwrap();
    let allowance = Allowance { produce, ..Allowance::default() };
    let accounts = vec![AccountConfig { name: "app".to_owned(), certificate: None, allowance }];
    GuardConfig { tokens, accounts, ..GuardConfig::default() }
}

#[tokio::test]
async fn a_token_has_the_account_of_its_name() {
    let directory = Directory::new();
    let guard = Guard::start(config(&directory)).unwrap();
    for good in ["RS256", "PS256", "ES256", "EdDSA"] {
        let who = super::ask(&guard, &[("authorization", &bearer(good))]).await.unwrap();
        assert_eq!(&**who.name(), "app");
        assert!(guard.topic(&who, "orders").is_ok() && guard.topic(&who, "others").is_err());
    }
    for bad in ["alg-none", "hmac-of-public-key", "aud-other", "another-key", "late"] {
        assert_eq!(name(&guard, &[("authorization", &bearer(bad))]).await, Err(401), "{bad}");
    }
    for bad in ["Bearer ", "Bearer klamm_1", "Basic YTpi", "Bearer x.y.z"] {
        assert_eq!(name(&guard, &[("authorization", bad)]).await, Err(401), "{bad}");
    }
    assert_eq!(name(&guard, &[]).await, Err(401));
}

#[tokio::test]
async fn tokens_that_could_be_anybodys_are_told_at_once() {
    let directory = Directory::new();
    let good = config(&directory);
    let start = |change: fn(&mut TokenConfig)| {
        let mut config = good.clone();
        change(config.tokens.as_mut().unwrap());
        Guard::start(config).map(|_| ())
    };
    assert!(start(|_| ()).is_ok());
    for change in [
        (|tokens| tokens.issuer.clear()) as fn(&mut TokenConfig),
        |tokens| tokens.audiences.clear(),
        |tokens| tokens.algorithms.clear(),
    ] {
        assert!(matches!(start(change), Err(GuardError::Config(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_new_keys_takes_the_place_of_the_old() {
    let directory = Directory::new();
    let guard = Guard::start(config(&directory)).unwrap();
    let (old, late) = (bearer("EdDSA"), bearer("late"));
    assert!(name(&guard, &[("authorization", &old)]).await.is_ok());
    directory.write("keys.json", "{}");
    reached(async || guard.stale().is_some()).await;
    assert!(name(&guard, &[("authorization", &old)]).await.is_ok());
    directory.write("keys.json", ROTATED);
    reached(async || name(&guard, &[("authorization", &late)]).await.is_ok()).await;
    assert_eq!(name(&guard, &[("authorization", &old)]).await, Err(401));
    assert_eq!(guard.stale(), None);
}

/// Time stands still but for those who wait, so that this takes none.
async fn reached(reached: impl AsyncFn() -> bool) {
    let waiting = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), waiting).await.unwrap();
}
