//! How often a tenant may ask: the generic cell rate algorithm (ITU-T I.371, as in `governor`), as plain values.
//!
//! One number per tenant, the theoretical arrival time (TAT): when the last request would have come, had all come
//! evenly. A request conforms when it is not earlier than that by more than the burst allows. In every window of
//! length w at most burst + rate · w requests conform, exactly.
//!
//! Ours and not `governor`'s, because there a changed quota begins with a full burst: a thousand reloads would be a
//! thousand bursts. Here a changed quota carries the used tokens over, TAT' = now + min((TAT - now) / T · T', tau' + T'),
//! and what the minimum forgives (a smaller burst must not punish for the larger one) is remembered and counts again
//! when the burst grows, or quotas that change to and fro would leak the difference each time.

use std::{cell::Cell, rc::Rc};

use crate::{Timestamp, fraction::Fraction};

/// 11.5 days between two requests; slower is for the configuration to refuse. Keeps every sum below 2^64.
const INTERVAL_MAX: u64 = 1_000_000_000_000_000;
/// Eleven and a half thousand days' worth of burst.
const TOLERANCE_MAX: u64 = 1_000 * INTERVAL_MAX;

/// A rate and a burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// T, nanoseconds from one request to the next; 0: no quota, in an arrival time that was never used.
    interval: u64,
    /// tau, nanoseconds that a request may be early: T · (burst - 1).
    tolerance: u64,
}

impl Quota {
    /// `rate_per_second` requests a second in the long run, `burst` requests at once.
    ///
    /// What is no number or out of range is taken as the nearest that makes sense (a burst of at least one request, a
    /// rate from one in 11.5 days to 10^9 a second): the configuration has refused it before. The interval is rounded
    /// up to a nanosecond, so that the rate is never exceeded.
    pub fn new(rate_per_second: f64, burst: f64) -> Self {
        let interval = nanoseconds(1e9 / rate_per_second.max(0.0)).clamp(1, INTERVAL_MAX);
        let early = (burst.max(1.0) - 1.0) * 1e9 / rate_per_second.max(0.0);
        Self {
            interval,
            tolerance: nanoseconds(early.floor()).min(TOLERANCE_MAX),
        }
    }

    /// T, nanoseconds from one request to the next.
    pub const fn interval(&self) -> u64 {
        self.interval
    }

    /// tau, nanoseconds that a request may be early.
    pub const fn tolerance(&self) -> u64 {
        self.tolerance
    }

    /// Requests per second.
    pub fn rate_per_second(&self) -> f64 {
        1e9 / float(self.interval.max(1))
    }

    /// Requests at once.
    pub fn burst(&self) -> f64 {
        float(self.tolerance) / float(self.interval.max(1)) + 1.0
    }

    /// This process's part: the rate is divided, and the burst down to one request.
    #[must_use]
    pub fn share(self, share: Fraction) -> Self {
        if share.is_one() {
            return self;
        }
        let interval = share.whole_of(self.interval).clamp(1, INTERVAL_MAX);
        // The burst as a time is the same for a share: tau + T = burst · T = (burst / n) · (n · T).
        let tolerance = self.burst_nanoseconds().saturating_sub(interval);
        Self {
            interval,
            tolerance,
        }
    }

    /// The burst as a time, tau + T.
    const fn burst_nanoseconds(&self) -> u64 {
        self.tolerance.saturating_add(self.interval)
    }
}

/// How far a tenant has used up its quota. The default is fresh: the whole burst is there.
///
/// Belongs to the tenant and not to its pool: one that moves to another pool keeps its tokens. A changed quota counts
/// from the first time that the tenant asks under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivalTime {
    /// TAT, nanoseconds since the start.
    theoretical: u64,
    /// What TAT would be if no smaller burst had ever forgiven anything; at least TAT.
    owed: u64,
    /// The latest time that it was told.
    latest: u64,
    /// The quota that both were written under.
    quota: Quota,
}

impl ArrivalTime {
    /// Takes one request's token.
    ///
    /// # Errors
    ///
    /// The earliest time at which this succeeds if nobody else asks; no token was taken.
    pub fn take(&mut self, quota: &Quota, now: Timestamp) -> Result<(), Timestamp> {
        let at = self.at(now);
        self.adopt(quota, now);
        let conforming = self.theoretical.saturating_sub(quota.tolerance);
        if conforming > at {
            return Err(timestamp(conforming));
        }
        self.theoretical = self.theoretical.max(at).saturating_add(quota.interval);
        self.owed = self.owed.max(at).saturating_add(quota.interval);
        self.latest = at;
        Ok(())
    }

    /// Carries the tokens over to this quota, which refills from here on: it is asked under, and an answer that was
    /// given by it must hold.
    pub fn adopt(&mut self, quota: &Quota, now: Timestamp) {
        *self = self.carried(quota, self.at(now));
    }

    /// When a request conforms that has `ahead` others before it, if nobody else asks; `now` when at once.
    pub fn earliest(&self, quota: &Quota, now: Timestamp, ahead: u64) -> Timestamp {
        let at = self.at(now);
        let theoretical = self.carried(quota, at).theoretical.max(at);
        let conforming = theoretical
            .saturating_add(quota.interval.saturating_mul(ahead))
            .saturating_sub(quota.tolerance);
        if conforming <= at {
            now
        } else {
            timestamp(conforming)
        }
    }

    /// Requests that conform now.
    pub fn remaining(&self, quota: &Quota, now: Timestamp) -> u64 {
        let at = self.at(now);
        let theoretical = self.carried(quota, at).theoretical.max(at);
        let limit = at.saturating_add(quota.tolerance);
        limit
            .checked_sub(theoretical)
            .map_or(0, |left| left / quota.interval.max(1) + 1)
    }

    /// Whether it equals a fresh one, so that nothing is lost when it is forgotten.
    pub fn full(&self, now: Timestamp) -> bool {
        self.owed.max(self.theoretical) <= self.at(now)
    }

    /// Time as nanoseconds, never earlier than before: a clock that runs back neither refuses nor refills.
    fn at(&self, now: Timestamp) -> u64 {
        now.as_micros().saturating_mul(1_000).max(self.latest)
    }

    /// The same tokens under another quota.
    fn carried(&self, quota: &Quota, at: u64) -> Self {
        if self.quota == *quota {
            return *self;
        }
        let used = self.owed.saturating_sub(at);
        let scaled = match self.quota.interval {
            0 => 0,
            interval => {
                let scaled = u128::from(used) * u128::from(quota.interval);
                u64::try_from(scaled.div_ceil(u128::from(interval))).unwrap_or(u64::MAX)
            }
        };
        Self {
            theoretical: at.saturating_add(scaled.min(quota.burst_nanoseconds())),
            owed: at.saturating_add(scaled),
            latest: self.latest,
            quota: *quota,
        }
    }
}

/// Access to an [`ArrivalTime`] that lives outside of the pool, because a tenant keeps it when it changes pools.
///
/// The shell's is a reference-counted tenant with a lock around it; a simulation's is an [`Rc`].
pub trait SharedRate: Clone {
    /// When a request that has `ahead` others before it conforms to a quota that it is asked under from now on.
    fn earliest(&self, quota: &Quota, now: Timestamp, ahead: u64) -> Timestamp {
        self.with(|used| {
            used.adopt(quota, now);
            used.earliest(quota, now, ahead)
        })
    }

    /// Runs `use_it` on the value; nobody else sees it meanwhile.
    fn with<T>(&self, use_it: impl FnOnce(&mut ArrivalTime) -> T) -> T;
}

impl SharedRate for Rc<Cell<ArrivalTime>> {
    fn with<T>(&self, use_it: impl FnOnce(&mut ArrivalTime) -> T) -> T {
        let mut value = self.get();
        let result = use_it(&mut value);
        self.set(value);
        result
    }
}

/// Microseconds, rounded up: who waits until then does conform (alisaifee/flask-limiter#62).
fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_micros(nanoseconds.div_ceil(1_000))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float beyond the range becomes the nearest end of it, no number becomes 0"
)]
fn nanoseconds(value: f64) -> u64 {
    value.ceil() as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for display: 53 bits of a duration"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn micros(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn quotas() -> impl Strategy<Value = Quota> {
        (0.1..2_000.0_f64, 1.0..50.0_f64).prop_map(|(rate, burst)| Quota::new(rate, burst))
    }

    #[test]
    fn a_quota_is_its_interval_and_how_early_one_may_be() {
        let quota = Quota::new(5.0, 10.0);
        assert_eq!(
            (quota.interval(), quota.tolerance()),
            (200_000_000, 1_800_000_000)
        );
        assert!((quota.rate_per_second() - 5.0).abs() < 1e-9);
        assert!((quota.burst() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn nonsense_becomes_the_nearest_quota_that_makes_sense() {
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert_eq!(Quota::new(rate, 1.0).interval(), INTERVAL_MAX, "{rate}");
        }
        assert_eq!(Quota::new(f64::INFINITY, f64::INFINITY).interval(), 1);
        for burst in [0.0, -5.0, f64::NAN] {
            assert_eq!(Quota::new(5.0, burst).tolerance(), 0, "{burst}");
        }
        let mut used = ArrivalTime::default();
        let endless = Quota::new(1e-300, f64::INFINITY);
        assert_eq!(used.take(&endless, micros(u64::MAX)), Ok(()));
    }

    #[test]
    fn a_share_divides_the_rate_and_the_burst_but_not_the_burst_as_a_time() {
        let half = Quota::new(10.0, 20.0).share(Fraction::new(1, 2).unwrap());
        assert_eq!(half, Quota::new(5.0, 10.0));
        let tenth = Quota::new(10.0, 2.0).share(Fraction::new(1, 10).unwrap());
        assert_eq!(tenth, Quota::new(1.0, 1.0), "one request is the least");
    }

    #[test]
    fn quotas_that_change_to_and_fro_leak_nothing() {
        let quotas = [Quota::new(5.0, 10.0), Quota::new(10.0, 20.0)];
        let (mut used, mut taken) = (ArrivalTime::default(), 0);
        for reload in 0..1_000 {
            let now = micros(reload * 60);
            let quota = &quotas[usize::from(reload % 2 == 0)];
            while used.take(quota, now).is_ok() {
                taken += 1;
            }
        }
        assert_eq!(taken, 20, "a burst; 60 ms give less than one more");
    }

    #[test]
    fn a_smaller_burst_does_not_punish_for_the_larger_one() {
        let (large, small) = (Quota::new(100.0, 1_000.0), Quota::new(0.1, 2.0));
        let mut used = ArrivalTime::default();
        while used.take(&large, micros(0)).is_ok() {}
        let earliest = used.earliest(&small, micros(0), 0);
        assert_eq!(earliest, micros(10_000_000), "one interval");
    }

    proptest! {
        #[test]
        fn no_window_lets_more_through_than_burst_and_rate_times_its_length(
            quota in quotas(), gaps in vec(0..300_000_u64, 1..120)
        ) {
            let (mut used, mut now, mut takes) = (ArrivalTime::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if used.take(&quota, micros(now)).is_ok() {
                    takes.push(now * 1_000);
                }
            }
            for (first, began) in takes.iter().enumerate() {
                for (last, ended) in takes.iter().enumerate().skip(first) {
                    let count = (last - first) as u64;
                    prop_assert!(count * quota.interval <= ended - began + quota.tolerance);
                }
            }
        }

        #[test]
        fn no_window_with_changed_quotas_lets_more_through_either(
            asks in vec((quotas(), 0..300_000_u64, 1..40_usize), 1..60)
        ) {
            let (mut used, mut now, mut earned) = (ArrivalTime::default(), 0, 0.0);
            let (mut taken, mut takes) = (0.0, Vec::new());
            let mut rate: f64 = 0.0;
            for (quota, gap, times) in asks {
                now += gap;
                earned += rate * Duration::from_micros(gap).as_secs_f64();
                rate = quota.rate_per_second();
                for _ in 0..times {
                    if used.take(&quota, micros(now)).is_ok() {
                        takes.push((taken - earned, quota.burst()));
                        taken += 1.0;
                    }
                }
            }
            for (first, (before, _)) in takes.iter().enumerate() {
                let mut burst_max: f64 = 0.0;
                for (after, burst) in takes.iter().skip(first) {
                    burst_max = burst_max.max(*burst);
                    prop_assert!(after + 1.0 - before <= burst_max + 1e-3);
                }
            }
        }

        #[test]
        fn a_changed_quota_carries_the_used_tokens_over(
            old in quotas(), new in quotas(), takes in 1..60_usize, later in 0..2_000_000_u64
        ) {
            let mut used = ArrivalTime::default();
            for _ in 0..takes {
                let _ = used.take(&old, micros(0));
            }
            let at = later * 1_000;
            let left = u128::from(used.theoretical.saturating_sub(at));
            used.adopt(&new, micros(later));
            let scaled = (left * u128::from(new.interval)).div_ceil(u128::from(old.interval));
            let most = u128::from(new.tolerance + new.interval);
            prop_assert_eq!(u128::from(used.theoretical - at), scaled.min(most));
        }

        #[test]
        fn time_running_back_neither_refuses_nor_refills_p30(
            quota in quotas(), times in vec(0..3_000_000_u64, 1..100)
        ) {
            let (mut jumping, mut steady) = (ArrivalTime::default(), ArrivalTime::default());
            let mut latest = 0;
            for time in times {
                let taken = jumping.take(&quota, micros(time));
                if taken.is_ok() {
                    latest = latest.max(time);
                }
                let expected = steady.take(&quota, micros(time.max(latest)));
                prop_assert_eq!(taken.is_ok(), expected.is_ok());
                if taken.is_ok() {
                    prop_assert!(jumping.remaining(&quota, micros(0)) <= jumping.remaining(&quota, micros(time)));
                }
            }
        }

        #[test]
        fn who_waits_exactly_as_long_as_told_passes_and_not_before_p32(
            quota in quotas(), gaps in vec(0..50_000_u64, 1..100)
        ) {
            let (mut used, mut now) = (ArrivalTime::default(), 0);
            for gap in gaps {
                now += gap;
                if let Err(at) = used.take(&quota, micros(now)) {
                    prop_assert!(at > micros(now));
                    let just_before = micros(at.as_micros() - 1);
                    prop_assert!(used.clone().take(&quota, just_before).is_err());
                    prop_assert_eq!(used.take(&quota, at), Ok(()));
                    now = at.as_micros();
                }
            }
        }

        #[test]
        fn who_stands_behind_others_is_told_when_they_will_all_have_passed(
            quota in quotas(), takes in 0..60_usize, ahead in 0..20_u64
        ) {
            let mut used = ArrivalTime::default();
            for _ in 0..takes {
                let _ = used.take(&quota, micros(5));
            }
            let told = used.earliest(&quota, micros(5), ahead);
            let mut now = micros(5);
            for _ in 0..=ahead {
                now = used.earliest(&quota, now, 0);
                prop_assert_eq!(used.take(&quota, now), Ok(()));
            }
            // Each step was rounded up to a microsecond.
            prop_assert!(told <= now && now - told <= Duration::from_micros(ahead + 1));
        }

        #[test]
        fn what_remains_is_what_can_be_taken_and_full_is_as_good_as_fresh(
            quota in quotas(), takes in 0..60_usize, later in 0..20_000_000_u64
        ) {
            let mut used = ArrivalTime::default();
            for _ in 0..takes {
                let _ = used.take(&quota, micros(0));
            }
            let now = micros(later);
            let remaining = used.remaining(&quota, now);
            if used.full(now) {
                prop_assert_eq!(remaining, ArrivalTime::default().remaining(&quota, now));
            }
            let taken = std::iter::from_fn(|| used.take(&quota, now).ok()).count();
            prop_assert_eq!(taken as u64, remaining);
        }
    }
}
