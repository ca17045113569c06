//! One stretch of a schedule: how many arrive per second in it, and the integral of that, both ways.

use std::time::Duration;

/// Arrivals per second.
pub type Rate = f64;

/// Seconds in a nanosecond.
const NANO: f64 = 1e-9;

/// A stretch of time and the rate in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    from: Rate,
    to: Rate,
    /// Nanoseconds.
    length: u64,
}

impl Phase {
    /// The same rate all the time; negative and undefined rates count as 0.
    pub fn constant(rate: Rate, duration: Duration) -> Self {
        Self::ramp(rate, rate, duration)
    }

    /// From one rate to another, in a straight line.
    pub fn ramp(from: Rate, to: Rate, duration: Duration) -> Self {
        Self {
            from: from.max(0.0),
            to: to.max(0.0),
            length: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// So many within that time, as recorded somewhere.
    pub fn count(arrivals: u64, duration: Duration) -> Self {
        let seconds = duration.as_secs_f64().max(NANO);
        Self::constant(real(arrivals) / seconds, duration)
    }

    /// The same with `factor` times the arrivals.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self {
            from: (self.from * factor).max(0.0),
            to: (self.to * factor).max(0.0),
            length: self.length,
        }
    }

    /// The stretch from one nanosecond of it to another.
    #[must_use]
    pub fn part(&self, from: u64, to: u64) -> Self {
        let to = to.min(self.length);
        Self {
            from: self.rate_at(from),
            to: self.rate_at(to),
            length: to.saturating_sub(from),
        }
    }

    /// Nanoseconds.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Arrivals to be expected in all of it.
    pub fn arrivals(&self) -> f64 {
        self.arrivals_until(self.length)
    }

    /// Arrivals per second at that nanosecond of the phase.
    pub fn rate_at(&self, at: u64) -> Rate {
        self.from + (self.to - self.from) * real(at) / real(self.length.max(1))
    }

    /// Arrivals to be expected before that nanosecond: `from·t + (to − from)·t²/2T`.
    pub(super) fn arrivals_until(&self, at: u64) -> f64 {
        let seconds = real(at) * NANO;
        let share = real(at) / real(self.length.max(1));
        seconds * (self.from + (self.to - self.from) * share / 2.0)
    }

    /// The nanosecond before which so many are to be expected; the inverse of
    /// [`arrivals_until`](Self::arrivals_until), in the form that does not cancel for small slopes.
    pub(super) fn time_of(&self, arrivals: f64) -> u64 {
        let length = real(self.length) * NANO;
        let slope = (self.to - self.from) / length;
        let root = (self.from * self.from + 2.0 * slope * arrivals)
            .max(0.0)
            .sqrt();
        let seconds = 2.0 * arrivals / (self.from + root).max(f64::MIN_POSITIVE);
        nanos(seconds)
    }

    /// The arrivals from `from` to before `to`, evenly spaced: the i-th stands where i are to be expected before it.
    pub(super) fn each_even(&self, from: u64, to: u64, mut see: impl FnMut(u64)) {
        let total = whole(self.arrivals() - 1e-6);
        // The sum of two roundings may be off by one; the times decide.
        let mut number = whole(self.arrivals_until(from)).saturating_sub(1);
        while number < total {
            let at = self.time_of(real(number));
            if at >= to {
                return;
            }
            if at >= from {
                see(at);
            }
            number += 1;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
const fn real(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and nothing is negative"
)]
const fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// Rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and nothing is negative"
)]
const fn whole(value: f64) -> u64 {
    value.ceil() as u64
}
