//! How long to wait after failures: twice as long each time, up to a bound, and not in step with others that failed at
//! the same moment.

use std::time::Duration;

use crate::reference;

/// Pauses after failures.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure.
    pub base: Duration,
    /// Never longer, jitter apart.
    pub max: Duration,
}

impl Backoff {
    /// The pause after this many failures in a row, ±20 %; none after no failure.
    pub fn pause(self, failures: u32) -> Duration {
        self.drawn(failures, reference::draw())
    }

    fn drawn(self, failures: u32, draw: u64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let pause = self.base.saturating_mul(factor).min(self.max);
        let percent = 80 + u32::try_from(draw % 41).unwrap_or_default();
        pause.saturating_mul(percent) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(250),
        max: Duration::from_secs(30),
    };

    #[test]
    fn each_failure_doubles_the_pause_up_to_the_bound() {
        let pauses: Vec<_> = [0, 1, 2, 3, 8, 100, u32::MAX]
            .into_iter()
            .map(|failures| BACKOFF.drawn(failures, 20).as_millis())
            .collect();
        assert_eq!(pauses, [0, 250, 500, 1000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn who_failed_together_does_not_come_back_together() {
        assert_eq!(BACKOFF.drawn(1, 0), Duration::from_millis(200));
        assert_eq!(BACKOFF.drawn(1, 40), Duration::from_millis(300));
    }
}
