//! How many connections there may be, in all and of one client network, decided before TLS costs anything.
//!
//! A refused connection is closed at once: an answer would need the handshake that the limit is there to save. Whoever
//! is behind a trusted proxy comes with all others on that proxy's connections, so those are not counted per network.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};
use rustc_hash::FxBuildHasher;
use schleuse_config::ClientPolicy;

use super::prefix::ClientNetwork;

/// Connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicU32,
    /// By the keyed hash of the network: 8 bytes in each connection's permit instead of 32, and it need not be renewed,
    /// as the kernel knows the addresses of open connections anyway. A network without a connection has no entry.
    networks: DashMap<NonZeroU64, u32, FxBuildHasher>,
    key: RandomState,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefused {
    /// `client.connections_max` are open.
    Total,
    /// The client's network has `client.connections_per_network_max`.
    Network,
}

impl ConnectionRefused {
    /// In metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Network => "network",
        }
    }
}

/// A counted connection; dropping it counts it out.
#[derive(Debug)]
pub struct ConnectionPermit {
    connections: Arc<Connections>,
    network: Option<NonZeroU64>,
}

impl Connections {
    /// Counts a connection in, of `connections_max` in all. `network`: none for a trusted proxy.
    pub(super) fn admit(
        self: &Arc<Self>,
        network: Option<&ClientNetwork>,
        connections_max: u32,
        policy: &ClientPolicy,
    ) -> Result<ConnectionPermit, ConnectionRefused> {
        if self.open.fetch_add(1, Relaxed) >= connections_max {
            self.open.fetch_sub(1, Relaxed);
            return Err(ConnectionRefused::Total);
        }
        // From here on the permit counts out what was counted in.
        let mut permit = ConnectionPermit {
            connections: self.clone(),
            network: None,
        };
        if let Some(network) = network {
            let key = self.key.hash_one(network.own);
            let key = NonZeroU64::new(key).unwrap_or(NonZeroU64::MIN);
            let mut count = self.networks.entry(key).or_insert(0);
            if *count >= policy.connections_per_network_max {
                return Err(ConnectionRefused::Network);
            }
            *count += 1;
            permit.network = Some(key);
        }
        Ok(permit)
    }

    /// Connections now.
    #[cfg(test)]
    fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Networks that have one.
    #[cfg(test)]
    fn networks(&self) -> usize {
        self.networks.len()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Relaxed);
        let Some(network) = self.network else { return };
        if let Entry::Occupied(mut entry) = self.connections.networks.entry(network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::prefix::tests::policy, *};

    fn network(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap(), &policy())
    }

    fn admitted(
        connections: &Arc<Connections>,
        network: Option<&ClientNetwork>,
        count: usize,
    ) -> Vec<Result<ConnectionPermit, ConnectionRefused>> {
        std::iter::repeat_with(|| connections.admit(network, 100, &policy()))
            .take(count)
            .collect()
    }

    #[test]
    fn a_network_has_its_share_of_connections_and_others_have_theirs() {
        let connections = Arc::new(Connections::default());
        let one = admitted(&connections, Some(&network("2001:db8::1")), 11);
        assert_eq!(one.iter().filter(|permit| permit.is_ok()).count(), 10);
        assert_eq!(one[10].as_ref().unwrap_err(), &ConnectionRefused::Network);
        let other = admitted(&connections, Some(&network("2001:db8:0:1::1")), 1);
        assert!(other[0].is_ok());
    }

    #[test]
    fn beyond_the_total_nobody_is_taken() {
        let connections = Arc::new(Connections::default());
        let proxy = admitted(&connections, None, 101);
        assert_eq!(proxy[100].as_ref().unwrap_err(), &ConnectionRefused::Total);
        assert_eq!(connections.open(), 100);
        drop(proxy);
        assert_eq!(connections.open(), 0);
    }

    #[test]
    fn a_network_that_left_leaves_nothing_behind() {
        let connections = Arc::new(Connections::default());
        let permits = admitted(&connections, Some(&network("192.0.2.1")), 12);
        assert_eq!(connections.networks(), 1);
        drop(permits);
        assert_eq!((connections.networks(), connections.open()), (0, 0));
    }
}
