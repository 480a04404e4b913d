//! Texts into values, for the rows of the table.

use super::Parsed;
use crate::config::security::TlsConfig;
use crate::config::{
    Acks, AutoOffsetReset, ClientConfig, GroupProtocol, IsolationLevel, ProducerConfig,
    iso_duration,
};
use std::time::Duration;

pub(super) fn int<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "a whole number".to_owned())
}

pub(super) fn ms(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(int(text)?))
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.trim().parse().map_err(|_| "true or false".to_owned())
}

pub(super) fn file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

pub(super) fn tls(c: &mut ClientConfig) -> &mut TlsConfig {
    c.tls.get_or_insert_default()
}

/// Splits a PEM file that has both certificates and a key.
pub(super) fn keystore(c: &mut ClientConfig, pem: String) {
    c.security.private_key = Some(pem.clone().into());
    c.security.certificate_chain = Some(pem);
    tls(c);
}

/// Reads `Module required username="…" password="…";`, or the same with `clientId`, `clientSecret` and
/// perhaps `scope`, as KIP-768 has it.
pub(super) fn jaas(c: &mut ClientConfig, text: &str) -> Parsed {
    let value = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        let quote = rest.chars().next().filter(|q| *q == '"' || *q == '\'')?;
        let (value, _) = rest[1..].split_once(quote)?;
        Some(value.to_owned())
    };
    let username = value("username").or_else(|| value("clientId"));
    let password = value("password").or_else(|| value("clientSecret"));
    let (Some(username), Some(password)) = (username, password) else {
        return Err("of the form: MODULE required username=\"…\" password=\"…\";".to_owned());
    };
    c.security.scope = value("scope").or(c.security.scope.take());
    (c.security.username, c.security.password) = (Some(username), Some(password.into()));
    Ok(())
}

pub(super) fn acks(p: &mut ProducerConfig, text: &str) -> Parsed {
    p.acks = match text.trim() {
        "0" => Acks::None,
        "1" => Acks::Leader,
        "all" | "-1" => Acks::All,
        _ => return Err("0, 1 or all".to_owned()),
    };
    p.enable_idempotence &= p.acks == Acks::All;
    Ok(())
}

pub(super) fn partitioner(p: &mut ProducerConfig, text: &str) -> Parsed {
    p.partitioner = crate::producer::partitioner::by_name(text.trim())?;
    Ok(())
}

/// An empty text stands for none.
pub(super) fn optional(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').filter_map(optional).collect()
}

pub(super) fn group_protocol(text: &str) -> Result<GroupProtocol, String> {
    Ok(match text.trim().to_ascii_lowercase().as_str() {
        "auto" => GroupProtocol::Auto,
        "classic" => GroupProtocol::Classic,
        "consumer" => GroupProtocol::Consumer,
        _ => return Err("auto, classic or consumer".to_owned()),
    })
}

pub(super) fn isolation_level(text: &str) -> Result<IsolationLevel, String> {
    Ok(match text.trim().to_ascii_lowercase().as_str() {
        "read_uncommitted" => IsolationLevel::ReadUncommitted,
        "read_committed" => IsolationLevel::ReadCommitted,
        _ => return Err("read_uncommitted or read_committed".to_owned()),
    })
}

/// Takes librdkafka's words beside Java's.
pub(super) fn offset_reset(text: &str) -> Result<AutoOffsetReset, String> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(duration) = text.strip_prefix("by_duration:") {
        let parsed = iso_duration::parse(duration).map(AutoOffsetReset::ByDuration);
        return parsed.ok_or_else(|| "after by_duration: a duration such as PT1H".to_owned());
    }
    Ok(match text.as_str() {
        "earliest" | "smallest" | "beginning" => AutoOffsetReset::Earliest,
        "latest" | "largest" | "end" => AutoOffsetReset::Latest,
        "none" | "error" => AutoOffsetReset::None,
        _ => return Err("earliest, latest, none or by_duration:PT1H".to_owned()),
    })
}
