//! One decision of a rate limit, by the generic cell rate algorithm (GCRA, ITU-T I.371) of the `governor` crate.
//!
//! A limiter of governor's has one quota, keeps its own state, and offers no way to carry that over to another quota: a
//! reload would fill every bucket. So a limiter here lives for one decision only, made from the quota in force, a state
//! that lies in our table, and a time that is an argument (boinkor-net/governor#299: its own clock once ran back). Making
//! one is three multiplications.
//!
//! Under a changed quota what was taken out stays out, but nobody is shut out for longer than the new burst takes to fill:
//! the rest is forgiven. It is remembered, as with the rates of tenants (`schleuse_core::rate`), and counts again when the
//! quota changes again, or quotas that flap between two bursts would give the difference anew with each reload.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use schleuse_config::ClientLimit;

/// A rate and a burst, ready for decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quota {
    /// Nanoseconds for one request (the algorithm's T).
    interval: u64,
    /// Requests at once.
    burst: NonZeroU32,
}

impl Quota {
    /// Longest time in which an empty bucket fills again, nanoseconds (146 years): sums of two stay within 64 bits.
    const FILL_MAX: u64 = u64::MAX / 4;

    /// Of a config's limit. Where a rate cannot be had exactly in whole nanoseconds, it is the next lower one.
    pub(super) fn new(limit: &ClientLimit) -> Self {
        let interval = (1e9 / limit.rate_per_second).ceil();
        let burst = limit.burst.requests(limit.rate_per_second);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and the fraction of a request is no request"
        )]
        let (interval, burst) = (interval as u64, burst as u32);
        let interval = interval.clamp(1, Self::FILL_MAX);
        let most = u32::try_from(Self::FILL_MAX / interval).unwrap_or(u32::MAX);
        Self {
            interval,
            burst: NonZeroU32::new(burst.min(most)).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// Nanoseconds in which an empty bucket fills: the time the whole burst is worth.
    pub(super) fn fill(&self) -> u64 {
        self.interval.saturating_mul(self.burst.get().into())
    }

    pub(super) fn burst(&self) -> u64 {
        self.burst.get().into()
    }

    /// [`Self::burst`] requests per this time.
    pub(super) fn window(&self) -> Duration {
        Duration::from_nanos(self.fill())
    }

    fn governor(&self) -> governor::Quota {
        governor::Quota::with_period(Duration::from_nanos(self.interval))
            .unwrap_or(governor::Quota::per_second(NonZeroU32::MIN))
            .allow_burst(self.burst)
    }
}

/// What is remembered of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    /// Nanoseconds since the start of the process at which all that was ever taken out will be back. In the past: it is
    /// full, and as good as one never used.
    pub(super) full_at: u64,
    /// The interval it was written under, rounded down: a carried debt is then rounded up.
    pub(super) interval: f32,
    /// The part of the debt that a smaller burst does not hold against its client.
    pub(super) forgiven: Forgiven,
}

/// A debt that counts again when the quota changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Forgiven {
    /// Nanoseconds, at most what there is of a debt; 0: nothing is forgiven.
    pub(super) debt: u64,
    /// [`Quota::fill`] of the quota that forgave.
    pub(super) fill: u64,
}

impl Bucket {
    /// Whether it differs from a bucket that was never used.
    pub(super) fn live(&self, now: u64) -> bool {
        self.full_at > now
    }

    /// When it is full as far as is held against its client: the algorithm's theoretical arrival time.
    pub(super) fn counts_until(&self) -> u64 {
        self.full_at.saturating_sub(self.forgiven.debt)
    }

    /// Takes one request out, or says how long until there is one.
    pub(super) fn take(&mut self, quota: &Quota, now: u64) -> Result<(), Duration> {
        self.carry(quota, now);
        let state = OneState(Cell::new(self.counts_until()));
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota.governor(), state, Readings::new(now));
        let decision = limiter.check();
        let counts_until = limiter.into_state_store().0.get();
        if decision.is_ok() {
            let full_at = self.full_at.max(now).saturating_add(quota.interval);
            self.set(full_at, counts_until, quota);
        }
        decision.map_err(|until| until.wait_time_from(Nanos::new(now)))
    }

    /// As a bucket of `quota`.
    pub(super) fn carried(mut self, quota: &Quota, now: u64) -> Self {
        self.carry(quota, now);
        self
    }

    /// Of two that a client was counted in: the debt that is larger, in all and as far as it counts. Both are buckets of
    /// `quota`.
    pub(super) fn emptier(mut self, other: &Self, quota: &Quota) -> Self {
        let full_at = self.full_at.max(other.full_at);
        let counts_until = self.counts_until().max(other.counts_until());
        self.set(full_at, counts_until, quota);
        self
    }

    /// Makes it a bucket of `quota`: what was taken out stays out, in requests, and at most a whole burst counts. A
    /// changed rate neither fills a bucket nor shuts anybody out for longer than the new one takes to give one request.
    fn carry(&mut self, quota: &Quota, now: u64) {
        let interval = rounded_down(quota.interval);
        if self.live(now) {
            #[expect(
                clippy::float_cmp,
                reason = "a value that was stored and not computed with"
            )]
            let rescaled = self.interval != interval && self.interval > 0.0;
            let mut debt = self.full_at - now;
            if rescaled {
                debt = scaled(debt, quota.interval, self.interval).min(Quota::FILL_MAX);
            }
            let forgiven = self.forgiven;
            // Under the quota that forgave, what counts is what the burst let count then, less what came back since.
            if rescaled || forgiven.debt == 0 || forgiven.fill != quota.fill() {
                let full_at = now.saturating_add(debt);
                self.set(full_at, now.saturating_add(debt.min(quota.fill())), quota);
            }
        } else {
            self.forgiven = Forgiven::default();
        }
        self.interval = interval;
    }

    fn set(&mut self, full_at: u64, counts_until: u64, quota: &Quota) {
        self.full_at = full_at;
        self.forgiven = match full_at.saturating_sub(counts_until) {
            0 => Forgiven::default(),
            debt => Forgiven {
                debt,
                fill: quota.fill(),
            },
        };
    }
}

/// `debt` in units of another interval, rounded up.
fn scaled(debt: u64, to: u64, from: f32) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^-53 of a debt is less than the nanosecond it is rounded up to, and `as` saturates"
    )]
    {
        (debt as f64 / f64::from(from) * to as f64).ceil() as u64
    }
}

fn rounded_down(interval: u64) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "which way it rounds is seen to")]
    let (near, exact) = (interval as f32, interval as f64);
    if f64::from(near) > exact {
        near.next_down()
    } else {
        near
    }
}

/// The state of the one bucket that is asked, taken from the table and put back into it.
struct OneState(Cell<u64>);

impl StateStore for OneState {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (result, full_at) = decide(Some(Nanos::new(self.0.get())))?;
        self.0.set(full_at.as_u64());
        Ok(result)
    }
}

/// A limiter counts from the first reading of its clock, at its making: that is the start of the process for all of them.
/// Every further reading is the time of the decision.
struct Readings {
    now: u64,
    origin_read: Cell<bool>,
}

impl Readings {
    fn new(now: u64) -> Self {
        Self {
            now,
            origin_read: Cell::new(false),
        }
    }
}

impl Clock for Readings {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(if self.origin_read.replace(true) {
            self.now
        } else {
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schleuse_config::Burst;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn quota(rate_per_second: f64, burst: u32) -> Quota {
        Quota::new(&ClientLimit {
            rate_per_second,
            burst: Burst::Requests(burst),
            observe: false,
        })
    }

    /// How many pass at `now` before one is refused.
    fn drain(bucket: &mut Bucket, quota: &Quota, now: u64) -> u32 {
        let mut passed = 0;
        while bucket.take(quota, now).is_ok() {
            passed += 1;
        }
        passed
    }

    #[test]
    fn p30_no_clock_of_the_processor_is_in_the_tree() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains("name = \"governor\""));
        assert!(!lock.contains("name = \"quanta\""), "who brings it?");
    }

    #[test]
    fn a_new_bucket_gives_its_burst_and_then_one_request_per_interval() {
        let (quota, mut bucket) = (quota(2.0, 5), Bucket::default());
        assert_eq!(drain(&mut bucket, &quota, SECOND), 5);
        assert_eq!(drain(&mut bucket, &quota, 2 * SECOND), 2);
    }

    #[test]
    fn p32_who_waits_as_long_as_told_passes() {
        let (quota, mut bucket) = (quota(3.0, 2), Bucket::default());
        drain(&mut bucket, &quota, SECOND);
        let wait = bucket.take(&quota, SECOND + 7).unwrap_err();
        let then = SECOND + 7 + u64::try_from(wait.as_nanos()).unwrap();
        assert!(bucket.take(&quota, then - 1).is_err());
        assert_eq!(bucket.take(&quota, then), Ok(()));
    }

    #[test]
    fn a_slower_rate_keeps_what_was_taken_out() {
        let mut bucket = Bucket::default();
        let (fast, slow) = (quota(100.0, 100), quota(1.0, 100));
        for _ in 0..60 {
            bucket.take(&fast, SECOND).unwrap();
        }
        assert_eq!(drain(&mut bucket, &slow, SECOND), 40);
    }

    #[test]
    fn a_faster_rate_shuts_nobody_out_for_the_time_of_the_old_one() {
        let mut bucket = Bucket::default();
        drain(&mut bucket, &quota(0.001, 10), SECOND);
        let wait = bucket.take(&quota(10.0, 5), SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
    }

    #[test]
    fn quotas_that_change_to_and_fro_leak_nothing() {
        for quotas in [
            [quota(5.0, 10), quota(10.0, 20)],
            [quota(1.0, 2), quota(1.0, 20)],
        ] {
            let (mut bucket, mut passed) = (Bucket::default(), 0);
            for reload in 0..1_000_u64 {
                let quota = &quotas[usize::from(reload % 2 == 0)];
                passed += drain(&mut bucket, quota, SECOND + reload * 60_000);
            }
            assert_eq!(passed, 20, "a burst; 60 ms give less than one more");
        }
    }

    #[test]
    fn a_debt_that_was_forgiven_shuts_nobody_out_and_is_paid_back_in_time() {
        let (large, small) = (quota(100.0, 1_000), quota(0.1, 2));
        let mut bucket = Bucket::default();
        drain(&mut bucket, &large, SECOND);
        let wait = bucket.take(&small, SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_secs(10), "one interval");
        let later = SECOND + 10_000 * SECOND;
        assert_eq!(drain(&mut bucket, &small, later), 2);
        assert_eq!(drain(&mut bucket, &large, later), 998);
    }

    #[test]
    fn the_lowest_rate_and_the_largest_burst_do_not_overflow() {
        let extreme = quota(0.001 / 3600.0, 1_000_000);
        let mut bucket = Bucket::default();
        assert!(drain(&mut bucket, &extreme, u64::MAX / 8) > 1000);
        assert!(bucket.take(&quota(1e6, 1), u64::MAX / 8).is_err());
    }

    proptest! {
        /// From any state whatever, and so after any change of the quota, the burst and the rate are never exceeded.
        #[test]
        fn in_no_window_pass_more_than_burst_and_rate_allow(
            full_at in 0..20 * SECOND,
            before in 0.5_f64..200.0,
            rate in 0.5_f64..200.0,
            burst in 1_u32..30,
            pauses in prop::collection::vec(0..SECOND / 2, 1..200),
        ) {
            let before = quota(before, 1);
            let quota = quota(rate, burst);
            let mut bucket = Bucket {
                full_at,
                interval: rounded_down(before.interval),
                ..Bucket::default()
            };
            let mut now = 10 * SECOND;
            let mut passed = Vec::new();
            for pause in pauses {
                now += pause;
                if bucket.take(&quota, now).is_ok() {
                    passed.push(now);
                }
            }
            for (index, start) in passed.iter().enumerate() {
                for (count, end) in passed[index..].iter().enumerate() {
                    let allowed = u64::from(burst) + (end - start) / quota.interval;
                    prop_assert!((count as u64) < allowed, "{} in {} ns", count + 1, end - start);
                }
            }
        }

        /// The same law as of a tenant's rate, whatever the quota is changed to and how often.
        #[test]
        fn no_window_with_changed_quotas_lets_more_through_either(
            asks in prop::collection::vec(
                (0.5_f64..200.0, 1_u32..50, 0..SECOND / 3, 1..40_usize), 1..60
            )
        ) {
            let (mut bucket, mut now) = (Bucket::default(), 0);
            let (mut earned, mut passed, mut passes) = (0.0, 0.0, Vec::new());
            let mut rate = 0.0;
            for (rate_per_second, burst, pause, times) in asks {
                let quota = quota(rate_per_second, burst);
                now += pause;
                earned += rate * Duration::from_nanos(pause).as_secs_f64();
                rate = rate_per_second;
                for _ in 0..times {
                    if bucket.take(&quota, now).is_ok() {
                        passes.push((passed - earned, f64::from(burst)));
                        passed += 1.0;
                    }
                }
            }
            for (first, (before, _)) in passes.iter().enumerate() {
                let mut burst_max: f64 = 0.0;
                for (after, burst) in passes.iter().skip(first) {
                    burst_max = burst_max.max(*burst);
                    prop_assert!(after + 1.0 - before <= burst_max + 1e-3);
                }
            }
        }
    }
}
