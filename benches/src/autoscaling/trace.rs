//! The seven days that every autoscaler has to get through: how many arrive, as a function of time.
//!
//! Time zero is the announced beginning; each run starts a little earlier, so that whoever knows of it can prepare.

use std::{f64::consts::TAU, ops::RangeInclusive, time::Duration};

use schleuse_core::scale::{plan::Profile, staffing};

/// Seconds that a run starts before the first arrival.
pub(crate) const LEAD_SECONDS: u32 = 100;
/// Requests that a replica serves at a time.
pub(crate) const SEATS: u32 = 20;
/// Mean of a request's service time, exponential.
pub(crate) const SERVICE_SECONDS: f64 = 0.1;

/// Who arrives when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// From nothing to 2,000 a second at once.
    Step,
    /// To 20,000 a second within 30 s.
    Ramp,
    /// Five times from 200 to 2,000 a second in a minute, and back at once.
    Sawtooth,
    /// Two days of ten minutes each, between 100 and 1,900 a second.
    Diurnal,
    /// 5,000 a second for 20 s, then nobody.
    Flash,
    /// A thousand pools at once, 5,000 a second together, the `n`-th gets `1/n` of the first.
    Pools,
    /// 500 a second from nothing, and every start fails for about a minute.
    CrashLoop,
    /// Always the same rate in a pool that has always been there: not one of the seven, for tests.
    #[cfg(test)]
    Steady(u32),
}

impl Trace {
    pub(crate) const SEVEN: [Self; 7] = [
        Self::Step,
        Self::Ramp,
        Self::Sawtooth,
        Self::Diurnal,
        Self::Flash,
        Self::Pools,
        Self::CrashLoop,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Ramp => "ramp",
            Self::Sawtooth => "sawtooth",
            Self::Diurnal => "diurnal",
            Self::Flash => "flash, then zero",
            Self::Pools => "1,000 pools at once",
            Self::CrashLoop => "crash loop",
            #[cfg(test)]
            Self::Steady(_) => "steady",
        }
    }

    /// Seconds from the first arrival to the end of the run.
    pub(crate) fn seconds(self) -> u32 {
        match self {
            Self::Diurnal => 1_200,
            Self::Pools => 180,
            _ => 300,
        }
    }

    /// Seconds in which somebody arrives.
    pub(crate) fn busy_seconds(self) -> u32 {
        if self == Self::Flash {
            20
        } else {
            self.seconds()
        }
    }

    pub(crate) fn pools(self) -> usize {
        if self == Self::Pools { 1_000 } else { 1 }
    }

    /// Starts fail until so many seconds after the beginning; from when to when that is drawn.
    pub(crate) fn broken_seconds(self) -> Option<RangeInclusive<u32>> {
        (self == Self::CrashLoop).then_some(45..=75)
    }

    /// Arrivals per second of a pool, `time` seconds after the beginning.
    pub(crate) fn rate(self, pool: usize, time: f64) -> f64 {
        if time < 0.0 || time >= f64::from(self.busy_seconds()) {
            return 0.0;
        }
        match self {
            Self::Step => 2_000.0,
            Self::Ramp => 20_000.0 * (time / 30.0).min(1.0),
            Self::Sawtooth => 200.0 + 1_800.0 * (time / 60.0).fract(),
            Self::Diurnal => 1_000.0 - 900.0 * (TAU * time / 600.0).cos(),
            Self::Flash => 5_000.0,
            Self::Pools => share_of_pool(pool) * 5_000.0,
            Self::CrashLoop => 500.0,
            #[cfg(test)]
            Self::Steady(rate) => f64::from(rate),
        }
    }

    /// What an operator who knew it would announce.
    pub(crate) fn profile(self, pool: usize) -> Profile {
        let table = |step: u32| {
            let points = (0..=self.seconds())
                .step_by(step as usize)
                .flat_map(|second| {
                    let at = Duration::from_secs(u64::from(second));
                    let time = f64::from(second);
                    // Both sides of a jump.
                    [
                        (at, self.rate(pool, time - 1e-6)),
                        (at, self.rate(pool, time)),
                    ]
                });
            Profile::Table(points.skip(1).collect())
        };
        match self {
            Self::Ramp => Profile::Ramp {
                rate: 20_000.0,
                over: Duration::from_secs(30),
            },
            Self::Sawtooth => table(60),
            Self::Diurnal => table(10),
            _ => Profile::Constant(self.rate(pool, 0.0)),
        }
    }

    /// Replicas of a pool that are needed in each second from the start of the run: the fewest with which, in the long
    /// run, 99 of 100 arrivals wait less than a second (Erlang C).
    pub(crate) fn needed(self, pool: usize) -> Vec<u32> {
        let mut last = (f64::NAN, 0);
        (0..LEAD_SECONDS + self.seconds())
            .map(|second| {
                let time = f64::from(second) - f64::from(LEAD_SECONDS);
                let rate = self.rate(pool, time).max(self.rate(pool, time + 0.999));
                if rate.to_bits() != last.0.to_bits() {
                    last = (rate, needed_for(rate));
                }
                last.1
            })
            .collect()
    }
}

/// Replicas that a lasting rate needs.
pub(crate) fn needed_for(rate: f64) -> u32 {
    let seats = staffing::seats_for_wait(rate * SERVICE_SECONDS, SERVICE_SECONDS, 1.0, 0.01);
    seats.div_ceil(SEATS)
}

/// Zipf's law over a thousand pools: as unequal as municipalities are.
#[expect(clippy::cast_precision_loss, reason = "a thousand pools")]
fn share_of_pool(pool: usize) -> f64 {
    /// Sum of 1/n up to a thousand.
    const HARMONIC: f64 = 7.485_470_860_550_345;
    1.0 / ((pool + 1) as f64 * HARMONIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_what_comes() {
        for trace in Trace::SEVEN {
            let profile = trace.profile(3);
            for second in 0..trace.busy_seconds() {
                let announced = profile.rate(Duration::from_secs(u64::from(second)), false);
                let comes = trace.rate(3, f64::from(second));
                assert!(
                    (announced - comes).abs() <= 0.03 * comes + 1e-9,
                    "{trace:?} {second}"
                );
            }
        }
    }

    #[test]
    fn the_pools_share_everything() {
        let sum: f64 = (0..1_000).map(share_of_pool).sum();
        assert!((sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_needed_follows_the_rate() {
        let needed = Trace::Step.needed(0);
        assert_eq!((needed[99], needed[100], needed[399]), (0, 11, 11));
    }
}
