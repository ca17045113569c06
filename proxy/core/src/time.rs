//! Time as an argument: the core never asks what time it is, it is told.
//!
//! Microseconds in a `u64` instead of `std::time::Instant`: a test and a simulation start at zero, and the value is
//! half as large, which counts in per-tenant state.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// Microseconds since the process (or the simulation) started; lasts for 584,000 years.
///
/// ```
/// use std::time::Duration;
/// use schleuse_core::Timestamp;
///
/// let later = Timestamp::default() + Duration::from_millis(3);
/// assert_eq!(later.as_micros(), 3_000);
/// assert_eq!(later - Timestamp::default(), Duration::from_millis(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From microseconds since the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates: "never" may be written as `now + Duration::MAX`.
    fn add(self, later: Duration) -> Self {
        let micros = u64::try_from(later.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// Zero when `earlier` is in fact later: two threads may have read the clock in either order.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_never_goes_below_zero() {
        let (early, late) = (Timestamp::from_micros(1), Timestamp::from_micros(5));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(late - early, Duration::from_micros(4));
    }

    #[test]
    fn forever_from_now_stays_in_the_future() {
        let now = Timestamp::from_micros(7);
        assert!(now + Duration::MAX > now);
    }
}
