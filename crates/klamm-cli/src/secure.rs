//! Who may use a broker, from the command line.

use crate::failure::{Failure, USAGE};
use klamm_broker::{
    AclSettings, Builder, ClientAuth, SaslSettings, SecurityError, ServerProperties, TlsSettings,
};
use std::path::PathBuf;

/// Options of `broker` about security.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArgs {
    /// Ask for passwords (SASL PLAIN and SCRAM); lines of NAME:PASSWORD
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Speak TLS: the certificate and those above it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask clients for certificates that these authorities signed, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Turn ACLs on; this principal, as User:NAME, may do everything
    #[arg(long, value_name = "PRINCIPAL")]
    super_user: Vec<String>,
    /// Let anybody who can reach a public address use the broker
    #[arg(long)]
    allow_insecure_public: bool,
}

impl SecurityArgs {
    /// Hands over the certificate and the users, for the listeners that have a use for them.
    pub(crate) fn give(&self, properties: &mut ServerProperties) -> Result<(), Failure> {
        let wrong = |error: SecurityError| Failure::new(USAGE, error.to_string());
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let mut tls = TlsSettings::from_files(cert, key).map_err(wrong)?;
            if let Some(ca) = &self.tls_client_ca {
                tls = tls.client_certificates_file(ca, ClientAuth::Required).map_err(wrong)?;
            }
            properties.tls(tls);
        }
        if let Some(users) = &self.users {
            properties.sasl(SaslSettings::new().users_file(users).map_err(wrong)?);
        }
        Ok(())
    }

    /// The same broker with the rights that were asked for.
    pub(crate) fn apply(&self, mut builder: Builder) -> Builder {
        if !self.super_user.is_empty() {
            let acls = AclSettings::new();
            builder =
                builder.acls(self.super_user.iter().fold(acls, |acls, user| acls.super_user(user)));
        }
        if self.allow_insecure_public {
            builder = builder.allow_insecure_public();
        }
        builder
    }
}
