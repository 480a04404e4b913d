//! The port for those who run a gateway, beside the one for its clients: probes, metrics and a page that shows how it is.
//!
//! All texts are made of one [`Observed`], by functions that do nothing else.

mod health;
mod metrics;
mod observed;
mod pages;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use self::observed::{Observe, Observed, Phase};
pub use self::server::Management;

/// What the pages call the version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
