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
/// Belongs to the tenant and not to its pool: one that moves to another pool keeps its tokens.
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
    /// The earliest time at which this succeeds if nobody else asks; nothing was taken.
    pub fn take(&mut self, quota: &Quota, now: Timestamp) -> Result<(), Timestamp> {
        let at = self.at(now);
        let mut carried = self.carried(quota, at);
        let conforming = carried.theoretical.saturating_sub(quota.tolerance);
        if conforming > at {
            return Err(timestamp(conforming));
        }
        carried.theoretical = carried.theoretical.max(at).saturating_add(quota.interval);
        carried.owed = carried.owed.max(at).saturating_add(quota.interval);
        carried.latest = at;
        *self = carried;
        Ok(())
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
