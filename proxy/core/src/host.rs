//! One normal form of a host: lower case, no port, no trailing dot.
//!
//! Routing, certificate choice, the 421 rule and logs compare names in this form only. Comparing before normalising is
//! how a port turned every request into 421 elsewhere (traefik#7070).

/// Why a host cannot be normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostError {
    /// Nothing is left without port and trailing dot.
    #[error("the host is empty")]
    Empty,
    /// More than 253 bytes, the longest name of the DNS (RFC 1035 §2.3.4, without the root's dot).
    #[error("the host is longer than 253 bytes")]
    TooLong,
    /// Something other than letters, digits, `-`, `_`, `.` or an IPv6 literal in brackets.
    #[error("the host has a character that no name has")]
    BadCharacter,
    /// Two dots in a row, or one at the start.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// What follows the colon is no number up to 65535.
    #[error("the port is no number up to 65535")]
    BadPort,
}

/// Longest name, bytes.
const LENGTH_MAX: usize = 253;

/// Room for a host whose capitals had to be lowered; on the caller's stack, so that normalising never allocates.
#[derive(Debug)]
pub struct HostBuffer([u8; LENGTH_MAX]);

impl Default for HostBuffer {
    fn default() -> Self {
        Self([0; LENGTH_MAX])
    }
}

/// The normal form of an authority as received (`Host`, `:authority`, SNI), without its port.
///
/// Borrows from `authority` when that is normal already, from `buffer` otherwise. An IPv6 literal keeps its brackets.
///
/// ```
/// use schleuse_core::host::{HostBuffer, normalize_host};
///
/// let mut buffer = HostBuffer::default();
/// assert_eq!(normalize_host("Wohngeld.Example.:8443", &mut buffer), Ok("wohngeld.example"));
/// ```
///
/// # Errors
///
/// [`HostError`]; user information (`user@`) and percent escapes are characters that no name has.
#[inline]
pub fn normalize_host<'h>(
    authority: &'h str,
    buffer: &'h mut HostBuffer,
) -> Result<&'h str, HostError> {
    let (name, port) = split_port(authority)?;
    if !port.is_empty() && !is_port(port) {
        return Err(HostError::BadPort);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    check_name(name)?;
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        lower(name, buffer)
    } else {
        Ok(name)
    }
}

/// Name and port; the port is empty when there is none (RFC 3986 §3.2.3 allows `host:` as well).
fn split_port(authority: &str) -> Result<(&str, &str), HostError> {
    if !authority.starts_with('[') {
        return Ok(authority.split_once(':').unwrap_or((authority, "")));
    }
    let end = authority.find(']').ok_or(HostError::BadCharacter)? + 1;
    let (literal, rest) = authority.split_at_checked(end).unwrap_or((authority, ""));
    match rest.strip_prefix(':') {
        Some(port) => Ok((literal, port)),
        None if rest.is_empty() => Ok((literal, "")),
        None => Err(HostError::BadCharacter),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn check_name(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > LENGTH_MAX {
        return Err(HostError::TooLong);
    }
    if let Some(literal) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address = literal.parse::<std::net::Ipv6Addr>();
        return address.map(|_| ()).map_err(|_| HostError::BadCharacter);
    }
    let mut previous = b'.';
    for byte in name.bytes() {
        match byte {
            b'.' if previous == b'.' => return Err(HostError::EmptyLabel),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => previous = byte,
            _ => return Err(HostError::BadCharacter),
        }
    }
    if previous == b'.' {
        Err(HostError::EmptyLabel)
    } else {
        Ok(())
    }
}

fn lower<'h>(name: &str, buffer: &'h mut HostBuffer) -> Result<&'h str, HostError> {
    let room = buffer.0.get_mut(..name.len()).ok_or(HostError::TooLong)?;
    room.copy_from_slice(name.as_bytes());
    room.make_ascii_lowercase();
    str::from_utf8(room).map_err(|_| HostError::BadCharacter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(authority: &str) -> Result<String, HostError> {
        normalize_host(authority, &mut HostBuffer::default()).map(str::to_owned)
    }

    #[test]
    fn spellings_of_one_host_have_one_normal_form() {
        for authority in [
            "a.example",
            "A.Example",
            "a.example.",
            "a.example:80",
            "A.EXAMPLE.:443",
            "a.example:",
        ] {
            assert_eq!(normal(authority).as_deref(), Ok("a.example"), "{authority}");
        }
        assert_eq!(normal("[::1]:8080").as_deref(), Ok("[::1]"));
        assert_eq!(normal("[2001:DB8::1]").as_deref(), Ok("[2001:db8::1]"));
        assert_eq!(normal("127.0.0.1:80").as_deref(), Ok("127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_reason() {
        for (authority, why) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            ("a..b", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a..", HostError::EmptyLabel),
            ("a:b", HostError::BadPort),
            ("a:65536", HostError::BadPort),
            ("a:+80", HostError::BadPort),
            ("a:80:90", HostError::BadPort),
            ("user@a", HostError::BadCharacter),
            ("a%2eb", HostError::BadCharacter),
            ("köln.example", HostError::BadCharacter),
            ("[::1", HostError::BadCharacter),
            ("[::1]x", HostError::BadCharacter),
            ("[a]", HostError::BadCharacter),
            ("a b", HostError::BadCharacter),
        ] {
            assert_eq!(normal(authority), Err(why), "{authority}");
        }
        assert_eq!(normal(&"a".repeat(254)), Err(HostError::TooLong));
        assert!(normal(&"A".repeat(253)).is_ok());
    }

    #[test]
    fn a_normal_host_is_borrowed_from_the_request() {
        let authority = "a.example:80";
        let mut buffer = HostBuffer::default();
        let host = normalize_host(authority, &mut buffer).expect("a host");
        assert_eq!(host.as_ptr(), authority.as_ptr());
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(authority in "[a-zA-Z0-9.:\\[\\]_-]{0,20}") {
            if let Ok(once) = normal(&authority) {
                prop_assert_eq!(normal(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn no_authority_makes_it_panic(authority in ".*") {
            let _ = normal(&authority);
        }
    }
}
