//! Slow start: an endpoint that just became ready gets its load in a ramp instead of at once.
//!
//! Caches are cold, code is not compiled yet, connection pools are empty: the full share would make the first answers
//! slow and the balancer flee. The ramp is linear and bounds both the seats and the weight in the choice; `HAProxy`
//! (`slowstart`), nginx plus and Envoy do the same.

use std::time::Duration;

use crate::Timestamp;

/// Where the ramp starts: a tenth, as Envoy's `min_weight_percent`. Less would leave an endpoint of few seats with one
/// for most of the ramp.
const START: u32 = 100;

/// The readiness of an endpoint in thousandths of its full share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(u32);

impl Share {
    /// Not, or no longer, on the ramp.
    pub(crate) const FULL: Self = Self(1_000);

    /// The share at `now` of an endpoint whose ramp started at `since` and takes `ramp` (zero: no ramp).
    ///
    /// A start in the future is that of an ejected endpoint, which gets nothing until then anyway; should it be asked
    /// because nobody else is left, it is asked with all it has.
    pub(crate) fn at(since: Option<Timestamp>, ramp: Duration, now: Timestamp) -> Self {
        let Some(since) = since.filter(|since| *since <= now) else {
            return Self::FULL;
        };
        let elapsed = now - since;
        if elapsed >= ramp {
            return Self::FULL;
        }
        let climbed = elapsed.as_micros() * u128::from(Self::FULL.0 - START) / ramp.as_micros();
        Self(START + u32::try_from(climbed).unwrap_or(0))
    }

    /// Seats out of `concurrency`, at least one: an endpoint that gets nothing never warms up.
    pub(crate) fn seats(self, concurrency: u32) -> u32 {
        let seats = u64::from(concurrency) * u64::from(self.0) / u64::from(Self::FULL.0);
        u32::try_from(seats).unwrap_or(u32::MAX).max(1)
    }

    /// When an endpoint on the ramp will have one seat more than at `now`; none: it has them all.
    pub(crate) fn next_seat(
        since: Timestamp,
        ramp: Duration,
        concurrency: u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let seats = Self::at(Some(since), ramp, now).seats(concurrency);
        if seats >= concurrency.max(1) {
            return None;
        }
        let next = u64::from(seats) + 1;
        let share = (next * u64::from(Self::FULL.0)).div_ceil(u64::from(concurrency.max(1)));
        let climb = u128::from(share.saturating_sub(u64::from(START)));
        let elapsed = (climb * ramp.as_micros()).div_ceil(u128::from(Self::FULL.0 - START));
        let elapsed = Duration::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX));
        Some(since + elapsed.min(ramp))
    }

    /// As a factor of the weight, above 0 and up to 1.
    pub(crate) fn weight(self) -> f64 {
        f64::from(self.0) / f64::from(Self::FULL.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RAMP: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    #[test]
    fn the_ramp_starts_at_a_tenth_and_ends_at_the_whole() {
        let seats = |millis| Share::at(Some(at(0)), RAMP, at(millis)).seats(200);
        assert_eq!([0, 5_000, 10_000].map(seats), [20, 110, 200]);
    }

    #[test]
    fn an_endpoint_of_few_seats_has_one_from_the_start() {
        assert_eq!(Share::at(Some(at(0)), RAMP, at(0)).seats(3), 1);
    }

    #[test]
    fn zero_switches_the_ramp_off() {
        assert_eq!(Share::at(Some(at(5)), Duration::ZERO, at(5)), Share::FULL);
    }

    proptest! {
        #[test]
        fn the_next_seat_comes_when_it_was_announced_and_not_before(
            millis in 0..12_000_u64, concurrency in 0..3_000_u32, ramp in 0..11_000_u64
        ) {
            let ramp = Duration::from_millis(ramp);
            let seats = |now| Share::at(Some(at(0)), ramp, now).seats(concurrency);
            let now = at(millis);
            if let Some(next) = Share::next_seat(at(0), ramp, concurrency, now) {
                prop_assert!(next > now && seats(next) > seats(now));
                let before = Timestamp::from_micros(next.as_micros() - 1);
                prop_assert_eq!(seats(before), seats(now));
            } else {
                prop_assert_eq!(seats(now), concurrency.max(1));
            }
        }

        #[test]
        fn the_ramp_never_falls_and_never_leaves_its_bounds(
            early in 0..20_000_u64, later in 0..20_000_u64, concurrency in 0..u32::MAX
        ) {
            let share = |millis| Share::at(Some(at(0)), RAMP, at(millis));
            let (first, second) = (share(early), share(early + later));
            prop_assert!(first <= second && second <= Share::FULL);
            prop_assert!((1..=concurrency.max(1)).contains(&first.seats(concurrency)));
        }
    }
}
