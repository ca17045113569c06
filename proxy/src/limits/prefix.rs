//! What counts as one client: the network an address lies in.
//!
//! One IPv6 line has 2⁶⁴ addresses at least (RFC 6177), so a limit per address would limit nobody
//! (traefik/traefik#9721). An IPv4 client of a socket that speaks IPv6 shows as `::ffff:a.b.c.d` and is the same client.

use std::net::IpAddr;

use schleuse_config::ClientPolicy;

/// The networks of one address, from the client's own to the widest that clients share when the table is full.
///
/// Each is an address in IPv6 form (IPv4 as `::ffff:a.b.c.d`) with the bits behind the prefix cleared, so that networks
/// of both families are told apart without a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork {
    /// As configured: /32 and /64 by default.
    pub own: u128,
    /// /24 and /48.
    pub(super) wide: u128,
    /// /16 and /40. Never narrower than `own`: the config bounds that.
    pub(super) widest: u128,
}

impl ClientNetwork {
    /// The networks of `address`.
    pub fn of(address: IpAddr, policy: &ClientPolicy) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_ipv6_mapped().to_bits();
                Self::cut(bits, [policy.ipv4_prefix, 24, 16].map(|length| length + 96))
            }
            IpAddr::V6(address) => Self::cut(address.to_bits(), [policy.ipv6_prefix, 48, 40]),
        }
    }

    fn cut(bits: u128, lengths: [u8; 3]) -> Self {
        let [own, wide, widest] = lengths;
        let leading = |length: u8| {
            let cleared = u32::from(128_u8.saturating_sub(length));
            bits & u128::MAX.checked_shl(cleared).unwrap_or(0)
        };
        Self {
            own: leading(own),
            wide: leading(wide.min(own)),
            widest: leading(widest.min(own)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in crate::limits) fn policy() -> ClientPolicy {
        ClientPolicy {
            head_bytes_max: 32 * 1024,
            head_fields_max: 100,
            header_max: Duration::from_secs(10),
            handshake_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(75),
            body_idle_max: Duration::from_secs(30),
            body_rate_min: 1024,
            connections_max: Some(100),
            connections_per_network_max: 10,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
        }
    }

    fn network(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap(), &policy())
    }

    #[test]
    fn p31_all_addresses_of_an_ipv6_line_are_one_client() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(
            network("2001:db8:1:2::1").own,
            network("2001:db8:1:3::1").own
        );
        assert_eq!(
            network("2001:db8:1:2::1").wide,
            network("2001:db8:1:3::1").wide
        );
    }

    #[test]
    fn p31_ipv4_seen_through_an_ipv6_socket_is_the_same_client() {
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
        assert_ne!(network("192.0.2.7").own, network("192.0.2.8").own);
        assert_eq!(network("192.0.2.7").wide, network("192.0.2.8").wide);
        assert_eq!(network("192.0.2.7").widest, network("192.0.99.8").widest);
        assert_ne!(network("192.0.2.7").widest, network("192.1.2.7").widest);
    }

    #[test]
    fn networks_only_grow_wider_whatever_the_config_says() {
        let mut policy = policy();
        for length in 0..=128 {
            (policy.ipv4_prefix, policy.ipv6_prefix) = (length.min(32), length);
            for address in ["2001:db8:ffff:ffff:ffff::1", "198.51.100.255"] {
                let networks = ClientNetwork::of(address.parse().unwrap(), &policy);
                assert_eq!(networks.own & networks.wide, networks.wide);
                assert_eq!(networks.wide & networks.widest, networks.widest);
            }
        }
    }
}
