//! From where to where connections go: every address of either side in turn.
//!
//! One source address has some 28,000 ports for one target address and port. On the loopback network, 127.0.0.0/8, there
//! are as many source addresses as anyone may want.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses in turn.
#[derive(Debug)]
pub(crate) struct Sources {
    targets: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    next: usize,
}

impl Sources {
    /// Workers begin at different places, so that few connections do not all go to the first.
    pub(crate) fn new(targets: &[SocketAddr], sources: &[IpAddr], worker: u32) -> Self {
        Self {
            targets: targets.to_vec(),
            sources: sources.to_vec(),
            next: worker as usize,
        }
    }

    /// Other targets from now on.
    pub(crate) fn aim_at(&mut self, targets: Vec<SocketAddr>) {
        self.targets = targets;
    }

    /// The next pair; without a source the kernel chooses.
    pub(crate) fn next(&mut self) -> (SocketAddr, Option<IpAddr>) {
        let next = self.next;
        self.next = next.wrapping_add(1);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let target = *turn(&self.targets, next).unwrap_or(&nowhere);
        // Through all sources for one target before the next pairing repeats.
        let round = next / self.targets.len().max(1);
        (target, turn(&self.sources, round).copied())
    }
}

fn turn<T>(list: &[T], number: usize) -> Option<&T> {
    list.get(number.checked_rem(list.len())?)
}

/// `count` addresses of the loopback network: 127.0.1.1, 127.0.1.2, …
pub fn loopback_sources(count: u16) -> Vec<IpAddr> {
    (0..count)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            // 254 of them in each /24: neither .0 nor .255.
            let index = u16::from_be_bytes([high, low]);
            let third = 1 + u8::try_from(index / 254).unwrap_or(u8::MAX - 1);
            let fourth = 1 + u8::try_from(index % 254).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::new(127, 0, third, fourth))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_of_source_and_target_has_its_turn() {
        let targets: Vec<SocketAddr> = vec![
            "127.0.0.1:80".parse().unwrap(),
            "127.0.0.2:80".parse().unwrap(),
        ];
        let mut sources = Sources::new(&targets, &loopback_sources(3), 1);
        let pairs: HashSet<_> = (0..6).map(|_| sources.next()).collect();
        assert_eq!(pairs.len(), 6);
    }

    #[test]
    fn loopback_addresses_are_distinct_and_usable() {
        let sources = loopback_sources(1_000);
        let distinct: HashSet<_> = sources.iter().collect();
        assert_eq!(distinct.len(), 1_000);
        assert!(sources.iter().all(IpAddr::is_loopback));
    }
}
