//! A set of IP networks, asked on every request: sorted, merged ranges, so that one binary search answers.
//!
//! IPv4 lives in the IPv4-mapped part of IPv6 (RFC 4291 §2.5.5.2): a client that reaches a dual-stack socket as
//! `::ffff:192.0.2.1` is the same client as `192.0.2.1`.

use std::net::{IpAddr, Ipv4Addr};

/// Networks that addresses can be looked up in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last address of each range; ascending, neither overlapping nor touching.
    ranges: Box<[(u128, u128)]>,
}

impl Networks {
    /// Merges `networks` into one set.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        let mut sorted: Vec<(u128, u128)> =
            networks.into_iter().map(|network| network.range).collect();
        sorted.sort_unstable();
        let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match ranges.last_mut() {
                Some(range) if first <= range.1.saturating_add(1) => range.1 = range.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Self {
            ranges: ranges.into(),
        }
    }

    /// Whether there is no network at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether one of the networks holds `address`; `::ffff:a.b.c.d` counts as `a.b.c.d`.
    pub fn contains(&self, address: IpAddr) -> bool {
        if self.ranges.is_empty() {
            return false;
        }
        let bits = bits(address);
        let after = self.ranges.partition_point(|(first, _)| *first <= bits);
        after
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index))
            .is_some_and(|(_, last)| bits <= *last)
    }
}

/// One network in CIDR notation (RFC 4632), as `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    range: (u128, u128),
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an IPv4 nor an IPv6 address stands before the slash.
    #[error("is not an IP network")]
    Address,
    /// The length is no number, or longer than the address.
    #[error("has a prefix length that is not 0 to {max}")]
    Length {
        /// Bits of the address.
        max: u8,
    },
    /// Bits behind the prefix are set: an address was meant, or a longer prefix.
    #[error("has bits set behind its prefix length")]
    HostBits {
        /// The network that the prefix length names.
        network: String,
    },
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let max: u8 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => max,
            Some(length) => prefix_length(length, max)?,
        };
        let host_bits = u32::from(max - length);
        let mask = 1_u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |bit| bit - 1);
        let bits = bits(address);
        if bits & mask != 0 {
            let network = format!("{}/{length}", address_of(bits & !mask, address.is_ipv4()));
            return Err(NetworkError::HostBits { network });
        }
        Ok(Self {
            range: (bits, bits | mask),
        })
    }
}

/// Decimal without sign or leading zero, at most `max`.
fn prefix_length(text: &str, max: u8) -> Result<u8, NetworkError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    match text.parse::<u8>() {
        Ok(length) if plain && length <= max => Ok(length),
        _ => Err(NetworkError::Length { max }),
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address_of(bits: u128, ipv4: bool) -> IpAddr {
    if ipv4 {
        let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default();
        Ipv4Addr::from_bits(low).into()
    } else {
        IpAddr::V6(bits.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn an_empty_set_holds_nobody() {
        assert!(!Networks::default().contains("192.0.2.1".parse().unwrap()));
        assert!(Networks::default().is_empty());
    }

    #[test]
    fn the_edges_of_a_network_belong_to_it() {
        let set = networks(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "2001:db8::",
            "2001:db8:ffff::",
            "192.0.2.7",
        ] {
            assert!(set.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "2001:db7::",
            "2001:db9::",
            "192.0.2.6",
            "192.0.2.8",
        ] {
            assert!(!set.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_the_ipv4_address() {
        assert!(networks(&["10.0.0.0/8"]).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(networks(&["::ffff:10.0.0.0/104"]).contains("10.1.2.3".parse().unwrap()));
        assert!(!networks(&["10.0.0.0/8"]).contains("::10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn everybody_is_two_networks() {
        let set = networks(&["0.0.0.0/0", "::/0"]);
        assert!(set.contains("255.255.255.255".parse().unwrap()));
        assert!(set.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
    }

    #[test]
    fn a_network_with_host_bits_is_refused_and_the_right_one_named() {
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
        let NetworkError::HostBits { network } = error else {
            panic!("{error}");
        };
        assert_eq!(network, "10.0.0.0/8");
    }

    #[test]
    fn lengths_and_addresses_are_checked() {
        assert_eq!(
            "10.0.0.0/33".parse::<Network>(),
            Err(NetworkError::Length { max: 32 })
        );
        assert_eq!(
            "::/129".parse::<Network>(),
            Err(NetworkError::Length { max: 128 })
        );
        for text in ["10.0.0.0/", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::Length { max: 32 }),
                "{text}"
            );
        }
        for text in ["", "localhost", "10.0.0", "10.0.0.0-10.0.0.9", "/8"] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::Address),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_set_holds_exactly_what_one_of_its_networks_holds(
            parts in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..8),
            probe in any::<u32>(),
        ) {
            let mut expected = false;
            let mut members = Vec::new();
            for (address, length) in parts {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                let network = Ipv4Addr::from_bits(address & mask);
                expected |= probe & mask == address & mask;
                members.push(format!("{network}/{length}").parse::<Network>().unwrap());
            }
            let probe = IpAddr::V4(Ipv4Addr::from_bits(probe));
            prop_assert_eq!(Networks::new(members).contains(probe), expected);
        }
    }
}
