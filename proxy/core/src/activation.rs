//! Waking a pool that sleeps: who is told, how long those who wait have to expect to wait, and when that is too long.
//!
//! A sleeping pool is one without seats, in the same queue as everything else. The first request that finds it so is told
//! on once, as a numbered attempt; the attempt stands until an endpoint serves, until it is said to have failed, or until
//! its time is over, and nobody who comes meanwhile tells on again. A failed attempt is followed by a pause that doubles,
//! and starts that keep failing end in one attempt a minute: a backend that crashes as it starts is not hammered by those
//! who wait for it. What is said of an attempt that was given up changes nothing.
//!
//! That an endpoint serves counts whoever started it: it is there.
//!
//! The states and what changes them: `attempts`.

mod attempts;

use std::time::Duration;

use crate::{Refusal, Timestamp};
pub(crate) use attempts::Activation;

/// An attempt may take so many times the cold start that 99 of 100 stay below; more is no start but a hang.
const ATTEMPT_COLD_STARTS: u32 = 3;
/// Nobody waits longer than so many cold starts: Cloud Run holds for 3.5 times the mean.
const HOLD_COLD_STARTS: u32 = 3;
/// Least time for both: a start that was measured in milliseconds may meet a busy machine.
const PATIENCE_MIN: Duration = Duration::from_secs(10);
/// An endpoint that serves so soon after the wake was there already and is warm.
pub(crate) const WARM_WITHIN: Duration = Duration::from_millis(100);
/// Beyond all that was learnt, the rest is taken for this part of what has passed.
const OVERTIME: u32 = 8;
/// And for no less than a second, the least that `Retry-After` can say.
const OVERTIME_MIN: Duration = Duration::from_secs(1);

/// How a pool that is scaled is woken. An argument of each event, as the pool's policy around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationPolicy {
    /// From the wake to the first endpoint that serves, until that is learnt.
    pub cold_start: Duration,
    /// Replicas that there can be: what waits is measured by their seats, because as many are started as it needs.
    pub replicas_max: u32,
    /// Pause after the first failed attempt; doubles with each further one.
    pub pause_min: Duration,
    /// The longest pause, and the one while starts keep failing.
    pub pause_max: Duration,
    /// Starts that failed within `failing_window` after which they count as failing for good. 0 counts as 1.
    pub failed_starts_max: u32,
    /// See `failed_starts_max`.
    pub failing_window: Duration,
}

impl Default for ActivationPolicy {
    fn default() -> Self {
        Self {
            cold_start: Duration::from_secs(10),
            replicas_max: 40,
            pause_min: Duration::from_secs(1),
            pause_max: Duration::from_mins(1),
            failed_starts_max: 3,
            failing_window: Duration::from_mins(1),
        }
    }
}

/// What was learnt of a pool's cold starts: half, nine tenths and 99 of 100 took no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdStart {
    /// The median.
    pub p50: Duration,
    /// What is expected: most starts are faster.
    pub p90: Duration,
    /// What the limits rest on.
    pub p99: Duration,
}

impl ColdStart {
    /// One time for all: what is written in a configuration.
    pub(crate) fn constant(time: Duration) -> Self {
        Self {
            p50: time,
            p90: time,
            p99: time,
        }
    }

    /// How much longer a start will take that has taken `elapsed` already.
    pub(crate) fn rest(self, elapsed: Duration) -> Duration {
        let ahead = [self.p90, self.p99]
            .into_iter()
            .find(|time| *time > elapsed);
        let overtime = (elapsed / OVERTIME).max(OVERTIME_MIN);
        ahead.map_or(overtime, |time| time.saturating_sub(elapsed))
    }

    /// From a wake until it counts as failed.
    pub(crate) fn attempt_max(self) -> Duration {
        self.p99
            .saturating_mul(ATTEMPT_COLD_STARTS)
            .max(PATIENCE_MIN)
    }

    /// How long one who finds the pool asleep may wait, if nobody may wait longer than `wait_max`.
    pub(crate) fn hold_max(self, wait_max: Duration) -> Duration {
        let patience = self.p99.saturating_mul(HOLD_COLD_STARTS).max(PATIENCE_MIN);
        patience.min(wait_max)
    }
}

/// Where a pool that is scaled stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolPhase {
    /// No endpoint serves, and nobody asked for one.
    Cold,
    /// As [`PoolPhase::Cold`], but the last requests are still in flight at endpoints that go.
    Draining,
    /// Somebody was told to start it.
    Waking {
        /// Number of the attempt, from 1.
        attempt: u64,
        /// When that began.
        since: Timestamp,
    },
    /// At least one endpoint serves.
    Ready,
    /// The last attempt failed; the next request after `until` begins another.
    Failed {
        /// Its number.
        attempt: u64,
        /// End of the pause.
        until: Timestamp,
        /// What happened.
        why: WakeFailure,
    },
}

impl PoolPhase {
    /// In metrics and views: snake case, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Draining => "draining",
            Self::Waking { .. } => "waking",
            Self::Ready => "ready",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Why an attempt to wake a pool failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeFailure {
    /// Whoever starts endpoints could not, or what it started ended at once.
    StartFailed,
    /// No endpoint served within three times the cold start.
    TimedOut,
    /// Starts keep failing.
    Crashing,
}

impl WakeFailure {
    /// In metrics and logs: snake case, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::StartFailed => "start_failed",
            Self::TimedOut => "timed_out",
            Self::Crashing => "crashing",
        }
    }
}

/// A change that somebody must act on or know of. Each is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeNews {
    /// Start it.
    Wake {
        /// Number of the attempt: goes back with its failure.
        attempt: u64,
    },
    /// A pool that was woken serves.
    Awake {
        /// From the wake to the first endpoint that serves.
        took: Duration,
    },
    /// An attempt failed.
    Failed {
        /// Its number.
        attempt: u64,
        /// What happened.
        why: WakeFailure,
        /// End of the pause before the next one.
        until: Timestamp,
    },
}

/// What is seen of a pool's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationView {
    /// Where it stands.
    pub phase: PoolPhase,
    /// Times it was woken since the start, repeated attempts not counted.
    pub wakes: u64,
    /// Starts that failed since the start.
    pub failed_starts: u64,
    /// Starts keep failing: more of them would fail too.
    pub failing: bool,
    /// Until an endpoint will probably serve; zero: one does.
    pub ready_in: Duration,
}

/// Why one who cannot wait for a pool to start is refused.
pub(crate) fn refusal(phase: PoolPhase) -> Refusal {
    match phase {
        PoolPhase::Failed { .. } => Refusal::StartFailed,
        _ => Refusal::Starting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_rest_of_a_start_is_what_most_starts_still_take_and_then_a_part_of_what_it_took() {
        let learnt = ColdStart {
            p50: 2 * SECOND,
            p90: 4 * SECOND,
            p99: 9 * SECOND,
        };
        assert_eq!(learnt.rest(SECOND), 3 * SECOND);
        assert_eq!(learnt.rest(5 * SECOND), 4 * SECOND);
        assert_eq!(learnt.rest(9 * SECOND), Duration::from_millis(1_125));
        assert_eq!(learnt.rest(80 * SECOND), 10 * SECOND);
    }

    #[test]
    fn nobody_waits_longer_than_a_request_may_or_than_three_cold_starts() {
        let quick = ColdStart::constant(Duration::from_millis(300));
        let slow = ColdStart::constant(8 * SECOND);
        assert_eq!(quick.hold_max(30 * SECOND), 10 * SECOND);
        assert_eq!(slow.hold_max(30 * SECOND), 24 * SECOND);
        assert_eq!(slow.hold_max(5 * SECOND), 5 * SECOND);
    }
}
