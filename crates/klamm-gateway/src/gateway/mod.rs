//! The whole gateway: log, forwarder, HTTP and management, started and stopped in order.

mod adopt;
mod error;
mod observe;
mod running;

pub use self::adopt::{Adopted, adopt};
pub use self::error::GatewayError;
pub use self::running::{Gateway, Stopped, claim};
