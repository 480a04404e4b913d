//! The security of a running broker: what its settings came to, shared by all connections.

use super::acl::{Acl, Entry, Filter, Operation, PatternType, Permission};
use super::acl::{ResourcePattern, ResourceType};
use super::all_users::AllUsers;
use super::authorizer::{AclError, Authorizer};
use super::entrance::Entrance;
use super::login::Login;
use super::settings::{SecurityError, SecurityProtocol, SecuritySettings};
use super::users::UserChange;
use crate::journal::{Change, Journal};
use crate::server::ConnectionLimits;
use klamm_protocol::error_code::ErrorCode;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys of users in the journal begin with it.
const USER: &str = "user/";

/// Keys of ACLs in the journal begin with it.
const ACL: &str = "acl/";

/// Between the parts of an ACL's key.
const SEPARATOR: char = '\n';

/// An entry of the journal that says nothing sensible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry {0:?} of users or ACLs cannot be read")]
pub(crate) struct UnreadableEntry(String);

/// Who comes in, and what they may do.
#[derive(Debug, Default)]
pub(crate) struct Security {
    /// What each listener asks, in their order.
    pub(crate) entrances: Vec<Arc<Entrance>>,
    /// Who could log in; they are kept also where nobody is asked to.
    pub(crate) users: AllUsers,
    pub(crate) limits: ConnectionLimits,
    authorizer: Option<RwLock<Authorizer>>,
    /// Held while users change, so that journal and memory see one order.
    changing_users: Mutex<()>,
}

impl Security {
    /// Reads certificates and hashes passwords; `listeners` is what each of them speaks.
    ///
    /// # Errors
    /// [`SecurityError`]
    pub(crate) fn new<'a>(
        settings: &SecuritySettings,
        listeners: impl IntoIterator<Item = &'a SecurityProtocol>,
    ) -> Result<Self, SecurityError> {
        let mut security = Self { limits: settings.limits.clone(), ..Self::default() };
        for (listener, protocol) in listeners.into_iter().enumerate() {
            let entrance = Entrance::new(listener, protocol, &mut security.users)?;
            security.entrances.push(Arc::new(entrance));
        }
        security.users.settle()?;
        if let Some(acls) = &settings.acls {
            acls.check()?;
            let authorizer = Authorizer::new(acls.super_users.iter().cloned(), acls.open);
            security.authorizer = Some(RwLock::new(authorizer));
        }
        Ok(security)
    }

    /// Whether there are ACLs at all.
    pub(crate) fn has_authorizer(&self) -> bool {
        self.authorizer.is_some()
    }

    /// Whether it is allowed; everything is, without ACLs.
    pub(crate) fn allows(
        &self,
        login: &Login,
        host: &str,
        operation: Operation,
        resource: ResourceType,
        name: &str,
    ) -> bool {
        self.authorizer.as_ref().is_none_or(|authorizer| {
            authorizer.read().allows(&login.principal(), host, operation, resource, name)
        })
    }

    /// Whether it is allowed for some resource of the type.
    pub(crate) fn allows_any(
        &self,
        login: &Login,
        host: &str,
        operation: Operation,
        resource: ResourceType,
    ) -> bool {
        self.authorizer.as_ref().is_none_or(|authorizer| {
            authorizer.read().allows_any(&login.principal(), host, operation, resource)
        })
    }

    /// What is allowed, as the bit set that answers carry (KIP-430).
    pub(crate) fn allowed_operations(
        &self,
        login: &Login,
        host: &str,
        resource: ResourceType,
        name: &str,
    ) -> i32 {
        match &self.authorizer {
            None => resource.operations().iter().fold(0, |bits, &op| bits | 1 << op as i8),
            Some(authorizer) => {
                let principal = login.principal();
                authorizer.read().allowed_operations(&principal, host, resource, name)
            }
        }
    }

    /// Adds ACLs, writing those that are new to the journal; gives what became of each, and what to wait for.
    ///
    /// # Errors
    /// The journal cannot be written; nothing has changed then.
    pub(crate) fn add_acls(
        &self,
        acls: Vec<Result<Acl, AclError>>,
        write: impl FnOnce(Vec<Change>) -> Result<i64, ErrorCode>,
    ) -> Result<(Vec<Result<(), AclError>>, i64), ErrorCode> {
        let Some(authorizer) = &self.authorizer else { return Ok((Vec::new(), -1)) };
        let mut authorizer = authorizer.write();
        let (mut results, mut new) = (Vec::with_capacity(acls.len()), BTreeSet::new());
        for acl in acls {
            let checked = acl.and_then(|acl| {
                if authorizer.check(&acl, new.len())? {
                    new.insert(acl);
                }
                Ok(())
            });
            results.push(checked);
        }
        let changes = new.iter().map(|acl| (acl_key(acl), Some(Vec::new()))).collect();
        let offset = write(changes)?;
        for acl in new {
            authorizer.add(acl);
        }
        Ok((results, offset))
    }

    /// Takes away what the filters mean and tells the journal; gives what each filter took, and what to wait for.
    ///
    /// # Errors
    /// The journal cannot be written; nothing has changed then.
    pub(crate) fn remove_acls(
        &self,
        filters: &[Option<Filter>],
        write: impl FnOnce(Vec<Change>) -> Result<i64, ErrorCode>,
    ) -> Result<(Vec<Vec<Acl>>, i64), ErrorCode> {
        let Some(authorizer) = &self.authorizer else { return Ok((Vec::new(), -1)) };
        let mut authorizer = authorizer.write();
        let found = filters.iter().map(|filter| match filter {
            Some(filter) => authorizer.matching(filter),
            None => Vec::new(),
        });
        let found: Vec<Vec<Acl>> = found.collect();
        let changes = found.iter().flatten().map(|acl| (acl_key(acl), None)).collect();
        let offset = write(changes)?;
        for acl in found.iter().flatten() {
            authorizer.remove(acl);
        }
        Ok((found, offset))
    }

    /// What the filter means.
    pub(crate) fn acls(&self, filter: &Filter) -> Vec<Acl> {
        let authorizer = self.authorizer.as_ref();
        authorizer.map_or_else(Vec::new, |authorizer| authorizer.read().matching(filter))
    }

    /// Puts changes of users in force and writes them to the journal; gives what to wait for.
    ///
    /// # Errors
    /// The journal cannot be written; nothing has changed then.
    pub(crate) fn change_users(
        &self,
        changes: Vec<UserChange>,
        write: impl FnOnce(Vec<Change>) -> Result<i64, ErrorCode>,
    ) -> Result<i64, ErrorCode> {
        let _changing = self.changing_users.lock();
        let record = |change: &UserChange| {
            let (key, value) = self.users.to_record(change);
            (format!("{USER}{key}"), value.map(String::into_bytes))
        };
        let offset = write(changes.iter().map(record).collect())?;
        for change in &changes {
            self.users.apply(change);
        }
        Ok(offset)
    }

    /// Takes over what the journal has. Entries that the settings have no use for now, ACLs without an authorizer, stay
    /// there untouched.
    ///
    /// # Errors
    /// [`UnreadableEntry`]
    pub(crate) fn restore(&self, journal: &Journal) -> Result<(), UnreadableEntry> {
        for (key, value) in journal.entries(USER) {
            let value = std::str::from_utf8(&value).ok();
            let change = value.and_then(|value| UserChange::from_record(&key, value).ok());
            let change = change.ok_or(UnreadableEntry(key))?;
            self.users.apply(&change);
        }
        for (key, _) in journal.entries(ACL) {
            let acl = read_acl_key(&key).ok_or(UnreadableEntry(key))?;
            if let Some(authorizer) = &self.authorizer {
                authorizer.write().add(acl);
            }
        }
        Ok(())
    }
}

fn acl_key(acl: &Acl) -> String {
    let (on, entry) = (&acl.on, &acl.entry);
    let numbers =
        [on.resource as i8, on.pattern as i8, entry.operation as i8, entry.permission as i8];
    let numbers = numbers.map(|number| number.to_string()).join(",");
    let names = [&on.name, &entry.principal, &entry.host].map(|name| escape(name));
    format!("{ACL}{numbers}{SEPARATOR}{}", names.join("\n"))
}

fn read_acl_key(key: &str) -> Option<Acl> {
    let mut fields = key.split(SEPARATOR);
    let mut numbers = fields.next()?.split(',').map(|number| number.parse::<i8>().ok());
    let mut number = || numbers.next().flatten();
    let resource = ResourceType::from_i8(number()?)?;
    let pattern = PatternType::from_i8(number()?)?;
    let operation = Operation::from_i8(number()?)?;
    let permission = Permission::from_i8(number()?)?;
    let mut name = || fields.next().and_then(unescape);
    let (name, principal, host) = (name()?, name()?, name()?);
    let on = ResourcePattern { resource, pattern, name };
    Some(Acl { on, entry: Entry { principal, host, operation, permission } })
}

/// Names come from clients and may hold anything.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace(SEPARATOR, "\\n")
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                'n' => SEPARATOR,
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str) -> Acl {
        Acl {
            on: ResourcePattern {
                resource: ResourceType::Group,
                pattern: PatternType::Prefixed,
                name: name.to_owned(),
            },
            entry: Entry {
                principal: "User:a\\n\nb,c".to_owned(),
                host: "*".to_owned(),
                operation: Operation::Read,
                permission: Permission::Deny,
            },
        }
    }

    #[test]
    fn acls_come_back_from_their_keys() {
        for name in ["g", "a\nb", "\\", "\\n"] {
            let key = acl_key(&acl(name));
            assert_eq!(read_acl_key(key.strip_prefix(ACL).unwrap()), Some(acl(name)), "{name:?}");
        }
        for key in
            ["", "2,3,3", "0,3,3,3\nt\nUser:a\n*", "2,3,3,3\nt\nUser:a", "2,3,3,3\n\\x\na\n*"]
        {
            assert_eq!(read_acl_key(key), None, "{key:?}");
        }
    }
}
