//! The affinity cookie, as far as it is pure: which endpoint a session belongs to, until when, and that we said so.
//!
//! `v1.<endpoint>.<expires>.<signature>`, all in lower-case hexadecimal of fixed length. The endpoint is a 64-bit hash
//! of address and port, hidden under a mask that is derived from the signature (the construction of SIV, RFC 5297):
//! alone, the hash of a private address is found by trying all of them, and a citizen's browser is no place for a plan
//! of the data centre. The MAC is an argument, so that keys and their rotation stay with the shell; it should cover the
//! pool's name too, or a cookie of one pool is valid in another (where its endpoint is usually unknown).

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Version of the format. Another one decodes to nothing, and the session starts anew.
const VERSION: &[u8] = b"v1";

/// Length of a cookie's value, bytes: `v1`, 16, 16 and 32 digits, three dots.
pub const COOKIE_BYTES: usize = 69;

/// What an accepted cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// [`endpoint_tag`] of the session's endpoint.
    pub tag: u64,
    /// End of the session, seconds since 1970.
    pub expires: u64,
}

impl SessionCookie {
    /// A session that starts now, with the endpoint of this tag; `now` in seconds since 1970.
    pub fn starting(tag: u64, ttl: Duration, now: u64) -> Self {
        Self {
            tag,
            expires: now.saturating_add(ttl.as_secs()),
        }
    }

    /// Whether the cookie should be set anew: half of its life is over.
    ///
    /// Setting it with each answer would cost a signature per request; at the end of its life would be too late for
    /// a citizen who pauses over a form.
    pub fn due_for_renewal(&self, ttl: Duration, now: u64) -> bool {
        self.expires.saturating_sub(now) <= ttl.as_secs() / 2
    }

    /// The cookie's value. `mac` is called twice.
    pub fn encode(&self, mac: impl Fn(&[u8]) -> [u8; 16]) -> [u8; COOKIE_BYTES] {
        let signature = sign(self, &mac);
        let masked = self.tag ^ mask(&signature, &mac);
        let digits = hex(masked.to_be_bytes())
            .chain(*b".")
            .chain(hex(self.expires.to_be_bytes()))
            .chain(*b".")
            .chain(hex(signature));
        let mut value = [b'.'; COOKIE_BYTES];
        let characters = VERSION.iter().copied().chain(*b".").chain(digits);
        for (place, character) in value.iter_mut().zip(characters) {
            *place = character;
        }
        value
    }

    /// Reads a cookie's value: none when it is malformed, expired at `now` (seconds since 1970) or not signed by `mac`.
    ///
    /// With several keys, call it once for each. `mac` is called at most twice, and not at all for what is malformed or
    /// expired.
    pub fn decode(value: &[u8], now: u64, mac: impl Fn(&[u8]) -> [u8; 16]) -> Option<Self> {
        if value.len() != COOKIE_BYTES {
            return None;
        }
        let mut parts = value.split(|byte| *byte == b'.');
        if parts.next()? != VERSION {
            return None;
        }
        let masked = u64::from_be_bytes(bytes(parts.next()?)?);
        let expires = u64::from_be_bytes(bytes(parts.next()?)?);
        let signature: [u8; 16] = bytes(parts.next()?)?;
        if parts.next().is_some() || expires <= now {
            return None;
        }
        let tag = masked ^ mask(&signature, &mac);
        let session = Self { tag, expires };
        equal(&sign(&session, &mac), &signature).then_some(session)
    }
}

/// The identity of an endpoint in a cookie: FNV-1a over address and port.
///
/// The same in every process and after every restart, so that a session survives both. Two endpoints of one pool that
/// share a tag (one chance in 10^15 among hundreds) share their sessions, nothing worse.
pub fn endpoint_tag(address: SocketAddr) -> u64 {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => fnv1a(ip.octets().into_iter().chain(port)),
        IpAddr::V6(ip) => fnv1a(ip.octets().into_iter().chain(port)),
    }
}

/// Fowler, Noll and Vo, draft-eastlake-fnv; the 64-bit constants.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The signature: over the unmasked tag and the end.
fn sign(session: &SessionCookie, mac: impl Fn(&[u8]) -> [u8; 16]) -> [u8; 16] {
    let mut message = [b's'; 17];
    for (place, byte) in message.iter_mut().skip(1).zip(
        session
            .tag
            .to_be_bytes()
            .into_iter()
            .chain(session.expires.to_be_bytes()),
    ) {
        *place = byte;
    }
    mac(&message)
}

/// What hides the tag: another MAC (its message starts differently) over the signature.
fn mask(signature: &[u8; 16], mac: impl Fn(&[u8]) -> [u8; 16]) -> u64 {
    let mut message = [b'm'; 17];
    for (place, byte) in message.iter_mut().skip(1).zip(signature) {
        *place = *byte;
    }
    let wide = u128::from_be_bytes(mac(&message));
    u64::try_from(wide >> 64).unwrap_or(0)
}

/// Compares in constant time: a comparison that stops at the first difference tells a forger how far he got.
fn equal(ours: &[u8; 16], theirs: &[u8; 16]) -> bool {
    let difference = ours
        .iter()
        .zip(theirs)
        .fold(0, |difference, (one, other)| difference | (one ^ other));
    std::hint::black_box(difference) == 0
}

fn hex<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = u8> {
    bytes.into_iter().flat_map(|byte| {
        [byte >> 4, byte & 0xf].map(|digit| match digit {
            0..=9 => b'0' + digit,
            _ => b'a' + digit - 10,
        })
    })
}

/// Exactly `N` bytes from lower-case hexadecimal.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_mins(30);
    const NOW: u64 = 1_800_000_000;

    /// Stands in for an HMAC: depends on the key and on every byte.
    fn mac(key: u8) -> impl Fn(&[u8]) -> [u8; 16] {
        move |message| {
            let half = |salt| fnv1a([key, salt].into_iter().chain(message.iter().copied()));
            let mut code = [0; 16];
            code[..8].copy_from_slice(&half(1).to_be_bytes());
            code[8..].copy_from_slice(&half(2).to_be_bytes());
            code
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_cookie_ends_when_its_time_is_over() {
        let session = SessionCookie::starting(7, TTL, NOW);
        let cookie = session.encode(mac(1));
        let last = NOW + TTL.as_secs() - 1;
        assert_eq!(SessionCookie::decode(&cookie, last, mac(1)), Some(session));
        assert_eq!(SessionCookie::decode(&cookie, last + 1, mac(1)), None);
    }

    #[test]
    fn a_cookie_is_renewed_from_half_of_its_life_on() {
        let session = SessionCookie::starting(7, TTL, NOW);
        assert!(!session.due_for_renewal(TTL, NOW + 899));
        assert!(session.due_for_renewal(TTL, NOW + 900));
    }

    #[test]
    fn neither_the_address_nor_its_hash_is_in_the_cookie() {
        let tag = endpoint_tag(address("10.0.0.1:8080"));
        let cookie = SessionCookie::starting(tag, TTL, NOW).encode(mac(1));
        let cookie = std::str::from_utf8(&cookie).unwrap();
        assert!(!cookie.contains("10.0.0.1") && !cookie.contains(&format!("{tag:016x}")));
    }

    #[test]
    fn sessions_of_two_endpoints_hide_them_under_different_masks() {
        let hidden = |tag| SessionCookie::starting(tag, TTL, NOW).encode(mac(1))[3..19].to_vec();
        let digits = |text: &[u8]| u64::from_be_bytes(bytes(text).unwrap());
        assert_ne!(digits(&hidden(1)) ^ digits(&hidden(2)), 1 ^ 2);
    }

    #[test]
    fn two_ports_of_one_host_are_two_endpoints_p28() {
        assert_ne!(
            endpoint_tag(address("10.0.0.1:8080")),
            endpoint_tag(address("10.0.0.1:8081"))
        );
    }

    #[test]
    fn the_tag_of_an_address_is_the_same_in_every_release() {
        // RFC draft's test vector for "foobar" = octets of a v4 address and a port.
        let foobar = address("102.111.111.98:24946");
        assert_eq!(endpoint_tag(foobar), 0x8594_4171_f739_67e8);
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes_to_the_same(tag: u64, expires in NOW + 1..u64::MAX) {
            let session = SessionCookie { tag, expires };
            prop_assert_eq!(SessionCookie::decode(&session.encode(mac(1)), NOW, mac(1)), Some(session));
        }

        #[test]
        fn a_cookie_with_one_changed_byte_is_refused(tag: u64, place in 0..COOKIE_BYTES, byte: u8) {
            let mut cookie = SessionCookie::starting(tag, TTL, NOW).encode(mac(1));
            prop_assume!(cookie[place] != byte);
            cookie[place] = byte;
            prop_assert_eq!(SessionCookie::decode(&cookie, NOW, mac(1)), None);
        }

        #[test]
        fn a_cookie_of_another_key_is_refused(tag: u64) {
            let cookie = SessionCookie::starting(tag, TTL, NOW).encode(mac(1));
            prop_assert_eq!(SessionCookie::decode(&cookie, NOW, mac(2)), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(value: Vec<u8>, text in "v1(\\.[0-9a-f]{0,33}){0,5}") {
            prop_assert_eq!(SessionCookie::decode(&value, NOW, mac(1)), None);
            prop_assert_eq!(SessionCookie::decode(text.as_bytes(), NOW, mac(1)), None);
        }
    }
}
