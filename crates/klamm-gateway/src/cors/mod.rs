//! Asking before sending, by OPTIONS: browsers on behalf of pages ([`Cors`]), and senders of CloudEvents ([`Handshake`]).

mod handshake;
mod origins;
mod policy;

pub use self::handshake::{Handshake, NotAgreed};
pub use self::origins::{Origins, WrongOrigin};
pub use self::policy::{AllowedHeaders, Cors, CorsConfig, RefusedOrigin, WrongCors};
