//! How many connections each address has.

use foldhash::HashMap;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Connections by address; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that counts; dropped, it does not any more.
#[derive(Debug)]
pub(super) struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// One more of this address, unless it has `max`.
    pub(super) fn count(&self, address: IpAddr, max: usize) -> Option<Counted> {
        let address = client(address);
        let mut counts = self.0.lock();
        let count = counts.entry(address).or_default();
        if *count >= max {
            if *count == 0 {
                counts.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Counted { addresses: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Who an address belongs to: with IPv6, a client has a /64 of them.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_no_trace_is_left() {
        let addresses = Addresses::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(addresses.count(ip("127.0.0.1"), 0).is_none());
        let first = addresses.count(ip("127.0.0.1"), 2);
        let mapped = addresses.count(ip("::ffff:127.0.0.1"), 2);
        assert!(first.is_some() && mapped.is_some());
        assert!(addresses.count(ip("127.0.0.1"), 2).is_none());
        let other = addresses.count(ip("127.0.0.2"), 2);
        drop(mapped);
        let again = addresses.count(ip("127.0.0.1"), 2);
        assert!(other.is_some() && again.is_some());
        drop((first, other, again));
        assert!(addresses.0.lock().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(client(ip("2001:db8:0:7::1")), client(ip("2001:db8:0:7:ffff::2")));
        assert_ne!(client(ip("2001:db8:0:7::1")), client(ip("2001:db8:0:8::1")));
    }
}
