//! How long a seat is held: the moving average by which a dispatch is charged before its length is known.
//!
//! Being wrong costs little: a running request is corrected every 250 ms and when it departs.

use std::time::Duration;

/// Nanoseconds, as of the last departure; 0: nothing departed yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceTime(u64);

impl ServiceTime {
    /// Before the first departure of a pool that nothing was learnt of. Only the first few charges rest on it.
    pub(crate) const UNKNOWN: Self = Self(100_000_000);

    /// Folds one in; each new one counts as one of `memory`.
    pub(crate) fn record(&mut self, held: Duration, memory: u64) {
        let sample = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0 = match self.0 {
            0 => sample,
            average => (average - average / memory)
                .saturating_add(sample / memory)
                .max(1),
        };
    }

    /// The average, or else `prior`.
    pub(crate) fn or(self, prior: Self) -> Self {
        if self.0 == 0 { prior } else { self }
    }

    /// Microseconds, at least one.
    pub(crate) fn micros(self) -> u64 {
        (self.0 / 1_000).max(1)
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_counts_whole_and_later_ones_as_a_part() {
        let mut time = ServiceTime::default();
        time.record(Duration::from_millis(80), 8);
        time.record(Duration::from_millis(160), 8);
        assert_eq!(time.duration(), Duration::from_millis(90));
        assert_eq!(time.or(ServiceTime::UNKNOWN).micros(), 90_000);
    }

    #[test]
    fn held_for_no_time_or_for_ever_it_stays_a_time() {
        let mut time = ServiceTime::default();
        time.record(Duration::ZERO, 8);
        assert_eq!(time.micros(), 1);
        (0..99).for_each(|_| time.record(Duration::MAX, 8));
        assert!(time.duration() > Duration::from_secs(1 << 30));
    }
}
