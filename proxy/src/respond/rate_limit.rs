//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11, an Internet-Draft, structured fields of
//! RFC 9651): which limit refused, how large it is, when some of it is free again.
//!
//! They go with refusals by a rate only. An admitted answer would tell every client how much of a tenant's rate the others
//! have used.

use std::time::Duration;

use smallvec::SmallVec;

/// What the two fields say of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitShown {
    /// `tenant` or `client`.
    pub name: &'static str,
    /// Requests in a window.
    pub quota: u64,
    /// The window: the time in which a used-up quota is whole again.
    pub window: Duration,
    /// Requests that would still pass now.
    pub remaining: u64,
    /// How long until one more passes.
    pub reset: Duration,
}

/// A field's value; always fits.
pub(super) type Value = SmallVec<[u8; 64]>;

impl RateLimitShown {
    /// `"tenant";q=100;w=60`
    pub(super) fn policy(&self) -> Value {
        self.item(b";q=", self.quota, b";w=", self.window)
    }

    /// `"tenant";r=0;t=30`
    pub(super) fn state(&self) -> Value {
        self.item(b";r=", self.remaining, b";t=", self.reset)
    }

    fn item(&self, count_key: &[u8], count: u64, time_key: &[u8], time: Duration) -> Value {
        /// The largest integer of a structured field (RFC 9651 §3.3.1).
        const INTEGER_MAX: u64 = 999_999_999_999_999;
        let mut value = Value::new();
        let mut digits = itoa::Buffer::new();
        value.push(b'"');
        value.extend_from_slice(self.name.as_bytes());
        value.push(b'"');
        value.extend_from_slice(count_key);
        value.extend_from_slice(digits.format(count.min(INTEGER_MAX)).as_bytes());
        value.extend_from_slice(time_key);
        value.extend_from_slice(
            digits
                .format(whole_seconds(time).min(INTEGER_MAX))
                .as_bytes(),
        );
        value
    }
}

/// Rounded up, at least 1: who waits exactly that long must not come too early (RFC 9110 §10.2.3).
pub(super) fn whole_seconds(after: Duration) -> u64 {
    after
        .as_secs()
        .saturating_add(u64::from(after.subsec_nanos() > 0))
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p32_a_wait_is_told_in_whole_seconds_rounded_up_and_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_nanos(1_000_000_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_fields_have_the_form_of_the_draft() {
        let shown = RateLimitShown {
            name: "tenant",
            quota: 100,
            window: Duration::from_mins(1),
            remaining: 0,
            reset: Duration::from_millis(29_500),
        };
        assert_eq!(&shown.policy()[..], br#""tenant";q=100;w=60"#);
        assert_eq!(&shown.state()[..], br#""tenant";r=0;t=30"#);
    }

    #[test]
    fn numbers_stay_within_what_a_structured_field_can_say() {
        let shown = RateLimitShown {
            name: "client",
            quota: u64::MAX,
            window: Duration::MAX,
            remaining: 0,
            reset: Duration::ZERO,
        };
        assert_eq!(
            &shown.policy()[..],
            br#""client";q=999999999999999;w=999999999999999"#
        );
    }
}
