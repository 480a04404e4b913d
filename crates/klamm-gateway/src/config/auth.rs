//! Pure: who may send what: `[auth]` and `[[account]]`.

use super::error::Wrong;
use super::given::{Given, Value};
use super::key::{self, Key, Takes};
use super::quota::{self, HOUR, RATE_MAX, TIB, quota};
use super::settings::GatewayConfig;
use crate::guard::{AccountConfig, Allowance, Quota, Topics};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// The list of accounts.
pub(super) const ACCOUNT: &str = "account";

const TOPICS: &str = "a list of topics; a star at the end of one means all that begin so";

/// Keys of `[auth]`.
pub(super) const AUTH: &[Key<GatewayConfig>] = &[
    Key {
        name: "credentials",
        default: "\"none\"",
        takes: Takes::Other("a file, or none", |config, given| {
            config.guard.credentials = match text(given)? {
                "none" => None,
                "" => return None,
                path => Some(PathBuf::from(path)),
            };
            Some(())
        }),
        doc: "The file of API keys and passwords; with it, whoever sends has to prove who they are. `klamm gateway key` \
              makes it; read again when it changes.",
    },
    Key {
        name: "anonymous",
        default: "-",
        takes: Takes::Checked(TOPICS, |config, given| {
            anonymous(config).produce = topics(given)?;
            Ok(())
        }),
        doc: "Topics that those may send to who do not say who they are. Without it: none, unless there is no way to \
              say who one is.",
    },
    Key {
        name: "anonymous_read",
        default: "-",
        takes: Takes::Checked(TOPICS, |config, given| {
            anonymous(config).read = topics(given)?;
            Ok(())
        }),
        doc: "Topics that they may read. Without it: none, unless there is no way to say who one is.",
    },
    Key {
        name: "others",
        default: "[\"*\"]",
        takes: Takes::Checked(TOPICS, |config, given| {
            let others = &mut config.guard.others;
            others.produce = topics(given)?;
            // The key for reading comes after this one, in whatever order they are written.
            others.read = others.produce.clone();
            Ok(())
        }),
        doc: "Topics that those may send to who have proven a name that no `[[account]]` has.",
    },
    Key {
        name: "others_read",
        default: "-",
        takes: Takes::Checked(TOPICS, |config, given| {
            config.guard.others.read = topics(given)?;
            Ok(())
        }),
        doc: "Topics that they may read. Without it: the same.",
    },
    Key {
        name: "quota",
        default: "-",
        takes: Takes::Nested(quota::QUOTA, |config, given| {
            config.guard.quota = quota("quota", given)?;
            Ok(())
        }),
        doc: "What each may send who has no quota of their own: every account, every other name, every route that is signed \
              or open to everyone, and all together who do not say who they are.",
    },
    Key {
        name: "others_quota",
        default: "-",
        takes: Takes::Nested(quota::QUOTA, |config, given| {
            config.guard.others.quota = quota("others_quota", given)?;
            Ok(())
        }),
        doc: "What each may send who has proven a name that no `[[account]]` has. Without it: `quota`.",
    },
    Key {
        name: "anonymous_quota",
        default: "-",
        takes: Takes::Nested(quota::QUOTA, |config, given| {
            config.guard.anonymous_quota = quota("anonymous_quota", given)?;
            Ok(())
        }),
        doc: "What all those together may send who do not say who they are. Without it: `quota`.",
    },
];

/// Keys of an `[[account]]`.
pub(super) const ACCOUNTS: &[Key<AccountConfig>] = &[
    Key {
        name: "name",
        default: "-",
        takes: Takes::Other("a text", |account, given| {
            account.name = text(given)?.to_owned();
            Some(())
        }),
        doc: "The principal: as in the file of keys, in a token, or in a certificate.",
    },
    Key {
        name: "certificate",
        default: "-",
        takes: Takes::Other("a text", |account, given| {
            account.certificate = Some(text(given).filter(|name| !name.is_empty())?.to_owned());
            Some(())
        }),
        doc: "The name in its certificate, as `CN=app,O=Acme`, if that is another one; see `client_name` in `[tls]`.",
    },
    Key {
        name: "produce",
        default: "[\"*\"]",
        takes: Takes::Checked(TOPICS, |account, given| {
            let allowance = &mut account.allowance;
            allowance.produce = topics(given)?;
            // The key for reading comes after this one, in whatever order they are written.
            allowance.read = allowance.produce.clone();
            Ok(())
        }),
        doc: "Topics it may send to.",
    },
    Key {
        name: "read",
        default: "-",
        takes: Takes::Checked(TOPICS, |account, given| {
            account.allowance.read = topics(given)?;
            Ok(())
        }),
        doc: "Topics it may read. Without it: the same.",
    },
    Key {
        name: "requests",
        default: "-",
        takes: Takes::Count(1, RATE_MAX, |account, count| {
            account.allowance.quota.requests = NonZeroU64::new(count);
        }),
        doc: "Requests a second; 429 beyond it.",
    },
    Key {
        name: "records",
        default: "-",
        takes: Takes::Count(1, RATE_MAX, |account, count| {
            account.allowance.quota.records = NonZeroU64::new(count);
        }),
        doc: "Records a second; 429 beyond it.",
    },
    Key {
        name: "bytes",
        default: "-",
        takes: Takes::Bytes(1, TIB, |account, bytes| {
            account.allowance.quota.bytes = NonZeroU64::new(bytes);
        }),
        doc: "Bytes of bodies a second; 429 beyond it.",
    },
    Key {
        name: "burst",
        default: "\"1 s\"",
        takes: Takes::Time(Duration::from_millis(1), HOUR, |account, time| {
            account.allowance.quota.burst = time;
        }),
        doc: "For how long it may save up what it does not use.",
    },
];

/// Reads the list of accounts.
pub(super) fn set_accounts(config: &mut GatewayConfig, given: &Given) -> Result<(), Wrong> {
    let Value::List(items) = &given.value else {
        return Err(Wrong::new(given.at, "accounts are a list: [[account]]"));
    };
    config.guard.accounts.clear();
    for item in items {
        let Value::Table(table) = &item.value else {
            return Err(Wrong::new(item.at, "accounts are a list of tables: [[account]]"));
        };
        let allowance = Allowance::default();
        let mut account = AccountConfig { name: String::new(), certificate: None, allowance };
        key::set_all(ACCOUNTS, &mut account, table)?;
        if account.name.is_empty() {
            return Err(Wrong::new(item.at, "an account has a name"));
        }
        config.guard.accounts.push(account);
    }
    Ok(())
}

/// What is there for those who show nothing, or nothing.
fn anonymous(config: &mut GatewayConfig) -> &mut Allowance {
    config.guard.anonymous.get_or_insert_with(|| Allowance {
        produce: Topics::none(),
        read: Topics::none(),
        quota: Quota::default(),
    })
}

fn topics(given: &Given) -> Result<Topics, String> {
    let list = texts(given).ok_or_else(|| format!("expected {TOPICS}"))?;
    Topics::parse(&list).map_err(|wrong| wrong.to_string())
}

/// A text.
pub(super) fn text(given: &Given) -> Option<&str> {
    match &given.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// A list of texts.
pub(super) fn texts(given: &Given) -> Option<Vec<String>> {
    let Value::List(items) = &given.value else { return None };
    items.iter().map(|item| text(item).map(str::to_owned)).collect()
}
