//! Pure: what is signed how, and where the signature is.

use secrecy::SecretString;
use std::time::Duration;

/// How a route's requests are signed.
#[derive(Debug, Clone)]
pub struct SignatureConfig {
    /// By whose rules.
    pub scheme: Scheme,
    /// One of these has signed; several while one takes another's place. As the sender shows them: `whsec_…` and `whpk_…` for
    /// Standard Webhooks, the text itself elsewhere.
    pub secrets: Vec<SecretString>,
    /// How far the time that is signed may be from now, either way. Not every scheme signs one.
    pub tolerance: Duration,
}

impl SignatureConfig {
    /// Five minutes, as most senders advise.
    pub const TOLERANCE: Duration = Duration::from_secs(300);
}

/// By whose rules requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC and Ed25519.
    StandardWebhooks,
    /// `X-Hub-Signature-256`; the request is named by `X-GitHub-Delivery`.
    GitHub,
    /// `Stripe-Signature`; the request is named by the event's id.
    Stripe,
    /// `X-Shopify-Hmac-Sha256`; the request is named by `X-Shopify-Webhook-Id`.
    Shopify,
    /// `X-Slack-Signature` and `X-Slack-Request-Timestamp`; the request is named by the event's id, if it has one.
    Slack,
    /// An HMAC of the body in a header.
    Hmac(HmacHeader),
}

/// Where an HMAC of the body alone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacHeader {
    /// The header's name.
    pub header: http::HeaderName,
    /// What stands before it, `sha256=` for example.
    pub prefix: String,
    /// How it is written.
    pub encoding: Encoding,
    /// The hash function.
    pub hash: Hash,
    /// The header that names the request, if there is one.
    pub id: Option<http::HeaderName>,
}

/// How bytes are written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits, large or small.
    Hex,
    /// Base64, with or without padding.
    Base64,
}

/// The hash function of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}
