//! References of requests, and W3C trace context.
//!
//! Every request has a reference of 128 random bits: the citizen sees it on an error page, the backend in
//! `X-Request-Id`, the operator in the access log. It is random, so that it says nothing about anybody, and also serves
//! as the trace id when the client brought none.

use std::cell::RefCell;

const HEX: &[u8; 16] = b"0123456789abcdef";

thread_local! {
    static RANDOM: RefCell<fastrand::Rng> = RefCell::new(fastrand::Rng::new());
}

/// 64 random bits, good for balancing and references, not for keys.
pub fn draw() -> u64 {
    RANDOM.with_borrow_mut(|random| random.u64(..))
}

/// A request's reference: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reference([u8; 32]);

impl Reference {
    /// A new one.
    pub fn new() -> Self {
        // `| 1`: an id of zeros only is invalid in trace context.
        Self::from_bits((u128::from(draw()) << 64) | u128::from(draw()) | 1)
    }

    fn from_bits(bits: u128) -> Self {
        let mut digits = [0; 32];
        hex(&bits.to_be_bytes(), &mut digits);
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn hex(bytes: &[u8], digits: &mut [u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
}

/// A `traceparent` that starts a trace at `reference` (version 00, not sampled: sampling is for those who trace).
pub fn new_traceparent(reference: &Reference) -> [u8; 55] {
    let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
    out[3..35].copy_from_slice(&reference.0);
    hex(&(draw() | 1).to_be_bytes(), &mut out[36..52]);
    out
}

/// Whether a received `traceparent` may be passed on (W3C Trace Context §3.2: version 00, lower-case hexadecimal, ids
/// not all zeros).
pub fn valid_traceparent(value: &[u8]) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        value[range.clone()].iter().all(|byte| HEX.contains(byte))
            && (range.len() == 2 || value[range].iter().any(|byte| *byte != b'0'))
    };
    value.len() == 55
        && value.starts_with(b"00-")
        && value[35] == b'-'
        && value[52] == b'-'
        && digits(3..35)
        && digits(36..52)
        && digits(53..55)
}

/// Whether a request id from a trusted proxy may be kept: 1–128 visible ASCII characters without quotes or commas.
pub fn valid_request_id(value: &[u8]) -> bool {
    (1..=128).contains(&value.len())
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_we_start_is_one_that_we_would_pass() {
        let reference = Reference::new();
        let parent = new_traceparent(&reference);
        assert!(valid_traceparent(&parent));
        assert_eq!(&parent[3..35], reference.as_str().as_bytes());
    }

    #[test]
    fn traceparents_that_break_the_form_are_not_passed() {
        for wrong in [
            "",
            "00-00000000000000000000000000000000-0000000000000001-00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(!valid_traceparent(wrong.as_bytes()), "{wrong}");
        }
        assert!(valid_traceparent(
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ));
    }

    #[test]
    fn a_request_id_cannot_carry_text_into_a_log_line() {
        assert!(valid_request_id(b"a1-B2_c3.4"));
        assert!(!valid_request_id(b"a\"b"));
        assert!(!valid_request_id(b""));
        assert!(!valid_request_id(&[b'a'; 129]));
    }
}
