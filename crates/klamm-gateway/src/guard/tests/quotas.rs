//! Whose quota counts for whom.

use super::{head, peer};
use crate::guard::{
    Access, AccountConfig, Allowance, Guard, GuardConfig, Quota, RouteConfig, Topics,
};
use std::num::NonZeroU64;

/// So many requests in what is saved up, and none soon after.
fn quota(requests: u64) -> Quota {
    let burst = std::time::Duration::from_secs(1000);
    // A rate is a whole number a second: what is counted here are records, a thousand for each request.
    Quota { records: NonZeroU64::new(requests), burst, ..Quota::default() }
}

/// How many requests of a thousand records pass, one after the other.
async fn passes(guard: &Guard, certificate: Option<&str>, route: Option<&str>) -> usize {
    let who = guard.head(&head(&[]), &peer(certificate), route).await.unwrap();
    (0..20).take_while(|_| guard.charge(&who, 0, 1000).is_ok()).count()
}

fn config() -> GuardConfig {
    let account = |name: &str, quota| AccountConfig {
        name: name.to_owned(),
        certificate: None,
        allowance: Allowance { quota, ..Allowance::default() },
    };
    let route = |route: &str, quota| RouteConfig {
        route: route.to_owned(),
        access: Access::Everyone(Allowance { quota, ..Allowance::default() }),
    };
    GuardConfig {
        certificates: true,
        accounts: vec![account("own", quota(5)), account("none", Quota::default())],
        routes: vec![route("limited", quota(6)), route("open", Quota::default())],
        anonymous: Some(Allowance { read: Topics::none(), ..Allowance::default() }),
        quota: quota(2),
        ..GuardConfig::default()
    }
}

#[tokio::test]
async fn who_has_no_quota_has_that_of_all_each_for_themselves() {
    let guard = Guard::start(config()).unwrap();
    assert_eq!(passes(&guard, Some("own"), None).await, 5);
    assert_eq!(passes(&guard, Some("none"), None).await, 2);
    for other in ["a", "b"] {
        assert_eq!(passes(&guard, Some(other), None).await, 2, "{other}");
        assert_eq!(passes(&guard, Some(other), None).await, 0, "{other} again");
    }
    assert_eq!(passes(&guard, None, None).await, 2);
    assert_eq!(passes(&guard, None, None).await, 0, "who does not say who they are is one");
    assert_eq!(passes(&guard, None, Some("limited")).await, 6);
    assert_eq!(passes(&guard, None, Some("open")).await, 2);
}

#[tokio::test]
async fn each_kind_may_have_its_own() {
    let mut config = config();
    (config.others.quota, config.anonymous_quota) = (quota(3), quota(4));
    let guard = Guard::start(config).unwrap();
    let of = |certificate| passes(&guard, certificate, None);
    assert_eq!([of(Some("none")).await, of(Some("a")).await, of(None).await], [2, 3, 4]);
}

#[tokio::test]
async fn a_gateway_that_asks_nobody_has_one_for_all() {
    let quota = quota(2);
    let guard = Guard::start(GuardConfig { quota, ..GuardConfig::default() }).unwrap();
    assert_eq!([passes(&guard, None, None).await, passes(&guard, None, None).await], [2, 0]);
}
