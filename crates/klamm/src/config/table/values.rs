//! Texts into values, for the rows of the table.

use super::Parsed;
use crate::config::security::TlsConfig;
use crate::config::{Acks, ClientConfig, ProducerConfig};
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
