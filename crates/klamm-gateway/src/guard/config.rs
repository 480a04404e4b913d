//! What a guard is told to do.

use super::jwt::{TokenConfig, WrongSource};
use super::principal::Allowance;
use super::quota::Quota;
use super::signature::{SignatureConfig, WrongSecret};
use std::path::PathBuf;
use thiserror::Error;

/// What a [`Guard`](super::Guard) is told to do. The default lets everyone do everything.
#[derive(Debug, Clone, Default)]
pub struct GuardConfig {
    /// API keys and passwords; see [`CredentialsFile`](super::CredentialsFile). Read again when it changes.
    pub credentials: Option<PathBuf>,
    /// JSON Web Tokens of this issuer.
    pub tokens: Option<TokenConfig>,
    /// Whether the name in a client's TLS certificate says who it is.
    pub certificates: bool,
    /// What those may do who show nothing, under the name `anonymous`. `None`: nothing, unless there is no other way to say
    /// who one is.
    pub anonymous: Option<Allowance>,
    /// Those who may do something of their own.
    pub accounts: Vec<AccountConfig>,
    /// What everybody else may do who has proven a name.
    pub others: Allowance,
    /// What those may send together who show nothing, unless their allowance says it.
    pub anonymous_quota: Quota,
    /// What each may send whose own quota has no limit.
    pub quota: Quota,
    /// Routes that differ; on all other paths clients say who they are.
    pub routes: Vec<RouteConfig>,
}

impl GuardConfig {
    /// Whether there is any way to say who one is. Without any, those who do not may do everything.
    pub fn asks(&self) -> bool {
        self.credentials.is_some() || self.tokens.is_some() || self.certificates
    }
}

/// One name and what it may do.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The principal's name.
    pub name: String,
    /// The name in its certificate, if that is another one.
    pub certificate: Option<String>,
    /// What it may do.
    pub allowance: Allowance,
}

/// A route that differs.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// The route's name.
    pub route: String,
    /// Who may use it.
    pub access: Access,
}

/// Who may use a route.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Access {
    /// Whoever can say who they are.
    Known,
    /// Everybody, as `anonymous`; what they show of themselves is not looked at.
    Everyone(Allowance),
    /// Whoever has signed the body, as `webhook:` and the route's name; what else they show is not looked at.
    Signed {
        /// How.
        signature: SignatureConfig,
        /// What they may do.
        allowance: Allowance,
    },
}

impl Access {
    /// What all may do together who use the route, where it has that of its own.
    pub fn allowance_mut(&mut self) -> Option<&mut Allowance> {
        match self {
            Access::Known => None,
            Access::Everyone(allowance) | Access::Signed { allowance, .. } => Some(allowance),
        }
    }
}

/// Why a guard cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The file of keys and passwords is wrong or cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration contradicts itself.
    #[error("{0}")]
    Config(String),
    /// The keys of tokens cannot be had from where they should be.
    #[error("keys of tokens: {0}")]
    Tokens(WrongSource),
    /// A secret of a signed route is none.
    #[error("route {route}: {wrong}")]
    Secret {
        /// Which route.
        route: String,
        /// What is wrong.
        wrong: WrongSecret,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}
