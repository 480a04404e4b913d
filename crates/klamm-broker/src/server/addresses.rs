//! How many connections come from one address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The connections of a node by where they come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection among those of its address, until it is dropped.
#[derive(Debug)]
pub(super) struct FromAddress {
    all: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Counts one more, unless there are `limit` already.
    pub(super) fn enter(&self, address: IpAddr, limit: usize) -> Option<FromAddress> {
        let address = address.to_canonical();
        let mut counts = self.counts.lock();
        let before = counts.get(&address).copied().unwrap_or(0);
        if before >= limit {
            return None;
        }
        counts.insert(address, before + 1);
        Some(FromAddress { all: self.clone(), address })
    }
}

impl Drop for FromAddress {
    fn drop(&mut self) {
        let mut counts = self.all.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;
    use std::net::IpAddr;

    #[test]
    fn each_address_has_a_limit_of_its_own_and_leaves_nothing_behind() {
        let addresses = Addresses::default();
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let first = addresses.enter(a, 2).unwrap();
        let second = addresses.enter(mapped, 2).unwrap();
        assert!(addresses.enter(a, 2).is_none(), "the same address, written otherwise");
        let other = addresses.enter(b, 1).unwrap();
        assert!(addresses.enter(b, 0).is_none());
        drop(first);
        assert!(addresses.enter(a, 2).is_some());
        drop((second, other));
        assert!(addresses.counts.lock().is_empty());
    }
}
