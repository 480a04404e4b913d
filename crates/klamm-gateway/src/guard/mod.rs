//! Who may send what: [`Guard`] is asked before a body is read, when its topic is known, and when its records are.
//!
//! | How somebody says who they are | Where |
//! |---|---|
//! | API keys, hashed at rest | `api_key`, `credentials_file`, `credentials` |
//! | A name and its password | `password`, `proven` |
//! | JSON Web Tokens | `jwt`, `proven` |
//! | A signature over the body | `signature` |
//!
//! What they may do and how much of it is `topics`, `quota` and `principal`.

mod api_key;
mod config;
mod constant_time;
mod credentials;
mod credentials_file;
mod denied;
mod handle;
mod inner;
mod jwt;
mod password;
mod principal;
mod proven;
mod quota;
mod shown;
mod signature;
#[cfg(test)]
mod tests;
mod topics;

pub use self::api_key::{ApiKey, KeyHash, KeyId, NoKeyId};
pub use self::config::{Access, AccountConfig, GuardConfig, GuardError, RouteConfig};
pub use self::credentials_file::{
    CredentialsFile, Entry, StoredProof, WrongLine, is_principal_name, with_entry, with_revoked,
};
pub use self::denied::Denied;
pub use self::handle::Guard;
pub use self::jwt::{Algorithm, KeySource, TokenConfig, WrongSource};
pub use self::password::{PASSWORD_MAX, PasswordHash};
pub use self::principal::{Allowance, Principal, ProvenBy};
pub use self::quota::{Bucket, Quota};
pub use self::signature::{Encoding, Hash, HmacHeader, Scheme, SignatureConfig, WrongSecret};
pub use self::topics::{Topics, WrongTopics};
