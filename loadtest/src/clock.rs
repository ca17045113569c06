//! The run's clock: the only place that reads one. Nanoseconds since the start of the schedule, on the monotonic clock.

use std::time::{Duration, Instant};

/// A clock that all workers share, started a little ahead of time, so that all of them are up when the first arrival is due.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that shows 0 until `ahead` has passed.
    pub fn starting_in(ahead: Duration) -> Self {
        Self {
            start: Instant::now() + ahead,
        }
    }

    /// Nanoseconds since the start; 0 before it.
    pub fn now(&self) -> u64 {
        nanoseconds(Instant::now().saturating_duration_since(self.start))
    }

    /// How long it is until the start.
    pub fn until_start(&self) -> Duration {
        self.start.saturating_duration_since(Instant::now())
    }
}

/// A duration in nanoseconds; 584 years at most.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
