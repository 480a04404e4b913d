//! Who clients are and what they may do: TLS, SASL, ACLs.
//!
//! `settings` is what a program asks for, `access` what it came to in a running broker, `entrance` what one of its
//! listeners asks, `login` how far one connection has come.

mod access;
pub(crate) mod acl;
mod all_users;
mod authorizer;
pub(crate) mod credential;
mod entrance;
mod login;
mod mapping;
mod plain;
mod principal;
mod sasl;
mod scram;
mod settings;
mod tls;
mod users;

pub(crate) use self::access::Security;
pub(crate) use self::acl::{Operation, ResourceType};
pub(crate) use self::authorizer::AclError;
pub(crate) use self::entrance::Entrance;
pub(crate) use self::login::{Login, NotNow};
pub(crate) use self::principal::Principal;
pub(crate) use self::sasl::{Mechanism, Progress};
pub use self::settings::{AclSettings, ClientAuth, SaslSettings, SecurityError, TlsSettings};
pub(crate) use self::settings::{SecurityProtocol, SecuritySettings};
pub use self::tls::TlsError;
pub(crate) use self::users::UserChange;
pub use self::users::UsersError;
