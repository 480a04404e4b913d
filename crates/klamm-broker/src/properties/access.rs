//! What properties say of certificates, users and rights.

use super::error::PropertiesError;
use super::jaas;
use super::listener::items;
use super::store::{Store, check_key};
use crate::security::{AclSettings, ClientAuth, SaslSettings, TlsSettings};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;

/// Kafka's classes that mean ACLs as they are here.
const AUTHORIZERS: [&str; 3] = [
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "kafka.security.authorizer.AclAuthorizer",
    "kafka.security.auth.SimpleAclAuthorizer",
];

/// The values given, as one listener sees them: what names it comes before what does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) values: &'a BTreeMap<String, SecretString>,
    pub(super) listener: &'a str,
}

impl<'a> View<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let own = format!("{}{name}", self.prefix());
        let value = self.values.get(&own).or_else(|| self.values.get(name));
        value.map(|value| value.expose_secret().trim()).filter(|value| !value.is_empty())
    }

    fn prefix(&self) -> String {
        format!("listener.name.{}.", self.listener.to_ascii_lowercase())
    }

    /// Names and texts of the login modules of this listener.
    fn modules(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let prefix = self.prefix();
        let modules = self.values.iter().filter(move |(name, _)| {
            let own = name.starts_with(&prefix) || name.as_str() == "sasl.jaas.config";
            own && name.ends_with("sasl.jaas.config")
        });
        modules.map(|(name, text)| (name.as_str(), text.expose_secret()))
    }

    /// Whether a certificate is given.
    pub(super) fn has_certificate(&self) -> bool {
        self.get("ssl.keystore.location").or(self.get("ssl.keystore.certificate.chain")).is_some()
    }

    /// Whether anything is said of logins.
    pub(super) fn has_logins(&self) -> bool {
        self.get("sasl.enabled.mechanisms").is_some() || self.modules().next().is_some()
    }

    /// TLS as the `ssl.` settings describe it.
    ///
    /// # Errors
    /// [`PropertiesError`]
    pub(super) fn tls(&self) -> Result<TlsSettings, PropertiesError> {
        let (chain, key) = self.certificate()?;
        let mut tls = TlsSettings::new(chain, key);
        let auth = match self.get("ssl.client.auth") {
            Some("required") => ClientAuth::Required,
            Some("requested") => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        match (auth, self.trusted()?) {
            (ClientAuth::None, _) => {}
            (auth, Some(ca)) => tls = tls.client_certificates(ca, auth),
            (_, None) => {
                return Err(PropertiesError::Unusable(
                    "ssl.client.auth asks for certificates of clients: ssl.truststore.location or \
                     ssl.truststore.certificates has to say whose are trusted"
                        .to_owned(),
                ));
            }
        }
        if let Some(rules) = self.get("ssl.principal.mapping.rules") {
            tls = tls.principal_mapping_rules(rules)?;
        }
        self.versions(tls)
    }

    fn versions(&self, tls: TlsSettings) -> Result<TlsSettings, PropertiesError> {
        let Some(versions) = self.get("ssl.enabled.protocols") else { return Ok(tls) };
        let versions: Vec<&str> = items(versions).collect();
        match versions.iter().find(|version| !matches!(**version, "TLSv1.2" | "TLSv1.3")) {
            Some(version) => Err(PropertiesError::Unusable(format!(
                "ssl.enabled.protocols: {version} is not served; TLSv1.2 and TLSv1.3 are"
            ))),
            None => Ok(tls.versions(versions.contains(&"TLSv1.2"), versions.contains(&"TLSv1.3"))),
        }
    }

    fn certificate(&self) -> Result<(String, String), PropertiesError> {
        let chain = self.get("ssl.keystore.certificate.chain").map(pem);
        if let (Some(chain), Some(key)) = (chain, self.get("ssl.keystore.key").map(pem)) {
            check_key("ssl.keystore.key", "key.pem", &key)?;
            return Ok((chain, key));
        }
        let missing = || PropertiesError::NoCertificate(self.listener.to_owned());
        let path = self.get("ssl.keystore.location").ok_or_else(missing)?;
        let text = Store::Key.read(path, self.get("ssl.keystore.type"))?;
        check_key("ssl.keystore.location", path, &text)?;
        Ok((text.clone(), text))
    }

    fn trusted(&self) -> Result<Option<String>, PropertiesError> {
        if let Some(text) = self.get("ssl.truststore.certificates") {
            return Ok(Some(pem(text)));
        }
        let read = |path| Store::Trust.read(path, self.get("ssl.truststore.type"));
        self.get("ssl.truststore.location").map(read).transpose()
    }

    /// SASL as the `sasl.` settings describe it.
    ///
    /// # Errors
    /// [`PropertiesError`]
    pub(super) fn sasl(&self) -> Result<SaslSettings, PropertiesError> {
        let mut sasl = SaslSettings::new();
        let mechanisms: Vec<&str> =
            self.get("sasl.enabled.mechanisms").map_or(Vec::new(), |text| items(text).collect());
        if !mechanisms.is_empty() {
            sasl = sasl.mechanisms(&mechanisms)?;
        }
        let mut users = 0;
        for (setting, text) in self.modules() {
            let jaas = |why| PropertiesError::Jaas { setting: setting.to_owned(), why };
            for (name, password) in jaas::users(text).map_err(jaas)? {
                sasl = sasl.user(&name, password);
                users += 1;
            }
        }
        // Users of SCRAM may be in the broker's journal, or come later.
        if users == 0 && mechanisms == ["PLAIN"] {
            return Err(PropertiesError::NoUsers { listener: self.listener.to_owned() });
        }
        if let Some(Ok(lifetime)) = self.get("connections.max.reauth.ms").map(str::parse) {
            sasl = sasl.max_reauth(Duration::from_millis(lifetime));
        }
        Ok(sasl)
    }

    /// ACLs, if there is an authorizer.
    ///
    /// # Errors
    /// [`PropertiesError::Unusable`] for one that is not known.
    pub(super) fn acls(&self) -> Result<Option<AclSettings>, PropertiesError> {
        let Some(class) = self.get("authorizer.class.name") else { return Ok(None) };
        if !AUTHORIZERS.contains(&class) {
            return Err(PropertiesError::Unusable(format!(
                "authorizer.class.name: {class} cannot be loaded; {} means the ACLs there are",
                AUTHORIZERS[0]
            )));
        }
        let open = self.get("allow.everyone.if.no.acl.found") == Some("true");
        let acls = AclSettings::new().allow_everyone_if_no_acl_found(open);
        let users = self.get("super.users").unwrap_or_default().split(';').map(str::trim);
        let users = users.filter(|user| !user.is_empty());
        Ok(Some(users.fold(acls, |acls, user| acls.super_user(user))))
    }
}

/// A PEM text as a setting holds it: its lines may be one line, or end in `\n` written out.
fn pem(text: &str) -> String {
    let text = text.replace("\\n", "\n");
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((label, after)) = between(rest, "-----BEGIN ", "-----") {
        let Some((body, end)) = after.split_once("-----END ") else { break };
        let body: Vec<&str> = body.split_whitespace().collect();
        let body = body.join("\n");
        out.push_str(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"));
        rest = end;
    }
    // What is not understood is left to whoever says why it cannot be read.
    if out.is_empty() { text } else { out }
}

/// What stands between two marks, and what follows the second.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(begin)?.1.split_once(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretString> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), SecretString::from(value))).collect()
    }

    fn view(values: &BTreeMap<String, SecretString>) -> View<'_> {
        View { values, listener: "EXTERNAL" }
    }

    #[test]
    fn what_names_the_listener_comes_first() {
        let values = values(&[
            ("ssl.client.auth", "none"),
            ("listener.name.external.ssl.client.auth", "required"),
            ("listener.name.other.ssl.keystore.location", "/x"),
        ]);
        assert_eq!(view(&values).get("ssl.client.auth"), Some("required"));
        assert!(!view(&values).has_certificate());
    }

    #[test]
    fn pem_on_one_line_gets_its_lines_back() {
        let expected = "-----BEGIN X Y-----\nAB\nCD\n-----END X Y-----\n";
        for text in [
            "-----BEGIN X Y----- AB CD -----END X Y-----",
            "-----BEGIN X Y-----\\nAB\\nCD\\n-----END X Y-----\\n",
            expected,
        ] {
            assert_eq!(pem(text), expected, "{text}");
        }
        assert_eq!(pem(&expected.repeat(2)), expected.repeat(2));
        assert_eq!(pem("nothing"), "nothing");
    }

    #[test]
    fn logins_come_from_the_modules_of_the_listener() {
        let module = "PlainLoginModule required user_a=\"b\";";
        let mine = values(&[
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.external.plain.sasl.jaas.config", module),
        ]);
        assert!(view(&mine).has_logins() && view(&mine).sasl().is_ok());
        let others = values(&[
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.internal.plain.sasl.jaas.config", module),
        ]);
        let error = view(&others).sasl().unwrap_err().to_string();
        assert!(error.contains("listener.name.external.plain.sasl.jaas.config"), "{error}");
        let kerberos = values(&[("sasl.enabled.mechanisms", "GSSAPI")]);
        assert!(view(&kerberos).sasl().unwrap_err().to_string().contains("GSSAPI"));
    }

    #[test]
    fn rights_need_an_authorizer_that_is_known() {
        assert!(view(&values(&[("super.users", "User:a")])).acls().unwrap().is_none());
        let known = values(&[
            ("authorizer.class.name", AUTHORIZERS[0]),
            ("super.users", "User:a; User:CN=b,O=c;"),
        ]);
        let acls = view(&known).acls().unwrap().unwrap();
        assert_eq!(acls.super_users, ["User:a", "User:CN=b,O=c"]);
        assert!(view(&values(&[("authorizer.class.name", "com.acme.Mine")])).acls().is_err());
    }

    #[test]
    fn tls_needs_a_certificate_and_asking_for_others_needs_trust() {
        let nothing = values(&[]);
        assert!(matches!(view(&nothing).tls(), Err(PropertiesError::NoCertificate(_))));
        let chain = [("ssl.keystore.certificate.chain", "c"), ("ssl.keystore.key", "k")];
        assert!(view(&values(&chain)).tls().is_ok());
        for (name, value, says) in [
            ("ssl.client.auth", "required", "ssl.truststore.location"),
            ("ssl.enabled.protocols", "TLSv1.2,TLSv1.1", "TLSv1.1"),
            ("ssl.principal.mapping.rules", "RULE:x", "RULE:"),
        ] {
            let values = values(&[chain[0], chain[1], (name, value)]);
            let error = view(&values).tls().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
