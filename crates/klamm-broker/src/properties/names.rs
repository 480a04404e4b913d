//! Pure: names that are settings of listeners, security and places, beside those of [`crate::config`].

/// What becomes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Read by [`super::ServerProperties::apply`].
    Read,
    /// Read, and may stand behind `listener.name.NAME.`.
    PerListener,
    /// Read, and stands behind `listener.name.NAME.MECHANISM.`.
    PerMechanism,
    /// Changes nothing here, for this reason.
    Nothing(&'static str),
}

use Use::{Nothing, PerListener, PerMechanism, Read};

const BETWEEN_BROKERS: Use = Nothing("nodes of one process need no connection between them");
const TLS_CHOICES: Use =
    Nothing("rustls chooses among the ciphers of TLS 1.2 and 1.3 that are sound");
const PEM_HAS_NONE: Use = Nothing("PEM has no password; a key of its own must not be encrypted");

const NAMES: &[(&str, Use)] = &[
    ("advertised.listeners", Read),
    ("allow.everyone.if.no.acl.found", Read),
    ("authorizer.class.name", Read),
    ("connections.max.reauth.ms", PerListener),
    ("controller.listener.names", Read),
    ("inter.broker.listener.name", BETWEEN_BROKERS),
    ("listener.security.protocol.map", Read),
    ("listeners", Read),
    ("log.dir", Read),
    ("log.dirs", Read),
    ("principal.builder.class", Nothing("principals are those of DefaultKafkaPrincipalBuilder")),
    ("queued.max.request.bytes", Read),
    ("sasl.enabled.mechanisms", PerListener),
    ("sasl.jaas.config", PerMechanism),
    ("sasl.kerberos.service.name", Nothing("GSSAPI is not offered")),
    ("sasl.login.callback.handler.class", Nothing("classes cannot be loaded")),
    ("sasl.login.class", Nothing("classes cannot be loaded")),
    ("sasl.mechanism.controller.protocol", BETWEEN_BROKERS),
    ("sasl.mechanism.inter.broker.protocol", BETWEEN_BROKERS),
    ("sasl.server.max.receive.size", Nothing("it is 524288, Kafka's default")),
    ("security.inter.broker.protocol", BETWEEN_BROKERS),
    ("ssl.allow.dn.changes", Nothing("certificates are read once, at the start")),
    ("ssl.allow.san.changes", Nothing("certificates are read once, at the start")),
    ("ssl.cipher.suites", TLS_CHOICES),
    ("ssl.client.auth", PerListener),
    ("ssl.enabled.protocols", PerListener),
    ("ssl.endpoint.identification.algorithm", BETWEEN_BROKERS),
    ("ssl.engine.factory.class", Nothing("classes cannot be loaded")),
    ("ssl.key.password", PerListener),
    ("ssl.keymanager.algorithm", TLS_CHOICES),
    ("ssl.keystore.certificate.chain", PerListener),
    ("ssl.keystore.key", PerListener),
    ("ssl.keystore.location", PerListener),
    ("ssl.keystore.password", PEM_HAS_NONE),
    ("ssl.keystore.type", PerListener),
    ("ssl.principal.mapping.rules", PerListener),
    ("ssl.protocol", TLS_CHOICES),
    ("ssl.provider", TLS_CHOICES),
    ("ssl.secure.random.implementation", TLS_CHOICES),
    ("ssl.trustmanager.algorithm", TLS_CHOICES),
    ("ssl.truststore.certificates", PerListener),
    ("ssl.truststore.location", PerListener),
    ("ssl.truststore.password", PEM_HAS_NONE),
    ("ssl.truststore.type", PerListener),
    ("super.users", Read),
];

/// Every name, for whoever looks for the nearest.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|row| row.0)
}

/// What becomes of a name; none when it is not one of these.
pub(super) fn usage(name: &str) -> Option<Use> {
    let of = |name: &str| NAMES.iter().find(|row| row.0 == name).map(|row| row.1);
    let Some(rest) = name.strip_prefix("listener.name.") else {
        return of(name);
    };
    let (_listener, own) = rest.split_once('.')?;
    if let Some(usage @ (PerListener | Nothing(_))) = of(own) {
        return Some(usage);
    }
    let (_mechanism, own) = own.split_once('.')?;
    of(own).filter(|usage| matches!(usage, PerMechanism | Nothing(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_belongs_to_a_listener_may_name_it() {
        for (name, expected) in [
            ("listeners", Some(Read)),
            ("ssl.keystore.type", Some(PerListener)),
            ("listener.name.external.ssl.keystore.type", Some(PerListener)),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", Some(PerMechanism)),
            ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", Some(PerMechanism)),
            ("listener.name.x.listeners", None),
            ("listener.name.x.plain.ssl.keystore.type", None),
            ("listener.name.x", None),
            ("ssl.keystore.typ", None),
        ] {
            assert_eq!(usage(name), expected, "{name}");
        }
    }
}
