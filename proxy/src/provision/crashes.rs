//! How often the replicas of a pool crashed, and when the next one is tried.

use std::time::Duration;

use schleuse_core::Timestamp;

use crate::backoff::Backoff;

const AFTER_CRASH: Backoff = Backoff {
    base: Duration::from_millis(250),
    max: Duration::from_secs(30),
};
/// Crashes in a row that are a loop.
pub(super) const LOOP_CRASHES: u32 = 3;
/// Without a crash for this long, the next one is the first again.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// How often the replicas of a pool crashed, and when the next one is tried.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    /// In a row. Those that come while a restart is waited for are one: a broken neighbour takes all replicas at once.
    pub(super) count: u32,
    /// None: at once.
    pub(super) retry_at: Option<Timestamp>,
    /// The first replica since the last crash that came to listen did so then.
    stable_since: Option<Timestamp>,
}

impl Crashes {
    pub(super) fn note_crash(&mut self, now: Timestamp) {
        if self.is_stable(now) {
            self.count = 0;
        }
        self.stable_since = None;
        if self.retry_at.is_none() {
            self.count = self.count.saturating_add(1);
            self.retry_at = Some(now + AFTER_CRASH.pause(self.count));
        }
    }

    pub(super) fn note_listening(&mut self, now: Timestamp) {
        self.stable_since.get_or_insert(now);
    }

    fn is_stable(&self, now: Timestamp) -> bool {
        self.stable_since
            .is_some_and(|since| now - since >= STABLE_AFTER)
    }

    /// How many of the missing replicas may be started now, while so many are starting.
    pub(super) fn starts_allowed(&self, missing: usize, starting: usize, now: Timestamp) -> usize {
        if self.retry_at.is_some() {
            return 0;
        }
        let is_over = if self.count >= LOOP_CRASHES {
            self.is_stable(now)
        } else {
            self.count == 0 || self.stable_since.is_some()
        };
        match (is_over, starting) {
            (true, _) => missing,
            (false, 0) => missing.min(1),
            (false, _) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000);

    /// A restart is tried, and how long it was waited for.
    fn crash(crashes: &mut Crashes, now: Timestamp) -> Duration {
        crashes.note_crash(now);
        crashes.retry_at.take().unwrap() - now
    }

    #[test]
    fn each_crash_in_a_row_waits_longer() {
        let mut crashes = Crashes::default();
        let pauses: Vec<_> = (0..9).map(|_| crash(&mut crashes, START)).collect();
        // Doubling is more than jitter of 20 % either way can hide.
        assert!(
            pauses.windows(2).take(6).all(|pair| pair[0] < pair[1]),
            "{pauses:?}"
        );
        assert!(
            pauses.iter().all(|pause| *pause <= Duration::from_secs(36)),
            "{pauses:?}"
        );
    }

    #[test]
    fn a_replica_that_listens_and_crashes_again_is_still_a_loop() {
        let mut crashes = Crashes::default();
        for _ in 0..3 {
            crash(&mut crashes, START);
            crashes.note_listening(START);
        }
        assert_eq!(crashes.count, LOOP_CRASHES);
        crash(&mut crashes, START + STABLE_AFTER);
        assert_eq!(
            crashes.count, 1,
            "the last one had been well for long enough"
        );
    }

    #[test]
    fn replicas_that_crash_together_are_one_crash() {
        let mut crashes = Crashes::default();
        for _ in 0..10 {
            crashes.note_crash(START);
        }
        assert_eq!(crashes.count, 1);
    }

    #[test]
    fn a_crashing_program_is_started_one_at_a_time() {
        let mut crashes = Crashes::default();
        assert_eq!(crashes.starts_allowed(10, 0, START), 10);
        crashes.note_crash(START);
        let none = crashes.starts_allowed(10, 0, START);
        assert_eq!(none, 0, "the pause is not over");
        crashes.retry_at = None;
        assert_eq!(crashes.starts_allowed(10, 0, START), 1);
        let none = crashes.starts_allowed(9, 1, START);
        assert_eq!(none, 0, "that one has to listen first");
    }

    #[test]
    fn one_crash_makes_no_ladder_of_a_later_step_but_a_loop_does_until_it_is_over() {
        let mut crashes = Crashes::default();
        crash(&mut crashes, START);
        crashes.note_listening(START);
        assert_eq!(crashes.starts_allowed(40, 0, START), 40);
        for _ in 1..LOOP_CRASHES {
            crash(&mut crashes, START);
        }
        crashes.note_listening(START);
        assert_eq!(crashes.starts_allowed(40, 0, START), 1);
        assert_eq!(crashes.starts_allowed(40, 0, START + STABLE_AFTER), 40);
    }
}
