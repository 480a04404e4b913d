//! Pure: whom a quota is for, and which keys it may have.

use klamm_protocol::error_code::ErrorCode;
use std::collections::BTreeMap;

/// Names by kind - `user`, `client-id` or `ip` -, where none stands for all that have no quota of their own.
pub(crate) type Entity = BTreeMap<String, Option<String>>;

/// Quotas by key.
pub(crate) type Values = BTreeMap<String, f64>;

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 1_024;
/// Keys for users and clients; the first two are whole bytes a second.
const OF_CLIENTS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const OF_ADDRESSES: [&str; 1] = ["connection_creation_rate"];
/// Keys whose value is a whole number.
const WHOLE: [&str; 3] = ["producer_byte_rate", "consumer_byte_rate", "connection_creation_rate"];

/// Why a quota cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) why: String,
}

impl Refused {
    /// With what the code means.
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self { code, why: code.meaning().to_owned() }
    }

    fn request(why: String) -> Self {
        Self { code: ErrorCode::INVALID_REQUEST, why }
    }
}

/// An entity from the parts that a client names.
///
/// # Errors
/// INVALID_REQUEST
pub(crate) fn entity<'a>(
    parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<Entity, Refused> {
    let mut entity = Entity::new();
    for (kind, name) in parts {
        if !["user", "client-id", "ip"].contains(&kind) {
            return Err(Refused::request(format!("there are no quotas for {kind:?}")));
        }
        if name.is_some_and(|name| name.is_empty() || name.len() > MAX_NAME_BYTES) {
            return Err(Refused::request(format!("the name of a {kind} is empty or too long")));
        }
        if entity.insert(kind.to_owned(), name.map(str::to_owned)).is_some() {
            return Err(Refused::request(format!("the entity has {kind} twice")));
        }
    }
    match entity.contains_key("ip") && entity.len() > 1 {
        _ if entity.is_empty() => Err(Refused::request("the entity is empty".to_owned())),
        true => Err(Refused::request("an ip stands alone".to_owned())),
        false => Ok(entity),
    }
}

/// What `values` of `entity` become when these are set, and those with none taken away.
///
/// # Errors
/// INVALID_REQUEST
pub(crate) fn changed<'a>(
    entity: &Entity,
    values: &Values,
    changes: impl IntoIterator<Item = (&'a str, Option<f64>)>,
) -> Result<Values, Refused> {
    let keys: &[&str] = if entity.contains_key("ip") { &OF_ADDRESSES } else { &OF_CLIENTS };
    let mut values = values.clone();
    for (key, value) in changes {
        if !keys.contains(&key) {
            return Err(Refused::request(format!("{key:?} is no quota of this entity")));
        }
        let Some(value) = value else {
            values.remove(key);
            continue;
        };
        let whole = !WHOLE.contains(&key) || value.fract() == 0.0;
        if !(value.is_finite() && value >= 0.0 && whole) {
            return Err(Refused::request(format!("{key} cannot be {value}")));
        }
        values.insert(key.to_owned(), value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::{Values, changed, entity};

    #[test]
    fn an_entity_is_a_user_a_client_both_or_an_address() {
        let user = ("user", Some("u"));
        for good in
            [&[user][..], &[("client-id", None)], &[user, ("client-id", None)], &[("ip", None)]]
        {
            assert_eq!(entity(good.iter().copied()).unwrap().len(), good.len());
        }
        let long = "x".repeat(2_000);
        for bad in [
            &[][..],
            &[user, user],
            &[user, ("ip", None)],
            &[("user", Some(""))],
            &[("user", Some(long.as_str()))],
            &[("group", None)],
        ] {
            assert!(entity(bad.iter().copied()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_are_those_that_a_quota_can_have() {
        let client = entity([("client-id", Some("c"))]).unwrap();
        let ip = entity([("ip", None)]).unwrap();
        let start = Values::from([("consumer_byte_rate".to_owned(), 7.0)]);
        let with = |entity, change| changed(entity, &start, [change]);
        assert_eq!(with(&client, ("producer_byte_rate", Some(5.0))).unwrap().len(), 2);
        assert_eq!(with(&client, ("consumer_byte_rate", None)).unwrap().len(), 0);
        assert_eq!(with(&client, ("request_percentage", Some(0.5))).unwrap().len(), 2);
        assert!(with(&ip, ("connection_creation_rate", Some(3.0))).is_ok());
        for (entity, key, value) in [
            (&client, "connection_creation_rate", 1.0),
            (&ip, "producer_byte_rate", 1.0),
            (&client, "producer_byte_rate", 1.5),
            (&client, "request_percentage", -1.0),
            (&client, "request_percentage", f64::NAN),
            (&client, "request_percentage", f64::INFINITY),
        ] {
            assert!(with(entity, (key, Some(value))).is_err(), "{key} {value}");
        }
    }
}
