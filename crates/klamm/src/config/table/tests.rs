use super::*;
use crate::config::{Acks, AutoOffsetReset};
use std::time::Duration;

fn set_one(name: &str, value: &str) -> Result<(ClientConfig, ProducerConfig), ConfigError> {
    let (mut c, mut p) = (ClientConfig::new("h:1"), ProducerConfig::default());
    set(&mut c, &mut p, name, value)?;
    Ok((c, p))
}

#[test]
fn names_are_unique() {
    let mut all: Vec<&str> =
        table().flat_map(|k| std::iter::once(&k.name).chain(k.aliases)).copied().collect();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn unknown_name_leads_to_the_nearest() {
    let error = set_one("liner.ms", "5").unwrap_err();
    assert_eq!(error.to_string(), "unknown setting \"liner.ms\"; did you mean linger.ms?");
    assert!(matches!(set_one("xyz", "1"), Err(ConfigError::Unknown { nearest: None, .. })));
}

#[test]
fn both_names_lead_to_the_same_field() {
    for name in ["linger.ms", "queue.buffering.max.ms"] {
        assert_eq!(set_one(name, "7").unwrap().1.linger, Duration::from_millis(7));
    }
}

fn consume(name: &str, value: &str) -> Result<ConsumerConfig, ConfigError> {
    let (mut client, mut consumer) = (ClientConfig::new("h:1"), ConsumerConfig::default());
    set_consumer(&mut client, &mut consumer, name, value)?;
    Ok(consumer)
}

#[test]
fn every_default_of_a_consumer_is_the_one_the_table_says() {
    for key in table().filter(|k| k.scope == Scope::Consumer) {
        let default = match key.default {
            "-" | "broker's" => "",
            default => default,
        };
        for name in std::iter::once(&key.name).chain(key.aliases) {
            assert_eq!(consume(name, default).as_ref(), Ok(&ConsumerConfig::default()), "{name}");
        }
    }
}

#[test]
fn every_setting_of_a_consumer_has_its_effect() {
    let value = |name: &str| match name {
        "group.protocol" => "classic",
        "auto.offset.reset" => "earliest",
        "isolation.level" => "read_committed",
        "enable.auto.commit" | "check.crcs" | "exclude.internal.topics" => "false",
        _ => "7",
    };
    for key in table().filter(|k| k.scope == Scope::Consumer) {
        let set = consume(key.name, value(key.name)).unwrap();
        assert_ne!(set, ConsumerConfig::default(), "{}", key.name);
    }
}

#[test]
fn settings_of_the_other_side_have_no_effect() {
    let (mut client, mut consumer) = (ClientConfig::new("h:1"), ConsumerConfig::default());
    let note = set_consumer(&mut client, &mut consumer, "linger.ms", "1").unwrap();
    assert!(matches!(note, Note::NoEffect(_)));
    assert_eq!(set_consumer(&mut client, &mut consumer, "client.id", "x"), Ok(Note::Applied));
    let note = set(&mut client, &mut ProducerConfig::default(), "group.id", "g").unwrap();
    assert!(matches!(note, Note::NoEffect(_)));
    assert!(consume("grup.id", "g").unwrap_err().to_string().contains("group.id"));
}

#[test]
fn where_to_begin_is_said_in_javas_and_librdkafkas_words() {
    let hour = AutoOffsetReset::ByDuration(Duration::from_secs(3600));
    for (text, reset) in [
        ("earliest", AutoOffsetReset::Earliest),
        ("smallest", AutoOffsetReset::Earliest),
        ("beginning", AutoOffsetReset::Earliest),
        ("LATEST", AutoOffsetReset::Latest),
        ("end", AutoOffsetReset::Latest),
        ("largest", AutoOffsetReset::Latest),
        ("none", AutoOffsetReset::None),
        ("error", AutoOffsetReset::None),
        ("by_duration:PT1H", hour),
    ] {
        assert_eq!(consume("auto.offset.reset", text).unwrap().auto_offset_reset, reset, "{text}");
    }
    for text in ["", "first", "by_duration:", "by_duration:1h", "by_duration:-PT1H"] {
        assert!(consume("auto.offset.reset", text).is_err(), "{text}");
    }
}

#[test]
fn secrets_are_in_no_error_and_no_debug() {
    let canary = "c4n4ry";
    for (name, value) in [
        ("sasl.jaas.config", format!("nonsense {canary}")),
        ("sasl.jaas.config", format!("M required username=\"u\" password=\"{canary}\";")),
        ("sasl.password", canary.to_owned()),
        ("sasl.oauthbearer.client.secret", canary.to_owned()),
        ("sasl.jaas.config", format!("M required clientId=\"u\" clientSecret=\"{canary}\";")),
        ("ssl.keystore.key", canary.to_owned()),
    ] {
        let shown = match set_one(name, &value) {
            Ok((c, p)) => format!("{c:?} {p:?}"),
            Err(e) => format!("{e} {e:?}"),
        };
        assert!(!shown.contains(canary), "{name}: {shown}");
    }
}

#[test]
fn oauthbearer_is_complete_by_settings_alone() {
    let endpoint = ("sasl.oauthbearer.token.endpoint.url", "https://issuer.example/token");
    let jaas = "M required clientId=\"u\" clientSecret=\"p\" scope=\"s\";";
    let try_with = |settings: &[(&str, &str)]| {
        let (mut client, mut producer) = (ClientConfig::new("b:1"), ProducerConfig::default());
        for (name, value) in settings {
            set(&mut client, &mut producer, name, value).unwrap();
        }
        client.connection_settings().map(|settings| settings.sasl.is_some())
    };
    let mechanism = ("sasl.mechanism", "OAUTHBEARER");
    let id = ("sasl.oauthbearer.client.credentials.client.id", "u");
    let secret = ("sasl.oauthbearer.client.credentials.client.secret", "p");
    assert_eq!(try_with(&[mechanism, endpoint, ("sasl.jaas.config", jaas)]), Ok(true));
    assert_eq!(try_with(&[mechanism, endpoint, id, secret]), Ok(true));
    let error = try_with(&[mechanism, id, secret]).unwrap_err().to_string();
    assert!(error.contains(endpoint.0), "{error}");
    assert!(try_with(&[mechanism, endpoint, id]).is_err());
    let clear = (endpoint.0, "http://issuer.example/token");
    assert!(try_with(&[mechanism, clear, id, secret]).is_err());
}

#[test]
fn idempotence_and_acks_do_not_contradict() {
    assert!(set_one("acks", "1").unwrap().1.validate().is_ok());
    let conflicting = ProducerConfig::default().acks(Acks::Leader).idempotence(true);
    assert!(conflicting.validate().is_err());
    assert!(ProducerConfig::default().max_in_flight(6).validate().is_err());
}

#[test]
fn reference_page_is_up_to_date() {
    let page = include_str!("../../../../../docs/configuration.md");
    assert_eq!(
        page,
        reference(),
        "write it anew: cargo run -p klamm --example settings > docs/configuration.md"
    );
}
