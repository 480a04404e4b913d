//! What clients of a broker that does everything wrong are given, so that nobody waits for them.

use klamm::config::set;
use klamm::{ClientConfig, ProducerConfig};

/// A client's settings that try again soon.
pub(crate) fn client(bootstrap: &str) -> (ClientConfig, ProducerConfig) {
    let (mut client, mut producer) = (ClientConfig::new(bootstrap), ProducerConfig::default());
    for (name, value) in [
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "50"),
        ("reconnect.backoff.ms", "10"),
        ("reconnect.backoff.max.ms", "50"),
        ("request.timeout.ms", "2000"),
    ] {
        set(&mut client, &mut producer, name, value).unwrap();
    }
    (client, producer)
}
