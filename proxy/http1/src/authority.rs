//! What may stand in `Host` and in an absolute target's authority, and when the
//! two mean the same (RFC 9110 §4.2.3, RFC 9112 §3.2).
//!
//! Narrower than RFC 3986: no userinfo, no percent-encoding and no punctuation
//! in a name, no empty or impossible port. Servers differ in what they make of
//! those, and no real site has them.

use std::net::Ipv6Addr;

use crate::{Reject, Scheme};

/// A DNS name has at most 253 octets and a final dot; longer ones cannot exist.
const NAME_BYTES_MAX: usize = 254;

/// `host[:port]`, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Takes it apart and checks both halves.
    ///
    /// # Errors
    /// [`Reject::BadHost`].
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Reject> {
        let bracketed = text.first() == Some(&b'[');
        let host_end = if bracketed {
            memchr::memchr(b']', text).map(|end| end + 1)
        } else {
            memchr::memchr(b':', text).or(Some(text.len()))
        };
        let (host, rest) = host_end
            .and_then(|end| text.split_at_checked(end))
            .ok_or(Reject::BadHost)?;
        let valid = if bracketed {
            is_ip_literal(host)
        } else {
            is_name(host)
        };
        if !valid {
            return Err(Reject::BadHost);
        }
        let port = match rest {
            [] => None,
            [b':', digits @ ..] => Some(parse_port(digits).ok_or(Reject::BadHost)?),
            _ => return Err(Reject::BadHost),
        };
        Ok(Self { host, port })
    }

    /// Whether both name the same origin: case and the scheme's default port do not matter.
    pub(crate) fn same(self, other: Self, scheme: Scheme) -> bool {
        let default = scheme.default_port();
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

fn is_name(host: &[u8]) -> bool {
    (1..=NAME_BYTES_MAX).contains(&host.len())
        && host.first() != Some(&b'.')
        && host.windows(2).all(|pair| pair != b"..")
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn is_ip_literal(host: &[u8]) -> bool {
    let inner = match host {
        [b'[', inner @ .., b']'] => str::from_utf8(inner).ok(),
        _ => None,
    };
    inner.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// 1 to 65535 in at most five digits.
fn parse_port(digits: &[u8]) -> Option<u16> {
    if !(1..=5).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_that_exist_are_taken() {
        for host in [
            "a",
            "wohngeld.example",
            "a.example.",
            "a_b.example",
            "xn--kln-sna.example",
            "192.0.2.1:80",
            "[2001:db8::1]",
            "[::1]:8443",
            "a:1",
            "a:65535",
        ] {
            assert!(Authority::parse(host.as_bytes()).is_ok(), "{host}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "a".repeat(255);
        for host in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:000080",
            "a:+80",
            "a:80a",
            "a:80:80",
            "u@a",
            "u:p@a",
            "a b",
            "a/b",
            "a,b",
            "a%41",
            ".a",
            "a..b",
            "[::1",
            "[::1]a",
            "[::1%25en0]",
            "[]",
            "a[",
            "ä",
            "a\\b",
            "a?b",
            "a#b",
            "a\tb",
            &long,
        ] {
            let refused = Authority::parse(host.as_bytes()).err();
            assert_eq!(refused, Some(Reject::BadHost), "{host}");
        }
    }

    #[test]
    fn case_and_the_default_port_do_not_tell_two_authorities_apart() {
        let same = |a: &str, b: &str, scheme| {
            let (a, b) = (
                Authority::parse(a.as_bytes()),
                Authority::parse(b.as_bytes()),
            );
            a.unwrap().same(b.unwrap(), scheme)
        };
        assert!(same("A.example:80", "a.EXAMPLE", Scheme::Http));
        assert!(same("a.example:443", "a.example", Scheme::Https));
        assert!(!same("a.example:443", "a.example", Scheme::Http));
        assert!(!same("a.example", "a.example.", Scheme::Http));
    }
}
