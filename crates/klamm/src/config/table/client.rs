//! What every kind of client can be told.

use super::values::{file, flag, int, jaas, keystore, ms, tls};
use super::{Apply, Key, Scope};
use crate::config::client::split_servers;
use crate::config::security::TlsRoots;

pub(super) const CLIENT: &[Key] = &[
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
];
