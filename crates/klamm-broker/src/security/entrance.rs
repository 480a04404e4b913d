//! What one listener asks of whoever comes in: TLS, a login, or nothing.

use super::all_users::AllUsers;
use super::login::Login;
use super::principal::Principal;
use super::sasl::Sasl;
use super::settings::{SecurityError, SecurityProtocol};
use super::tls::Tls;

/// The security of one listener, the same on every node.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    /// Which of the listeners, counted from 0.
    pub(crate) listener: usize,
    pub(crate) tls: Option<Tls>,
    pub(crate) sasl: Option<Sasl>,
}

impl Entrance {
    /// Reads certificates, and hashes the passwords that no other listener has brought to `users` yet.
    ///
    /// # Errors
    /// [`SecurityError`]
    pub(super) fn new(
        listener: usize,
        protocol: &SecurityProtocol,
        users: &mut AllUsers,
    ) -> Result<Self, SecurityError> {
        let tls = protocol.tls.as_ref().map(Tls::new).transpose()?;
        let sasl = match &protocol.sasl {
            Some(sasl) => Some(Sasl::new(users.of(&sasl.users)?, sasl)),
            None => None,
        };
        Ok(Self { listener, tls, sasl })
    }

    /// How a connection begins, of somebody whom TLS knows as `principal`.
    pub(crate) fn login(&self, principal: Principal) -> Login {
        if self.sasl.is_some() { Login::sasl() } else { Login::open(principal) }
    }
}
