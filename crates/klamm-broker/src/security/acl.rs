//! Pure: what an ACL says - resource, principal, host, operation, permission - and filters over ACLs.
//!
//! Numbers are those of the protocol. 0 is "unknown" and 1 "any" for every kind; the types here have only what a stored
//! ACL can have, and a filter's "any" is `None`.

/// Makes an enum of the protocol's numbers.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        pub(crate) enum $name { $($variant = $value),* }

        impl $name {
            /// Every value, by number.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value of a number; none for "unknown", "any" and what is not known here.
            pub(crate) fn from_i8(number: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|&value| value as i8 == number)
            }
        }
    };
}

numbered! {
    /// What is protected.
    ResourceType { Topic = 2, Group = 3, Cluster = 4, TransactionalId = 5, DelegationToken = 6, User = 7 }
}

numbered! {
    /// How the name of an ACL's resource is compared with a resource.
    PatternType { Literal = 3, Prefixed = 4 }
}

numbered! {
    /// What is done with a resource.
    Operation {
        All = 2, Read = 3, Write = 4, Create = 5, Delete = 6, Alter = 7, Describe = 8, ClusterAction = 9,
        DescribeConfigs = 10, AlterConfigs = 11, IdempotentWrite = 12, CreateTokens = 13, DescribeTokens = 14,
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// Whether an ACL allows or forbids.
    Permission { Deny = 2, Allow = 3 }
}

/// The one name of [`ResourceType::Cluster`].
pub(crate) const CLUSTER: &str = "kafka-cluster";

/// As the name of a literal resource: every resource of the type. As a host: every host.
pub(crate) const WILDCARD: &str = "*";

/// As the principal: everybody.
pub(crate) const WILDCARD_PRINCIPAL: &str = "User:*";

/// "Any" in a filter.
const ANY: i8 = 1;

/// "Match" as the pattern type of a filter: whatever applies to a resource of the name.
const MATCH: i8 = 2;

impl Operation {
    /// Whether an ACL that allows `self` allows `wanted` with it.
    pub(crate) fn allows(self, wanted: Self) -> bool {
        match wanted {
            _ if self == wanted || self == Self::All => true,
            Self::Describe => {
                matches!(self, Self::Read | Self::Write | Self::Delete | Self::Alter)
            }
            Self::DescribeConfigs => self == Self::AlterConfigs,
            _ => false,
        }
    }

    /// Whether an ACL that forbids `self` forbids `wanted`.
    pub(crate) fn denies(self, wanted: Self) -> bool {
        self == wanted || self == Self::All
    }
}

impl ResourceType {
    /// The operations that mean something for a resource of this type.
    pub(crate) fn operations(self) -> &'static [Operation] {
        use Operation::*;
        match self {
            Self::Topic => {
                &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs]
            }
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => &[
                Create,
                Alter,
                Describe,
                ClusterAction,
                DescribeConfigs,
                AlterConfigs,
                IdempotentWrite,
            ],
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }
}

/// A resource, or several: what an ACL is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResourcePattern {
    pub(crate) resource: ResourceType,
    pub(crate) pattern: PatternType,
    pub(crate) name: String,
}

impl ResourcePattern {
    /// Whether it applies to the resource of the type and name.
    fn covers(&self, name: &str) -> bool {
        match self.pattern {
            PatternType::Literal => self.name == name || self.name == WILDCARD,
            PatternType::Prefixed => name.starts_with(&self.name),
        }
    }
}

/// Who may, or may not, do what from where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// `User:name`.
    pub(crate) principal: String,
    /// An address, or `*`.
    pub(crate) host: String,
    pub(crate) operation: Operation,
    pub(crate) permission: Permission,
}

/// One ACL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acl {
    pub(crate) on: ResourcePattern,
    pub(crate) entry: Entry,
}

/// How the pattern of a filter is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternFilter {
    Any,
    Match,
    Exactly(PatternType),
}

/// Which ACLs are meant; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    resource: Option<ResourceType>,
    name: Option<String>,
    pattern: PatternFilter,
    principal: Option<String>,
    host: Option<String>,
    operation: Option<Operation>,
    permission: Option<Permission>,
}

/// A filter as the protocol has it; three APIs carry the same seven fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterFields<'a> {
    pub(crate) resource: i8,
    pub(crate) name: Option<&'a str>,
    pub(crate) pattern: i8,
    pub(crate) principal: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// The name of the field that has a value nobody knows.
    pub(crate) fn read(fields: FilterFields<'_>) -> Result<Self, &'static str> {
        let pattern = match fields.pattern {
            ANY => PatternFilter::Any,
            MATCH => PatternFilter::Match,
            other => PatternFilter::Exactly(PatternType::from_i8(other).ok_or("pattern type")?),
        };
        Ok(Self {
            resource: any_or(fields.resource, ResourceType::from_i8).ok_or("resource type")?,
            name: fields.name.map(str::to_owned),
            pattern,
            principal: fields.principal.map(str::to_owned),
            host: fields.host.map(str::to_owned),
            operation: any_or(fields.operation, Operation::from_i8).ok_or("operation")?,
            permission: any_or(fields.permission, Permission::from_i8).ok_or("permission type")?,
        })
    }

    /// Whether `acl` is meant.
    pub(crate) fn matches(&self, acl: &Acl) -> bool {
        let (on, entry) = (&acl.on, &acl.entry);
        self.resource.is_none_or(|resource| resource == on.resource)
            && self.names(on)
            && self.principal.as_ref().is_none_or(|principal| *principal == entry.principal)
            && self.host.as_ref().is_none_or(|host| *host == entry.host)
            && self.operation.is_none_or(|operation| operation == entry.operation)
            && self.permission.is_none_or(|permission| permission == entry.permission)
    }

    fn names(&self, on: &ResourcePattern) -> bool {
        let type_fits = match self.pattern {
            PatternFilter::Exactly(pattern) => pattern == on.pattern,
            PatternFilter::Any | PatternFilter::Match => true,
        };
        type_fits
            && self.name.as_ref().is_none_or(|name| match self.pattern {
                PatternFilter::Match => on.covers(name),
                PatternFilter::Any | PatternFilter::Exactly(_) => on.name == *name,
            })
    }
}

/// The value of a number, `Some(None)` for "any", none for what nobody knows.
fn any_or<T>(number: i8, read: impl Fn(i8) -> Option<T>) -> Option<Option<T>> {
    if number == ANY { Some(None) } else { read(number).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(pattern: PatternType, name: &str) -> Acl {
        Acl {
            on: ResourcePattern { resource: ResourceType::Topic, pattern, name: name.to_owned() },
            entry: Entry {
                principal: "User:a".to_owned(),
                host: WILDCARD.to_owned(),
                operation: Operation::Read,
                permission: Permission::Allow,
            },
        }
    }

    fn fields(pattern: i8, name: Option<&str>) -> FilterFields<'_> {
        FilterFields {
            resource: 2,
            name,
            pattern,
            principal: None,
            host: None,
            operation: ANY,
            permission: ANY,
        }
    }

    #[test]
    fn implied_operations_are_kafkas() {
        use Operation::*;
        for &have in Operation::ALL {
            for &want in Operation::ALL {
                let implied = matches!(
                    (have, want),
                    (Read | Write | super::Operation::Delete | Alter, Describe)
                        | (AlterConfigs, DescribeConfigs)
                );
                let direct = have == want || have == All;
                assert_eq!(have.allows(want), direct || implied, "{have:?} {want:?}");
                assert_eq!(have.denies(want), direct, "{have:?} {want:?}");
            }
        }
    }

    #[test]
    fn filters_by_name() {
        let stored = [
            acl(PatternType::Literal, "orders"),
            acl(PatternType::Literal, "*"),
            acl(PatternType::Prefixed, "ord"),
            acl(PatternType::Prefixed, "x"),
        ];
        let cases: [(i8, Option<&str>, &[usize]); 8] = [
            (ANY, None, &[0, 1, 2, 3]),
            (ANY, Some("orders"), &[0]),
            (MATCH, Some("orders"), &[0, 1, 2]),
            (MATCH, None, &[0, 1, 2, 3]),
            (3, Some("*"), &[1]),
            (3, Some("ord"), &[]),
            (4, Some("ord"), &[2]),
            (4, None, &[2, 3]),
        ];
        for (pattern, name, expected) in cases {
            let filter = Filter::read(fields(pattern, name)).unwrap();
            let found: Vec<usize> =
                (0..stored.len()).filter(|&i| filter.matches(&stored[i])).collect();
            assert_eq!(found, expected, "{pattern} {name:?}");
        }
    }

    #[test]
    fn filters_by_everything_else() {
        let stored = acl(PatternType::Literal, "orders");
        let hit = |change: fn(&mut FilterFields<'static>)| {
            let mut fields = fields(ANY, None);
            change(&mut fields);
            Filter::read(fields).map(|filter| filter.matches(&stored))
        };
        assert_eq!(hit(|f| f.resource = ANY), Ok(true));
        assert_eq!(hit(|f| f.resource = 3), Ok(false));
        assert_eq!(hit(|f| f.principal = Some("User:a")), Ok(true));
        assert_eq!(hit(|f| f.principal = Some("User:*")), Ok(false));
        assert_eq!(hit(|f| f.host = Some("*")), Ok(true));
        assert_eq!(hit(|f| f.host = Some("10.0.0.1")), Ok(false));
        assert_eq!(hit(|f| f.operation = 3), Ok(true));
        assert_eq!(hit(|f| f.operation = 4), Ok(false));
        assert_eq!(hit(|f| f.permission = 2), Ok(false));
        assert_eq!(hit(|f| f.permission = 0), Err("permission type"));
        assert_eq!(hit(|f| f.operation = 99), Err("operation"));
        assert_eq!(hit(|f| f.resource = 0), Err("resource type"));
        assert_eq!(hit(|f| f.pattern = 0), Err("pattern type"));
    }
}
