//! Pure: SCRAM (RFC 5802, RFC 7677), the server's side.
//!
//! ```text
//!   client-first ──► Exchange::begin ──server-first──► client-final ──► Exchange::finish ──► server-final
//! ```
//!
//! An unknown user gets salt and iterations like any other and fails where a wrong password fails.

use super::credential::{Credential, Hash, same};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Messages of a client are shorter.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Why an exchange fails; nothing in it comes from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScramError {
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    #[error("channel binding is not offered")]
    ChannelBinding,
    #[error("acting for another user is not supported")]
    AuthorizationId,
    /// Unknown user, wrong password, or the proof of another exchange.
    #[error("invalid credentials")]
    Credentials,
}

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    /// With `n,` or `y,` and the authorization id.
    header: String,
    bare: String,
    user: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads it.
    ///
    /// # Errors
    /// [`ScramError`]
    pub(crate) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        let mut fields = text.splitn(3, ',');
        let (binding, identity, bare) = match (fields.next(), fields.next(), fields.next()) {
            (Some(binding), Some(identity), Some(bare)) => (binding, identity, bare),
            _ => return Err(ScramError::Malformed("no GS2 header")),
        };
        match binding {
            "n" | "y" => {}
            _ if binding.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed("no GS2 header")),
        }
        let mut attributes = bare.split(',');
        // A mandatory extension, `m=`, stands first: whoever does not know it must fail.
        let user = name(attribute(attributes.next(), "n=").ok_or(ScramError::Malformed("user"))?)?;
        let nonce = attribute(attributes.next(), "r=").filter(|nonce| is_nonce(nonce));
        let nonce = nonce.ok_or(ScramError::Malformed("nonce"))?;
        match identity.strip_prefix("a=").map(name).transpose()? {
            None if !identity.is_empty() => return Err(ScramError::Malformed("GS2 header")),
            Some(identity) if identity != user => return Err(ScramError::AuthorizationId),
            _ => {}
        }
        let header = text[..text.len() - bare.len()].to_owned();
        Ok(Self { header, bare: bare.to_owned(), user, nonce: nonce.to_owned() })
    }

    /// Who says so.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

/// An exchange whose first half is done.
#[derive(Debug)]
pub(crate) struct Exchange {
    hash: Hash,
    header: String,
    client_nonce: String,
    server_nonce: String,
    /// client-first-bare and server-first, as signed.
    signed: String,
    credential: Credential,
    known: bool,
}

impl Exchange {
    /// Answers the first message: the exchange and server-first. `nonce` is fresh; `credential` is the user's, or a
    /// made-up one of somebody who is not `known`.
    pub(crate) fn begin(
        hash: Hash,
        first: &ClientFirst,
        nonce: &str,
        credential: Credential,
        known: bool,
    ) -> (Self, String) {
        let server_nonce = nonce.to_owned();
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = BASE64_STANDARD.encode(credential.salt());
        let message = format!("r={nonce},s={salt},i={}", credential.iterations());
        let signed = format!("{},{message}", first.bare);
        let (header, client_nonce) = (first.header.clone(), first.nonce.clone());
        let exchange = Self { hash, header, client_nonce, server_nonce, signed, credential, known };
        (exchange, message)
    }

    /// Checks the client's proof and gives server-final, our own.
    ///
    /// # Errors
    /// [`ScramError`]; the exchange is over in any case.
    pub(crate) fn finish(self, message: &[u8]) -> Result<String, ScramError> {
        let text = text(message)?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or(ScramError::Malformed("proof"))?;
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| ScramError::Malformed("proof"))?;
        let mut attributes = without_proof.split(',');
        let binding = attribute(attributes.next(), "c=")
            .and_then(|binding| BASE64_STANDARD.decode(binding).ok())
            .ok_or(ScramError::Malformed("channel binding"))?;
        let nonce = attribute(attributes.next(), "r=").ok_or(ScramError::Malformed("nonce"))?;
        if binding != self.header.as_bytes() {
            return Err(ScramError::ChannelBinding);
        }
        // CVE-2024-56128: without this the proof of another exchange could be played back.
        // Our part is what makes it fresh; librdkafka before 2.6.1 says its own part twice, which Kafka lets pass too.
        let ours = nonce.len().checked_sub(self.server_nonce.len());
        let ours = ours.and_then(|at| nonce.as_bytes().get(at..)).unwrap_or_default();
        let own = nonce.starts_with(&self.client_nonce) && same(ours, self.server_nonce.as_bytes());
        let signed = format!("{},{without_proof}", self.signed);
        let proven = self.credential.proves(self.hash, signed.as_bytes(), &proof);
        if !(own && proven && self.known) {
            return Err(ScramError::Credentials);
        }
        let signature = self.credential.sign(self.hash, signed.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(signature)))
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(ScramError::Malformed("too long"));
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed("not UTF-8"))
}

fn attribute<'a>(field: Option<&'a str>, name: &str) -> Option<&'a str> {
    field?.strip_prefix(name)
}

fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// A user's name: `=2C` is a comma, `=3D` an equals sign, and no other `=` is allowed.
fn name(escaped: &str) -> Result<String, ScramError> {
    let mut name = String::with_capacity(escaped.len());
    let mut parts = escaped.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (c, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::Malformed("user")),
        };
        name.push(c);
        name.push_str(rest);
    }
    if name.is_empty() { Err(ScramError::Malformed("user")) } else { Ok(name) }
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
