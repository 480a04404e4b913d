//! The authorizer by tables, and against a plain scan over all ACLs.

use super::*;
use proptest::prelude::*;

fn acl(resource: ResourceType, pattern: PatternType, name: &str) -> ResourcePattern {
    ResourcePattern { resource, pattern, name: name.to_owned() }
}

fn entry(principal: &str, operation: Operation, permission: Permission) -> Entry {
    Entry { principal: principal.to_owned(), host: WILDCARD.to_owned(), operation, permission }
}

fn topic(pattern: PatternType, name: &str, entry: Entry) -> Acl {
    Acl { on: acl(ResourceType::Topic, pattern, name), entry }
}

fn with(acls: &[Acl]) -> Authorizer {
    let mut authorizer = Authorizer::default();
    for acl in acls {
        assert_eq!(authorizer.check(acl, 0), Ok(true));
        authorizer.add(acl.clone());
    }
    authorizer
}

fn may(authorizer: &Authorizer, user: &str, operation: Operation, name: &str) -> bool {
    let user = Principal::user(user);
    authorizer.allows(&user, "10.0.0.1", operation, ResourceType::Topic, name)
}

use Operation::{Alter, Describe, Read, Write};
use PatternType::{Literal, Prefixed};
use Permission::{Allow, Deny};

#[test]
fn nothing_is_allowed_without_an_acl_unless_open() {
    assert!(!may(&Authorizer::default(), "a", Read, "t"));
    let mut open = Authorizer::new([], true);
    assert!(may(&open, "a", Read, "t"));
    open.add(topic(Literal, "t", entry("User:b", Read, Allow)));
    assert!(!may(&open, "a", Read, "t"), "there is an ACL now");
    assert!(may(&open, "a", Read, "other"));
}

#[test]
fn super_users_stand_above_denials() {
    let mut authorizer = Authorizer::new(["User:root".to_owned()], false);
    authorizer.add(topic(Literal, "*", entry("User:*", Operation::All, Deny)));
    assert!(may(&authorizer, "root", Write, "t"));
    assert!(!may(&authorizer, "a", Write, "t"));
}

#[test]
fn deny_goes_before_allow_whatever_the_pattern() {
    for (allow, deny) in [
        ((Literal, "orders"), (Prefixed, "ord")),
        ((Prefixed, "ord"), (Literal, "orders")),
        ((Literal, "*"), (Literal, "orders")),
        ((Literal, "orders"), (Literal, "*")),
    ] {
        let authorizer = with(&[
            topic(allow.0, allow.1, entry("User:a", Read, Allow)),
            topic(deny.0, deny.1, entry("User:*", Read, Deny)),
        ]);
        assert!(!may(&authorizer, "a", Read, "orders"), "{allow:?} {deny:?}");
    }
}

#[test]
fn hosts_and_types_count() {
    let mut from = entry("User:a", Read, Allow);
    from.host = "10.0.0.1".to_owned();
    let authorizer = with(&[topic(Literal, "t", from)]);
    let user = Principal::user("a");
    let ask = |host, resource| authorizer.allows(&user, host, Read, resource, "t");
    assert!(ask("10.0.0.1", ResourceType::Topic));
    assert!(!ask("10.0.0.2", ResourceType::Topic));
    assert!(!ask("10.0.0.1", ResourceType::Group));
}

#[test]
fn prefixes_of_every_length_are_found() {
    let names = ["o", "or", "orx", "orders-", "orders-eu", "orders-us", "p"];
    let acls: Vec<Acl> =
        names.iter().map(|name| topic(Prefixed, name, entry("User:a", Read, Allow))).collect();
    let authorizer = with(&acls);
    assert_eq!(authorizer.about(ResourceType::Topic, "orders-eu-1").len(), 4);
    assert_eq!(authorizer.about(ResourceType::Topic, "q").len(), 0);
    assert_eq!(authorizer.about(ResourceType::Group, "orders-eu-1").len(), 0);
}

#[test]
fn operations_as_bits() {
    let authorizer = with(&[topic(Literal, "t", entry("User:a", Read, Allow))]);
    let bits =
        |user| authorizer.allowed_operations(&Principal::user(user), "h", ResourceType::Topic, "t");
    assert_eq!(bits("a"), 1 << 3 | 1 << 8);
    assert_eq!(bits("b"), 0);
}

#[test]
fn any_resource_of_a_type() {
    let any = |acls: &[Acl]| {
        let user = Principal::user("a");
        with(acls).allows_any(&user, "h", Write, ResourceType::Topic)
    };
    let allow = |pattern, name| topic(pattern, name, entry("User:a", Write, Allow));
    let deny = |pattern, name| topic(pattern, name, entry("User:a", Write, Deny));
    assert!(!any(&[]));
    assert!(any(&[allow(Literal, "t")]));
    assert!(!any(&[allow(Literal, "t"), deny(Literal, "t")]));
    assert!(!any(&[allow(Literal, "t"), deny(Prefixed, "t")]));
    assert!(!any(&[allow(Prefixed, "tt"), deny(Prefixed, "t")]));
    assert!(any(&[allow(Prefixed, "t"), deny(Prefixed, "tt")]));
    assert!(any(&[allow(Literal, "*"), deny(Prefixed, "t")]));
    assert!(!any(&[allow(Literal, "*"), deny(Literal, "*")]));
    assert!(any(&[allow(Literal, "u"), deny(Literal, "t")]));
}

#[test]
fn what_an_acl_cannot_be() {
    let mut authorizer = Authorizer::default();
    let read = entry("User:a", Read, Allow);
    let cluster = |name| Acl {
        on: acl(ResourceType::Cluster, Literal, name),
        entry: entry("User:a", Alter, Allow),
    };
    assert_eq!(authorizer.check(&topic(Literal, "", read), 0), Err(AclError::EmptyName));
    assert_eq!(authorizer.check(&cluster("mine"), 0), Err(AclError::ClusterName));
    assert_eq!(authorizer.check(&cluster(CLUSTER), 0), Ok(true));
    assert_eq!(authorizer.check(&cluster(CLUSTER), MAX_ACLS), Err(AclError::TooMany));
    authorizer.add(cluster(CLUSTER));
    assert_eq!(authorizer.check(&cluster(CLUSTER), 0), Ok(false), "it is there already");
    for principal in ["", "a", "User:", ":a"] {
        let acl = topic(Literal, "t", entry(principal, Read, Allow));
        assert_eq!(authorizer.check(&acl, 0), Err(AclError::Principal), "{principal}");
    }
    assert!(authorizer.remove(&cluster(CLUSTER)));
    assert!(!authorizer.remove(&cluster(CLUSTER)));
    assert_eq!(authorizer.count, 0);
}

fn any_acl() -> impl Strategy<Value = Acl> {
    let names = prop::sample::select(vec!["*", "a", "ab", "abc", "b", "aé", "é"]);
    let users = prop::sample::select(vec!["User:a", "User:b", "User:*"]);
    let hosts = prop::sample::select(vec!["*", "h", "i"]);
    let operations = prop::sample::select(Operation::ALL);
    (names, any::<bool>(), users, hosts, operations, any::<bool>()).prop_map(
        |(name, prefixed, user, host, operation, deny)| {
            let mut entry = entry(user, operation, if deny { Deny } else { Allow });
            entry.host = host.to_owned();
            topic(if prefixed { Prefixed } else { Literal }, name, entry)
        },
    )
}

/// The rule in its plainest form.
fn scan(acls: &[Acl], operation: Operation, name: &str) -> bool {
    let about = acls.iter().filter(|acl| match acl.on.pattern {
        Literal => acl.on.name == name || acl.on.name == "*",
        Prefixed => name.starts_with(&acl.on.name),
    });
    let mine: Vec<&Entry> = about
        .map(|acl| &acl.entry)
        .filter(|e| matches!(e.principal.as_str(), "User:a" | "User:*"))
        .filter(|e| matches!(e.host.as_str(), "h" | "*"))
        .collect();
    let denied = mine.iter().any(|e| e.permission == Deny && e.operation.denies(operation));
    !denied && mine.iter().any(|e| e.permission == Allow && e.operation.allows(operation))
}

proptest! {
    #[test]
    fn the_index_answers_as_a_scan_does(
        acls in prop::collection::vec(any_acl(), 0..12),
        operation in prop::sample::select(vec![Read, Write, Describe, Operation::DescribeConfigs]),
        name in prop::sample::select(vec!["a", "ab", "abc", "abd", "b", "aé", "é", "z"]),
    ) {
        let mut authorizer = Authorizer::default();
        for acl in &acls {
            authorizer.add(acl.clone());
        }
        let user = Principal::user("a");
        let answer = authorizer.allows(&user, "h", operation, ResourceType::Topic, name);
        prop_assert_eq!(answer, scan(&acls, operation, name));
        for acl in &acls {
            authorizer.remove(acl);
        }
        prop_assert_eq!(authorizer.count, 0);
        prop_assert!(authorizer.acls.is_empty());
    }
}
