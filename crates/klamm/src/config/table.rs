//! The one table of settings: Kafka's names, other clients' names for the same, and what they do here.

use super::client::split_servers;
use super::security::{TlsConfig, TlsRoots};
use super::{Acks, ClientConfig, ConfigError, ProducerConfig};
use std::time::Duration;

/// What a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every kind of client.
    Client,
    /// Producers.
    Producer,
    /// Known to Kafka's Java client, without meaning here.
    Accepted,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Kafka's name, or klamm's own where Kafka has no such setting.
    pub name: &'static str,
    /// librdkafka's names for the same.
    pub aliases: &'static [&'static str],
    /// What it belongs to.
    pub scope: Scope,
    /// The default as text.
    pub default: &'static str,
    /// What it does, in one sentence; where klamm departs from Java, why.
    pub doc: &'static str,
    apply: Apply,
}

/// A remark on a setting that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It has its effect.
    Applied,
    /// It is known and has no effect here; the text says why.
    NoEffect(&'static str),
}

type Parsed = Result<(), String>;

#[derive(Debug, Clone, Copy)]
enum Apply {
    Client(fn(&mut ClientConfig, &str) -> Parsed),
    Producer(fn(&mut ProducerConfig, &str) -> Parsed),
    Nothing,
}

/// Every setting, by name.
pub fn table() -> &'static [Key] {
    TABLE
}

/// Sets one setting by name, as `client.properties` and `-X` have it.
///
/// # Errors
/// [`ConfigError::Unknown`] naming the nearest setting, or [`ConfigError::Invalid`].
pub fn set(
    client: &mut ClientConfig,
    producer: &mut ProducerConfig,
    name: &str,
    value: &str,
) -> Result<Note, ConfigError> {
    let key = TABLE.iter().find(|k| k.name == name || k.aliases.contains(&name));
    let Some(key) = key else {
        return Err(ConfigError::Unknown { name: name.to_owned(), nearest: nearest(name) });
    };
    let parsed = match key.apply {
        Apply::Client(apply) => apply(client, value),
        Apply::Producer(apply) => apply(producer, value),
        Apply::Nothing => return Ok(Note::NoEffect(key.doc)),
    };
    parsed.map_err(|reason| ConfigError::invalid(name, reason))?;
    Ok(Note::Applied)
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Settings\n\nNames and defaults are those of Kafka's Java client; the names in brackets are librdkafka's. \
         Made from `crates/klamm/src/config/table.rs`.\n",
    );
    let scopes = [
        (Scope::Client, "Every client"),
        (Scope::Producer, "Producer"),
        (Scope::Accepted, "Accepted without effect"),
    ];
    for (scope, title) in scopes {
        out.push_str(&format!(
            "\n## {title}\n\n| name | default | what it does |\n|---|---|---|\n"
        ));
        for key in TABLE.iter().filter(|k| k.scope == scope) {
            let aliases = if key.aliases.is_empty() {
                String::new()
            } else {
                format!(" [`{}`]", key.aliases.join("`, `"))
            };
            out.push_str(&format!("| `{}`{aliases} | {} | {} |\n", key.name, key.default, key.doc));
        }
    }
    out.push_str(EQUIVALENTS);
    out
}

const EQUIVALENTS: &str = "\n## Coming from another client\n\n| there | here |\n|---|---|\n\
| kafka-go `BatchSize` (messages) | none: batches are counted in bytes, `batch.size` |\n\
| kafka-go `BatchBytes` | `batch.max.bytes` |\n\
| kafka-go `BatchTimeout` | `linger.ms` |\n\
| kafka-go `MaxAttempts` | `retries`, and above all `delivery.timeout.ms` |\n\
| kafka-go `WriteTimeout` | `request.timeout.ms` |\n\
| kafka-go `RequiredAcks` | `acks` |\n\
| kafka-go `Async` | `enqueue` instead of `send`; outcomes are never lost |\n\
| kafka-go `Completion` | `ProducerConfig::on_batch` |\n\
| kafka-go `Balancer` | `ProducerConfig::partitioner`, or `partitioner` by name |\n\
| franz-go `RequiredAcks(AllISRAcks())` | `acks=all`, the default |\n\
| franz-go `MaxBufferedRecords` | `buffer.memory`, in bytes |\n\
| franz-go `ProducerBatchMaxBytes` | `batch.max.bytes` |\n\
| franz-go `ProducerLinger` | `linger.ms` |\n\
| franz-go `RecordRetries` | `retries` |\n\
| franz-go `ProducerBatchCompression` | `compression.type` |\n";

/// The name at the smallest edit distance, if that is small for a name of this length.
fn nearest(name: &str) -> Option<&'static str> {
    let names = TABLE.iter().flat_map(|k| std::iter::once(&k.name).chain(k.aliases));
    let (distance, best) = names.map(|n| (edit_distance(name, n), *n)).min()?;
    (distance <= 2 + name.len() / 5).then_some(best)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn int<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "a whole number".to_owned())
}

fn ms(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(int(text)?))
}

fn flag(text: &str) -> Result<bool, String> {
    text.trim().parse().map_err(|_| "true or false".to_owned())
}

fn file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

fn tls(c: &mut ClientConfig) -> &mut TlsConfig {
    c.tls.get_or_insert_default()
}

/// Splits a PEM file that has both certificates and a key.
fn keystore(c: &mut ClientConfig, pem: String) {
    c.security.private_key = Some(pem.clone().into());
    c.security.certificate_chain = Some(pem);
    tls(c);
}

/// Reads `Module required username="…" password="…";`, or the same with `clientId`, `clientSecret` and
/// perhaps `scope`, as KIP-768 has it.
fn jaas(c: &mut ClientConfig, text: &str) -> Parsed {
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

fn acks(p: &mut ProducerConfig, text: &str) -> Parsed {
    p.acks = match text.trim() {
        "0" => Acks::None,
        "1" => Acks::Leader,
        "all" | "-1" => Acks::All,
        _ => return Err("0, 1 or all".to_owned()),
    };
    p.enable_idempotence &= p.acks == Acks::All;
    Ok(())
}

fn partitioner(p: &mut ProducerConfig, text: &str) -> Parsed {
    p.partitioner = crate::producer::partitioner::by_name(text.trim())?;
    Ok(())
}

macro_rules! key {
    ($scope:ident, $name:literal, [$($alias:literal),*], $default:literal, $doc:literal, $apply:expr) => {
        Key { name: $name, aliases: &[$($alias),*], scope: Scope::$scope, default: $default, doc: $doc, apply: Apply::$scope($apply) }
    };
}

macro_rules! accepted {
    ($name:literal, $doc:literal) => {
        Key {
            name: $name,
            aliases: &[],
            scope: Scope::Accepted,
            default: "-",
            doc: $doc,
            apply: Apply::Nothing,
        }
    };
}

const TABLE: &[Key] = &[
    key!(
        Client,
        "bootstrap.servers",
        ["metadata.broker.list"],
        "-",
        "Brokers to ask first, as `host:port`, separated by commas.",
        |c, v| {
            c.bootstrap_servers = split_servers(v);
            Ok(())
        }
    ),
    key!(
        Client,
        "client.id",
        [],
        "klamm",
        "The name that brokers log and count requests under.",
        |c, v| {
            c.client_id = v.to_owned();
            Ok(())
        }
    ),
    key!(
        Client,
        "request.timeout.ms",
        ["socket.timeout.ms"],
        "30000",
        "How long a request may go without an answer; then its connection is closed.",
        |c, v| {
            c.request_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "retry.backoff.ms",
        [],
        "100",
        "Wait before the second try; doubles with each failure, ±20 %.",
        |c, v| {
            c.retry_backoff = ms(v)?;
            Ok(())
        }
    ),
    key!(Client, "retry.backoff.max.ms", [], "1000", "Longest wait between tries.", |c, v| {
        c.retry_backoff_max = ms(v)?;
        Ok(())
    }),
    key!(
        Client,
        "reconnect.backoff.ms",
        [],
        "50",
        "Wait before a broker is connected to again; doubles with each failure, ±20 %.",
        |c, v| {
            c.reconnect_backoff = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "reconnect.backoff.max.ms",
        [],
        "1000",
        "Longest wait between connection attempts to one broker.",
        |c, v| {
            c.reconnect_backoff_max = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "metadata.max.age.ms",
        ["topic.metadata.refresh.interval.ms"],
        "300000",
        "Age at which metadata is refreshed without a reason.",
        |c, v| {
            c.metadata_max_age = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "socket.connection.setup.timeout.ms",
        [],
        "10000",
        "Limit for TCP, TLS, version negotiation and SASL together.",
        |c, v| {
            c.connection_setup_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "connections.max.idle.ms",
        [],
        "540000",
        "A connection without requests is closed after this.",
        |c, v| {
            c.connections_max_idle = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "receive.message.max.bytes",
        [],
        "104857600",
        "Largest response that is accepted.",
        |c, v| {
            c.receive_max_bytes = int(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "send.buffer.bytes",
        ["socket.send.buffer.bytes"],
        "system",
        "Kernel buffer for sending; -1 leaves it to the system, which adapts it to the link.",
        |c, v| {
            c.send_buffer_bytes = usize::try_from(int::<i64>(v)?).ok();
            Ok(())
        }
    ),
    key!(
        Client,
        "receive.buffer.bytes",
        ["socket.receive.buffer.bytes"],
        "system",
        "Kernel buffer for receiving; -1 leaves it to the system.",
        |c, v| {
            c.receive_buffer_bytes = usize::try_from(int::<i64>(v)?).ok();
            Ok(())
        }
    ),
    key!(
        Client,
        "allow.auto.create.topics",
        [],
        "false",
        "Lets the cluster create a topic when it is first used; off here, because a typo should not become a topic.",
        |c, v| {
            c.allow_auto_create_topics = flag(v)?;
            Ok(())
        }
    ),
    key!(
        Client,
        "security.protocol",
        [],
        "PLAINTEXT",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
        |c, v| {
            c.security.protocol = Some(v.trim().to_uppercase());
            Ok(())
        }
    ),
    key!(
        Client,
        "sasl.mechanism",
        ["sasl.mechanisms"],
        "-",
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.",
        |c, v| {
            c.security.mechanism = Some(v.trim().to_owned());
            Ok(())
        }
    ),
    key!(Client, "sasl.jaas.config", [], "-", "Java's form of user name and password.", jaas),
    key!(
        Client,
        "sasl.oauthbearer.token.endpoint.url",
        [],
        "-",
        "Where OAUTHBEARER gets its tokens, by the client-credentials grant.",
        |c, v| {
            c.security.token_endpoint = Some(v.trim().to_owned());
            Ok(())
        }
    ),
    key!(
        Client,
        "sasl.oauthbearer.client.credentials.client.id",
        ["sasl.oauthbearer.client.id"],
        "-",
        "The client's id at the token endpoint.",
        |c, v| {
            c.security.username = Some(v.to_owned());
            Ok(())
        }
    ),
    key!(
        Client,
        "sasl.oauthbearer.client.credentials.client.secret",
        ["sasl.oauthbearer.client.secret"],
        "-",
        "The client's secret at the token endpoint.",
        |c, v| {
            c.security.password = Some(v.to_owned().into());
            Ok(())
        }
    ),
    key!(
        Client,
        "sasl.oauthbearer.scope",
        [],
        "-",
        "The scope to ask the token endpoint for.",
        |c, v| {
            c.security.scope = Some(v.to_owned());
            Ok(())
        }
    ),
    key!(Client, "sasl.username", [], "-", "User name for PLAIN and SCRAM.", |c, v| {
        c.security.username = Some(v.to_owned());
        Ok(())
    }),
    key!(Client, "sasl.password", [], "-", "Password for PLAIN and SCRAM.", |c, v| {
        c.security.password = Some(v.to_owned().into());
        Ok(())
    }),
    key!(
        Client,
        "ssl.truststore.location",
        ["ssl.ca.location"],
        "system",
        "PEM file with the authorities to trust; `bundled` takes Mozilla's list instead of the system's.",
        |c, v| {
            tls(c).roots = if v == "bundled" { TlsRoots::Bundled } else { TlsRoots::Pem(file(v)?) };
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.truststore.certificates",
        ["ssl.ca.pem"],
        "-",
        "The authorities to trust, as PEM text.",
        |c, v| {
            tls(c).roots = TlsRoots::Pem(v.to_owned());
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.keystore.location",
        [],
        "-",
        "PEM file with client certificate and key.",
        |c, v| {
            keystore(c, file(v)?);
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.keystore.certificate.chain",
        ["ssl.certificate.pem"],
        "-",
        "Client certificate, as PEM text.",
        |c, v| {
            c.security.certificate_chain = Some(v.to_owned());
            tls(c);
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.keystore.key",
        ["ssl.key.pem"],
        "-",
        "Key of the client certificate, as PEM text.",
        |c, v| {
            c.security.private_key = Some(v.to_owned().into());
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.certificate.location",
        [],
        "-",
        "PEM file with the client certificate.",
        |c, v| {
            c.security.certificate_chain = Some(file(v)?);
            tls(c);
            Ok(())
        }
    ),
    key!(
        Client,
        "ssl.key.location",
        [],
        "-",
        "PEM file with the key of the client certificate.",
        |c, v| {
            c.security.private_key = Some(file(v)?.into());
            Ok(())
        }
    ),
    key!(
        Client,
        "enable.ssl.certificate.verification",
        [],
        "true",
        "`false` accepts every certificate: no protection at all.",
        |c, v| {
            tls(c).danger_accept_any_certificate = !flag(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "acks",
        ["request.required.acks"],
        "all",
        "0, 1 or all; less than all switches idempotence off.",
        acks
    ),
    key!(
        Producer,
        "enable.idempotence",
        [],
        "true",
        "Numbers batches so that retries never duplicate or reorder.",
        |p, v| {
            p.enable_idempotence = flag(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "linger.ms",
        ["queue.buffering.max.ms"],
        "5",
        "How long a batch waits for company; a record that is awaited on an idle connection does not wait.",
        |p, v| {
            p.linger = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "batch.size",
        [],
        "65536",
        "Bytes from which a batch is sent as soon as a slot is free; 16384 in Java, where a batch cannot grow further.",
        |p, v| {
            p.batch_size = int(v)?;
            p.batch_max_bytes = p.batch_max_bytes.max(p.batch_size);
            Ok(())
        }
    ),
    key!(
        Producer,
        "batch.max.bytes",
        [],
        "1000000",
        "Bytes up to which a batch grows while no slot is free; on a slow link this, not `batch.size`, decides the rate.",
        |p, v| {
            p.batch_max_bytes = int(v)?;
            p.batch_size = p.batch_size.min(p.batch_max_bytes);
            Ok(())
        }
    ),
    key!(
        Producer,
        "buffer.memory",
        [],
        "33554432",
        "Bytes for records without an acknowledgement; callers wait when it is full.",
        |p, v| {
            p.buffer_memory = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.in.flight.requests.per.connection",
        ["max.in.flight"],
        "5",
        "Unanswered requests per connection and batches per partition.",
        |p, v| {
            p.max_in_flight = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.request.size",
        ["message.max.bytes"],
        "4194304",
        "Largest record, and about the largest request; 1 MiB in Java, too little for many full batches in one request.",
        |p, v| {
            p.max_request_size = int(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "max.block.ms",
        [],
        "60000",
        "How long a call may wait for memory or metadata.",
        |p, v| {
            p.max_block = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "delivery.timeout.ms",
        ["message.timeout.ms"],
        "120000",
        "From enqueuing to an outcome.",
        |p, v| {
            p.delivery_timeout = ms(v)?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "retries",
        ["message.send.max.retries"],
        "4294967295",
        "Failed tries that a batch survives; the delivery timeout is the better limit.",
        |p, v| {
            p.retries = u32::try_from(int::<u64>(v)?).unwrap_or(u32::MAX);
            Ok(())
        }
    ),
    key!(
        Producer,
        "compression.type",
        ["compression.codec"],
        "none",
        "none, gzip, snappy, lz4 or zstd.",
        |p, v| {
            p.codec = v.trim().parse().map_err(|_| "none, gzip, snappy, lz4 or zstd".to_owned())?;
            Ok(())
        }
    ),
    key!(
        Producer,
        "compression.level",
        [],
        "codec's own",
        "gzip 1 to 9 (6), lz4 1 to 17, zstd -7 to 22 (3).",
        |p, v| {
            p.level = Some(int(v)?);
            Ok(())
        }
    ),
    key!(Producer, "compression.gzip.level", [], "6", "Level for gzip.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Gzip {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(Producer, "compression.lz4.level", [], "1", "Level for lz4.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Lz4 {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(Producer, "compression.zstd.level", [], "3", "Level for zstd.", |p, v| {
        let level = int(v)?;
        if p.codec == klamm_protocol::compression::Codec::Zstd {
            p.level = Some(level)
        };
        Ok(())
    }),
    key!(
        Producer,
        "partitioner",
        ["partitioner.class"],
        "default",
        "default, round_robin, or another client's rule: see the partitioner module.",
        partitioner
    ),
    accepted!("key.serializer", "Keys are bytes here."),
    accepted!("value.serializer", "Values are bytes here."),
    accepted!("enable.metrics.push", "Client metrics are not pushed to brokers."),
    accepted!("metric.reporters", "There are no Java reporters here."),
    accepted!("client.dns.lookup", "All addresses of a name are tried, always."),
    accepted!("ssl.truststore.type", "Stores are PEM here."),
    accepted!("ssl.keystore.type", "Stores are PEM here."),
    accepted!(
        "ssl.endpoint.identification.algorithm",
        "Names are always checked; `enable.ssl.certificate.verification=false` is the switch."
    ),
    accepted!(
        "partitioner.adaptive.partitioning.enable",
        "Keyless records always avoid partitions with a backlog."
    ),
    accepted!(
        "metadata.recovery.strategy",
        "The bootstrap servers are asked again whenever no known broker answers."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn set_one(name: &str, value: &str) -> Result<(ClientConfig, ProducerConfig), ConfigError> {
        let (mut c, mut p) = (ClientConfig::new("h:1"), ProducerConfig::default());
        set(&mut c, &mut p, name, value)?;
        Ok((c, p))
    }

    #[test]
    fn names_are_unique() {
        let mut all: Vec<&str> =
            TABLE.iter().flat_map(|k| std::iter::once(&k.name).chain(k.aliases)).copied().collect();
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
        let page = include_str!("../../../../docs/configuration.md");
        assert_eq!(
            page,
            reference(),
            "write it anew: cargo run -p klamm --example settings > docs/configuration.md"
        );
    }
}
