//! Pure: `[tls]`: certificates of the gateway and of its clients.

use super::auth::text;
use super::error::Wrong;
use super::given::{Given, Table};
use super::key::{self, Key, Takes};
use super::settings::GatewayConfig;
use crate::tls::{CertificateName, ClientCertificates, TlsConfig};
use std::path::PathBuf;

/// A section that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    required: Option<bool>,
    name: Option<CertificateName>,
}

/// The keys of `[tls]`.
pub(super) const KEYS: &[Key<Draft>] = &[
    Key {
        name: "certificate",
        default: "-",
        takes: Takes::Other("a file", |draft, given| {
            draft.certificate = Some(file(given)?);
            Some(())
        }),
        doc: "The gateway's certificate and those up to its root, as PEM, its own first. Read again when it changes, and at \
              SIGHUP; so are all files here.",
    },
    Key {
        name: "key",
        default: "-",
        takes: Takes::Other("a file", |draft, given| {
            draft.key = Some(file(given)?);
            Some(())
        }),
        doc: "Its private key, as PEM.",
    },
    Key {
        name: "client_ca",
        default: "-",
        takes: Takes::Other("a file", |draft, given| {
            draft.client_ca = Some(file(given)?);
            Some(())
        }),
        doc: "Who has to have signed certificates of clients, as PEM. With it, a certificate says who sends.",
    },
    Key {
        name: "client_certificate",
        default: "\"required\"",
        takes: Takes::Other("required or optional", |draft, given| {
            draft.required = Some(match text(given)? {
                "required" => true,
                "optional" => false,
                _ => return None,
            });
            Some(())
        }),
        doc: "Whether a client without one is turned away by TLS, or may say otherwise who it is.",
    },
    Key {
        name: "client_name",
        default: "\"subject\"",
        takes: Takes::Other("subject, common_name, dns, uri or email", |draft, given| {
            draft.name = Some(match text(given)? {
                "subject" => CertificateName::Subject,
                "common_name" => CertificateName::CommonName,
                "dns" => CertificateName::Dns,
                "uri" => CertificateName::Uri,
                "email" => CertificateName::Email,
                _ => return None,
            });
            Some(())
        }),
        doc: "Which name in it: the whole subject (`CN=app,O=Acme`), its common name, or the first alternative name of a \
              kind. Those without it are turned away.",
    },
];

/// Reads the section, which begins at `at`.
pub(super) fn set_all(config: &mut GatewayConfig, at: usize, table: &Table) -> Result<(), Wrong> {
    let mut draft = Draft::default();
    key::set_all(KEYS, &mut draft, table)?;
    let (Some(certificate), Some(key)) = (draft.certificate, draft.key) else {
        return Err(Wrong::new(at, "tls: certificate and key belong together"));
    };
    let clients = match draft.client_ca {
        Some(ca) => {
            let (required, name) = (draft.required.unwrap_or(true), draft.name.unwrap_or_default());
            Some(ClientCertificates { ca, required, name })
        }
        None if draft.required.is_some() || draft.name.is_some() => {
            return Err(Wrong::new(at, "tls: certificates of clients need a client_ca"));
        }
        None => None,
    };
    config.guard.certificates = clients.is_some();
    config.tls = Some(TlsConfig { certificate, key, clients });
    Ok(())
}

fn file(given: &Given) -> Option<PathBuf> {
    text(given).filter(|path| !path.is_empty()).map(PathBuf::from)
}
