//! What `--secure` adds: the settings of the listeners with TLS and SASL, the users, the one access rule.

use std::path::Path;

use super::certificates;
use super::spec::{Listener, Spec};
use crate::failure::{Doing, Result};

/// Everyone who may log in with PLAIN and SCRAM.
pub(crate) const USERS: [(&str, &str); 3] =
    [("admin", "admin-secret"), ("alice", "alice-secret"), ("bob", "bob-secret")];
/// Only alice may touch a topic or group whose name begins so; all other names are open to all.
pub(crate) const FORBIDDEN: &str = "forbidden";
const MECHANISMS: &str = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER";
const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// The settings of the listeners of a node, with the certificates found in `tls`.
pub(crate) fn settings(spec: &Spec, tls: &Path) -> Result<Vec<(String, String)>> {
    let mut settings = vec![
        ("authorizer.class.name".to_owned(), AUTHORIZER.to_owned()),
        ("super.users".to_owned(), "User:ANONYMOUS;User:admin".to_owned()),
        ("allow.everyone.if.no.acl.found".to_owned(), "true".to_owned()),
    ];
    for listener in spec.listeners() {
        let prefix = format!("listener.name.{}.", listener.to_string().to_lowercase());
        let mut put = |name: &str, value: String| settings.push((format!("{prefix}{name}"), value));
        if listener.has_tls() {
            let certificate = match listener {
                Listener::Expired => "expired",
                Listener::WrongName => "wrong-name",
                _ => "server",
            };
            tls_settings(&mut put, tls, certificate)?;
        }
        if listener == Listener::Mtls {
            put("ssl.client.auth", "required".to_owned());
        }
        if listener.has_sasl() {
            sasl_settings(&mut put);
        }
        if listener == Listener::Reauth {
            put("connections.max.reauth.ms", spec.reauth_ms.to_string());
        }
    }
    Ok(settings)
}

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

fn tls_settings(put: &mut impl FnMut(&str, String), tls: &Path, name: &str) -> Result<()> {
    let (certificate, key) = certificates::files(tls, name);
    let read = |path: &Path| {
        std::fs::read_to_string(path).doing(format_args!("cannot read {}", path.display()))
    };
    put("ssl.keystore.type", "PEM".to_owned());
    put("ssl.keystore.certificate.chain", read(&certificate)?);
    put("ssl.keystore.key", read(&key)?);
    put("ssl.truststore.type", "PEM".to_owned());
    put("ssl.truststore.certificates", read(&tls.join("ca.pem"))?);
    Ok(())
}

fn sasl_settings(put: &mut impl FnMut(&str, String)) {
    put("sasl.enabled.mechanisms", MECHANISMS.to_owned());
    let users: String =
        USERS.iter().map(|(user, password)| format!(" user_{user}=\"{password}\"")).collect();
    let plain = format!("org.apache.kafka.common.security.plain.PlainLoginModule required{users};");
    put("plain.sasl.jaas.config", plain);
    for mechanism in SCRAM {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        put(&format!("{}.sasl.jaas.config", mechanism.to_lowercase()), module.to_owned());
    }
    // Kafka's own validator for tests: any unsigned token that names a subject and has not run out.
    put(
        "oauthbearer.sasl.jaas.config",
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
         unsecuredLoginStringClaim_sub=\"broker\";"
            .to_owned(),
    );
}

/// The arguments that make StorageTool write the SCRAM users into the first metadata (KIP-900).
pub(crate) fn format_args() -> Vec<String> {
    let mut args = Vec::new();
    for mechanism in SCRAM {
        for (user, password) in USERS {
            args.push("--add-scram".to_owned());
            args.push(format!("{mechanism}=[name={user},password={password}]"));
        }
    }
    args
}

/// The arguments of Kafka's AclCommand for the rule of [`FORBIDDEN`].
pub(crate) fn acl_args(bootstrap: &str) -> Vec<String> {
    let words = [
        "--bootstrap-server",
        bootstrap,
        "--add",
        "--allow-principal",
        "User:alice",
        "--operation",
        "All",
        "--topic",
        FORBIDDEN,
        "--group",
        FORBIDDEN,
        "--resource-pattern-type",
        "prefixed",
    ];
    words.map(str::to_owned).to_vec()
}

/// What a client needs to know, as name and value: addresses, files, users.
pub(crate) fn facts(spec: &Spec, tls: &Path) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    for listener in spec.listeners() {
        if listener.has_tls() || listener.has_sasl() {
            facts.push((listener.to_string().to_lowercase(), spec.addresses(listener)));
        }
    }
    facts.push(("tls_dir".to_owned(), tls.display().to_string()));
    for (name, file) in [
        ("ca", "ca.pem"),
        ("client_cert", "client.pem"),
        ("client_key", "client.key"),
        ("other_ca", "other-ca.pem"),
    ] {
        facts.push((name.to_owned(), tls.join(file).display().to_string()));
    }
    let users = USERS.map(|(user, password)| format!("{user}:{password}"));
    facts.push(("users".to_owned(), users.join(",")));
    facts.push(("forbidden_prefix".to_owned(), FORBIDDEN.to_owned()));
    facts
}
