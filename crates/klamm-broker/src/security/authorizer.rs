//! Pure: who may do what. Deny goes before allow, super users before both.

use super::acl::{
    Acl, CLUSTER, Entry, Filter, Operation, PatternType, Permission, ResourcePattern, ResourceType,
    WILDCARD, WILDCARD_PRINCIPAL,
};
use super::principal::Principal;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// ACLs that one broker keeps.
pub(crate) const MAX_ACLS: usize = 100_000;

/// Why an ACL is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AclError {
    #[error("{0} has a value that an ACL cannot have")]
    Unknown(&'static str),
    #[error("the name of a resource is empty")]
    EmptyName,
    #[error("the only name of the CLUSTER resource is {CLUSTER}")]
    ClusterName,
    #[error("a principal is a type and a name, as in User:alice")]
    Principal,
    #[error("there would be more than {MAX_ACLS} ACLs")]
    TooMany,
}

/// The rules of one broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorizer {
    super_users: BTreeSet<String>,
    /// `allow.everyone.if.no.acl.found`.
    open: bool,
    acls: BTreeMap<ResourcePattern, BTreeSet<Entry>>,
    count: usize,
}

/// What the ACLs of a resource say of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No ACL is about the resource.
    Silent,
    /// There are some, and none of them allows it.
    Unmentioned,
    Allowed,
    Denied,
}

impl Authorizer {
    /// Super users are `User:name`; `open` allows what is about a resource without any ACL.
    pub(crate) fn new(super_users: impl IntoIterator<Item = String>, open: bool) -> Self {
        Self { super_users: super_users.into_iter().collect(), open, ..Self::default() }
    }

    /// Whether `principal`, coming from `host`, may do `operation` to the resource.
    pub(crate) fn allows(
        &self,
        principal: &Principal,
        host: &str,
        operation: Operation,
        resource: ResourceType,
        name: &str,
    ) -> bool {
        let principal = principal.to_string();
        if self.super_users.contains(&principal) {
            return true;
        }
        let mut verdict = Verdict::Silent;
        for entries in self.about(resource, name) {
            match judge(entries, &principal, host, operation) {
                Verdict::Denied => return false,
                Verdict::Allowed => verdict = Verdict::Allowed,
                _ if verdict == Verdict::Silent => verdict = Verdict::Unmentioned,
                _ => {}
            }
        }
        verdict == Verdict::Allowed || verdict == Verdict::Silent && self.open
    }

    /// Whether there is at least one resource of the type to which it may be done, now or later.
    ///
    /// What is allowed counts unless a denial covers all of it: the same name, a prefix of it, or everything.
    pub(crate) fn allows_any(
        &self,
        principal: &Principal,
        host: &str,
        operation: Operation,
        resource: ResourceType,
    ) -> bool {
        let name = principal.to_string();
        if self.super_users.contains(&name) {
            return true;
        }
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for (on, entries) in self.acls.iter().filter(|(on, _)| on.resource == resource) {
            for entry in entries.iter().filter(|entry| applies(entry, &name, host)) {
                match entry.permission {
                    Permission::Deny if entry.operation.denies(operation) => denied.push(on),
                    Permission::Allow if entry.operation.allows(operation) => allowed.push(on),
                    _ => {}
                }
            }
        }
        if denied.iter().any(|on| on.pattern == PatternType::Literal && on.name == WILDCARD) {
            return false;
        }
        self.open || allowed.iter().any(|allow| !denied.iter().any(|deny| dominates(deny, allow)))
    }

    /// The operations allowed on the resource, as a bit set of their numbers.
    pub(crate) fn allowed_operations(
        &self,
        principal: &Principal,
        host: &str,
        resource: ResourceType,
        name: &str,
    ) -> i32 {
        let mut bits = 0;
        for &operation in resource.operations() {
            if self.allows(principal, host, operation, resource, name) {
                bits |= 1 << operation as i8;
            }
        }
        bits
    }

    /// Whether the ACL would be a new one, with so many others about to be added.
    ///
    /// # Errors
    /// [`AclError`]
    pub(crate) fn check(&self, acl: &Acl, others: usize) -> Result<bool, AclError> {
        check(acl)?;
        let entries = self.acls.get(&acl.on);
        if entries.is_some_and(|entries| entries.contains(&acl.entry)) {
            return Ok(false);
        }
        if self.count + others >= MAX_ACLS { Err(AclError::TooMany) } else { Ok(true) }
    }

    /// Adds an ACL, unless it is there.
    pub(crate) fn add(&mut self, acl: Acl) {
        let new = self.acls.entry(acl.on).or_default().insert(acl.entry);
        self.count += usize::from(new);
    }

    /// Takes an ACL away; false when it was not there.
    pub(crate) fn remove(&mut self, acl: &Acl) -> bool {
        let Some(entries) = self.acls.get_mut(&acl.on) else { return false };
        let removed = entries.remove(&acl.entry);
        if entries.is_empty() {
            self.acls.remove(&acl.on);
        }
        self.count -= usize::from(removed);
        removed
    }

    /// The ACLs that the filter means, in the order of their resources.
    pub(crate) fn matching(&self, filter: &Filter) -> Vec<Acl> {
        let all = self.acls.iter().flat_map(|(on, entries)| {
            entries.iter().map(|entry| Acl { on: on.clone(), entry: entry.clone() })
        });
        all.filter(|acl| filter.matches(acl)).collect()
    }

    /// The entries of every pattern that covers the resource.
    fn about(&self, resource: ResourceType, name: &str) -> Vec<&BTreeSet<Entry>> {
        let pattern =
            |pattern, name: &str| ResourcePattern { resource, pattern, name: name.to_owned() };
        let mut found = Vec::new();
        found.extend(self.acls.get(&pattern(PatternType::Literal, name)));
        if name != WILDCARD {
            found.extend(self.acls.get(&pattern(PatternType::Literal, WILDCARD)));
        }
        // Prefixes of a name are not above it. From the greatest candidate down, a miss moves to what it shares with
        // the name: nothing between the two can be a prefix.
        let floor = pattern(PatternType::Prefixed, "");
        let mut upper = Bound::Included(pattern(PatternType::Prefixed, name));
        while let Some((on, entries)) =
            self.acls.range((Bound::Included(&floor), upper.as_ref())).next_back()
        {
            upper = if name.starts_with(&on.name) {
                found.push(entries);
                Bound::Excluded(on.clone())
            } else {
                Bound::Included(pattern(PatternType::Prefixed, shared_prefix(&on.name, name)))
            };
        }
        found
    }
}

/// The longest beginning that both have.
fn shared_prefix<'a>(a: &str, b: &'a str) -> &'a str {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y);
    &b[..same.map(|(c, _)| c.len_utf8()).sum()]
}

fn applies(entry: &Entry, principal: &str, host: &str) -> bool {
    (entry.principal == principal || entry.principal == WILDCARD_PRINCIPAL)
        && (entry.host == host || entry.host == WILDCARD)
}

fn judge(entries: &BTreeSet<Entry>, principal: &str, host: &str, operation: Operation) -> Verdict {
    let mut verdict = Verdict::Unmentioned;
    for entry in entries.iter().filter(|entry| applies(entry, principal, host)) {
        match entry.permission {
            Permission::Deny if entry.operation.denies(operation) => return Verdict::Denied,
            Permission::Allow if entry.operation.allows(operation) => verdict = Verdict::Allowed,
            _ => {}
        }
    }
    verdict
}

/// Whether everything that `allow` is about is denied by `deny`.
fn dominates(deny: &ResourcePattern, allow: &ResourcePattern) -> bool {
    match deny.pattern {
        PatternType::Literal => deny == allow,
        PatternType::Prefixed => {
            let everything = allow.pattern == PatternType::Literal && allow.name == WILDCARD;
            !everything && allow.name.starts_with(&deny.name)
        }
    }
}

/// What Kafka asks of a new ACL.
fn check(acl: &Acl) -> Result<(), AclError> {
    if acl.on.name.is_empty() {
        return Err(AclError::EmptyName);
    }
    if acl.on.resource == ResourceType::Cluster && acl.on.name != CLUSTER {
        return Err(AclError::ClusterName);
    }
    match acl.entry.principal.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(AclError::Principal),
    }
}

#[cfg(test)]
#[path = "authorizer_tests.rs"]
mod tests;
