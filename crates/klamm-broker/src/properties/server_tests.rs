//! What people have in their `server.properties` and in the environment of their containers.

use super::*;
use crate::broker::Broker;

fn properties(pairs: &[(&str, &str)]) -> ServerProperties {
    let mut properties = ServerProperties::new();
    for (name, value) in pairs {
        properties.set(name, value).unwrap();
    }
    properties
}

fn built(pairs: &[(&str, &str)]) -> Result<Builder, PropertiesError> {
    properties(pairs).apply(Broker::builder())
}

#[test]
fn a_stock_file_is_taken() {
    let effects: Vec<(&str, Effect)> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
        ("num.network.threads", "3"),
        ("socket.send.buffer.bytes", "102400"),
        ("log.dirs", "/tmp/kraft-combined-logs"),
        ("num.partitions", "7"),
        ("offsets.topic.replication.factor", "1"),
        ("log.retention.hours", "168"),
        ("log.segment.bytes", "1073741824"),
    ]
    .map(|(name, value)| (name, properties(&[]).set(name, value).unwrap()))
    .into();
    let silent = effects.iter().filter(|(_, effect)| *effect == Effect::Set).map(|row| row.0);
    let expected = [
        "listeners",
        "advertised.listeners",
        "controller.listener.names",
        "listener.security.protocol.map",
        "socket.send.buffer.bytes",
        "log.dirs",
        "num.partitions",
        "log.retention.hours",
        "log.segment.bytes",
    ];
    assert_eq!(silent.collect::<Vec<_>>(), expected);
}

#[test]
fn a_wrong_name_leads_to_the_nearest() {
    for (wrong, near) in [
        ("num.partition", "num.partitions"),
        ("ssl.keystore.locaton", "ssl.keystore.location"),
        ("advertised.listener", "advertised.listeners"),
        ("log.retention.hour", "log.retention.hours"),
    ] {
        let error = properties(&[]).set(wrong, "1").unwrap_err().to_string();
        assert!(error.ends_with(&format!("did you mean {near}?")), "{error}");
    }
    let error = properties(&[]).set("listener.name.x.listeners", "1").unwrap_err();
    assert!(matches!(error, SettingError::Unknown(_)));
}

#[test]
fn values_are_checked_where_they_are_given() {
    for (name, value) in [
        ("ssl.client.auth", "yes"),
        ("listener.name.x.ssl.client.auth", "yes"),
        ("ssl.keystore.type", "DER"),
        ("allow.everyone.if.no.acl.found", "1"),
        ("connections.max.reauth.ms", "soon"),
    ] {
        assert!(properties(&[]).set(name, value).is_err(), "{name}");
    }
}

#[test]
fn the_listener_decides_what_is_spoken() {
    let plain = built(&[("listeners", "PLAINTEXT://127.0.0.1:0"), ("ssl.keystore.key", "unused")]);
    assert_eq!(plain.unwrap().security_protocol(), "PLAINTEXT");
    let module = "PlainLoginModule required user_a=\"b\";";
    let sasl = [
        ("listeners", "EXTERNAL://127.0.0.1:0"),
        ("listener.security.protocol.map", "EXTERNAL:SASL_PLAINTEXT"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.external.plain.sasl.jaas.config", module),
    ];
    assert_eq!(built(&sasl).unwrap().security_protocol(), "SASL_PLAINTEXT");
    let inferred = [("sasl.enabled.mechanisms", "SCRAM-SHA-512"), ("num.partitions", "3")];
    assert_eq!(built(&inferred).unwrap().security_protocol(), "SASL_PLAINTEXT");
    let error = built(&[("listeners", "SSL://127.0.0.1:0")]).unwrap_err().to_string();
    assert!(error.contains("ssl.keystore.location"), "{error}");
    assert!(built(&[("log.dirs", "/a,/b")]).is_err());
}

#[test]
fn every_listener_speaks_its_own() {
    let listeners = "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,CONTROLLER://:9093";
    let common = [("listeners", listeners), ("controller.listener.names", "CONTROLLER")];
    let names = |builder: Builder| {
        builder.listeners().map(|one| one.security_protocol()).collect::<Vec<_>>()
    };
    let module = "PlainLoginModule required user_a=\"b\";";
    let own = [
        common[0],
        common[1],
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config", module),
    ];
    assert_eq!(names(built(&own).unwrap()), ["PLAINTEXT", "SASL_PLAINTEXT"]);
    let error = built(&own[..3]).unwrap_err().to_string();
    assert!(error.contains("listener.name.sasl_plaintext"), "{error}");
    assert_eq!(properties(&own).listener_names().unwrap(), ["PLAINTEXT", "SASL_PLAINTEXT"]);
    let mut given = properties(&own[..3]);
    given.sasl(SaslSettings::new().user("a", "b"));
    assert_eq!(names(given.apply(Broker::builder()).unwrap()), ["PLAINTEXT", "SASL_PLAINTEXT"]);
}

#[test]
fn users_that_no_listener_asks_for_are_not_forgotten_in_silence() {
    let users = |pairs: &[(&str, &str)]| {
        let mut properties = properties(pairs);
        properties.sasl(SaslSettings::new().user("a", "b"));
        properties.apply(Broker::builder())
    };
    let error = users(&[("listeners", "PLAINTEXT://127.0.0.1:0")]).unwrap_err().to_string();
    assert!(error.contains("SASL_PLAINTEXT://"), "{error}");
    assert_eq!(users(&[]).unwrap().security_protocol(), "SASL_PLAINTEXT");
    let mut encrypted = properties(&[("listeners", "PLAINTEXT://127.0.0.1:0")]);
    encrypted.tls(TlsSettings::new("", ""));
    assert!(encrypted.apply(Broker::builder()).unwrap_err().to_string().contains("SSL://"));
}

#[test]
fn containers_say_it_in_variables() {
    let mut properties = ServerProperties::new();
    let variables = [
        ("KAFKA_LISTENERS", "PLAINTEXT://127.0.0.1:0"),
        ("KAFKA_NUM_PARTITIONS", "12"),
        ("KAFKA_MESSAGE_MAX_BYTES", "5000000"),
        ("KAFKA_CREATE_TOPICS", "a:3:1,b:1:1:compact"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("PATH", "x"),
    ];
    let effects = properties.set_from_environment(variables);
    assert!(effects.iter().all(|(_, effect)| *effect == Ok(Effect::Set)), "{effects:?}");
    assert_eq!(effects.len(), 5);
    assert_eq!(properties.config.num_partitions, 12);
    let compact = Overrides::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let topics = [("a".to_owned(), 3, Overrides::new()), ("b".to_owned(), 1, compact)];
    assert_eq!(properties.topics, topics);
}

#[test]
fn nothing_shows_a_password() {
    let module = "PlainLoginModule required user_a=\"s3cret\";";
    let properties = properties(&[("sasl.jaas.config", module), ("ssl.keystore.key", "s3cret")]);
    assert!(!format!("{properties:?}").contains("s3cret"));
}
