//! The affinity cookie's key material and its place in the header; format and decisions are the core's.
//!
//! HMAC-SHA-256 cut to 128 bits. The message starts with the pool's name, so that a cookie of one pool says nothing in
//! another. Without keys in the config one is drawn at start: sessions then end with the process.

use aws_lc_rs::hmac;
use schleuse_config::{Affinity, AffinityKey};
use schleuse_core::affinity::{COOKIE_BYTES, SessionCookie};

use crate::clock;

/// Name of the cookie.
pub const COOKIE: &str = "schleuse-affinity";

/// The first signs, all verify.
#[derive(Debug, Clone)]
pub struct AffinityKeys {
    keys: Vec<hmac::Key>,
    /// Drawn here, not configured: kept over reloads.
    drawn: bool,
}

impl AffinityKeys {
    /// From the config, or, without any there, the drawn one of `before`, or a new one.
    pub fn new(configured: &[AffinityKey], before: Option<&Self>) -> Self {
        if configured.is_empty() {
            return before
                .filter(|before| before.drawn)
                .cloned()
                .unwrap_or_else(Self::draw);
        }
        let keys = configured
            .iter()
            .map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key.0))
            .collect();
        Self { keys, drawn: false }
    }

    fn draw() -> Self {
        let mut secret = [0; 32];
        // Fails only without an entropy source; then no cookie of ours verifies, which costs affinity and nothing else.
        let keys = match aws_lc_rs::rand::fill(&mut secret) {
            Ok(()) => vec![hmac::Key::new(hmac::HMAC_SHA256, &secret)],
            Err(_) => Vec::new(),
        };
        Self { keys, drawn: true }
    }

    /// What a received cookie says, if one of the keys signed it for this pool and it has not expired.
    pub fn decode(&self, pool: &str, value: &[u8]) -> Option<SessionCookie> {
        let now = clock::unix().as_secs();
        self.keys
            .iter()
            .find_map(|key| SessionCookie::decode(value, now, |message| mac(key, pool, message)))
    }

    /// The `Set-Cookie` value for a session with the endpoint of this tag.
    pub fn set_cookie(&self, pool: &str, tag: u64, affinity: &Affinity) -> Option<String> {
        let session = SessionCookie::starting(tag, affinity.ttl, clock::unix().as_secs());
        let value: [u8; COOKIE_BYTES] = session.encode(|message| {
            self.keys
                .first()
                .map_or([0; 16], |key| mac(key, pool, message))
        });
        self.keys.first()?;
        let value = std::str::from_utf8(&value).ok()?;
        Some(format!(
            "{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax; Secure",
            affinity.ttl.as_secs()
        ))
    }
}

fn mac(key: &hmac::Key, pool: &str, message: &[u8]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    context.update(pool.as_bytes());
    context.update(&[0]);
    context.update(message);
    let mut short = [0; 16];
    short
        .iter_mut()
        .zip(context.sign().as_ref())
        .for_each(|(short, byte)| *short = *byte);
    short
}

/// The value of the cookie of this name in a `Cookie` field (RFC 6265 §4.2.1), first one counts.
pub fn cookie<'c>(field: &'c [u8], name: &str) -> Option<&'c [u8]> {
    field.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair
            .trim_ascii()
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")?;
        Some(
            value
                .strip_prefix(b"\"")
                .and_then(|inner| inner.strip_suffix(b"\""))
                .unwrap_or(value),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn keys(secrets: &[&[u8]]) -> AffinityKeys {
        let keys: Vec<_> = secrets
            .iter()
            .map(|secret| AffinityKey(Arc::from(*secret)))
            .collect();
        AffinityKeys::new(&keys, None)
    }

    fn value(keys: &AffinityKeys, pool: &str) -> Vec<u8> {
        let set = keys
            .set_cookie(
                pool,
                7,
                &Affinity {
                    ttl: Duration::from_mins(1),
                },
            )
            .unwrap();
        cookie(set.as_bytes(), COOKIE).unwrap().to_vec()
    }

    #[test]
    fn a_rotated_key_still_verifies_and_a_dropped_one_does_not() {
        let (old, new) = ([1; 32], [2; 32]);
        let cookie = value(&keys(&[&old]), "pool");
        assert_eq!(keys(&[&new, &old]).decode("pool", &cookie).unwrap().tag, 7);
        assert!(keys(&[&new]).decode("pool", &cookie).is_none());
    }

    #[test]
    fn a_cookie_of_one_pool_says_nothing_in_another() {
        let keys = keys(&[&[1; 32]]);
        assert!(keys.decode("b", &value(&keys, "a")).is_none());
    }

    #[test]
    fn a_drawn_key_survives_a_reload() {
        let first = AffinityKeys::new(&[], None);
        let second = AffinityKeys::new(&[], Some(&first));
        assert!(second.decode("pool", &value(&first, "pool")).is_some());
    }

    #[test]
    fn a_cookie_is_found_among_others_and_not_by_the_end_of_its_name() {
        assert_eq!(cookie(b"a=1; b=2;c=\"3\"", "b"), Some(&b"2"[..]));
        assert_eq!(cookie(b"a=1; b=2;c=\"3\"", "c"), Some(&b"3"[..]));
        assert_eq!(cookie(b"xb=1", "b"), None);
    }
}
