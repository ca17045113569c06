//! How much a rate may have let through: at most burst + rate · time in every window, whatever was reloaded or moved.

use std::time::Duration;

use schleuse_core::{ArrivalTime, Quota, Timestamp};

/// What one tenant's rate let through.
pub(crate) struct LimitLog {
    /// Requests that the rate could have paid for since the start, bursts apart.
    earned: f64,
    accrued: Timestamp,
    /// Rates that may be in force: the one last asked under, and those that came since.
    rates: Vec<f64>,
    burst_max: f64,
    taken: f64,
    /// The least of `taken - earned` just before a take: the worst beginning of a window.
    least: f64,
}

impl LimitLog {
    pub(crate) fn new() -> Self {
        Self {
            earned: 0.0,
            accrued: Timestamp::default(),
            rates: Vec::new(),
            burst_max: 0.0,
            taken: 0.0,
            least: f64::INFINITY,
        }
    }

    fn accrue(&mut self, now: Timestamp) {
        let rate = self.rates.iter().copied().fold(0.0, f64::max);
        self.earned += rate * (now - self.accrued).as_secs_f64();
        self.accrued = now;
    }

    /// Another quota may be asked under from now on.
    pub(crate) fn offer(&mut self, quota: &Quota, now: Timestamp) {
        self.accrue(now);
        self.rates.push(quota.rate_per_second());
        self.burst_max = self.burst_max.max(quota.burst());
    }

    /// One was let through; from now on it may be asked under each of these quotas.
    pub(crate) fn take(&mut self, quotas: &[Quota], now: Timestamp) {
        self.accrue(now);
        self.least = self.least.min(self.taken - self.earned);
        self.taken += 1.0;
        let window = self.taken - self.earned - self.least;
        assert!(
            window <= self.burst_max + 1e-3,
            "{window} more than rate x time, with a burst of {}",
            self.burst_max
        );
        self.rates.clear();
        let rates = quotas.iter().map(Quota::rate_per_second);
        self.rates.extend(rates);
    }
}

/// When the thousandth from now conforms to the last of these quotas, if the others are asked under before. Up to a
/// microsecond: what is carried from one to the next is rounded up.
pub(crate) fn thousandth(
    mut rate: ArrivalTime,
    quotas: [Option<Quota>; 2],
    now: Timestamp,
) -> Option<Timestamp> {
    let quota = quotas[1]?;
    let own = rate.earliest(&quota, now, 1_000);
    for quota in quotas.iter().flatten() {
        rate.adopt(quota, now);
    }
    Some(own.max(rate.earliest(&quota, now, 1_000)) + Duration::from_micros(1))
}
