//! When a stream of activity says something: at each edge at once, otherwise rarely.
//!
//! KEDA drops the first `true` of an object that it has not reconciled yet, so while a pool is asleep and wanted the `true`
//! is repeated, soon at first. Each `true` costs KEDA a write to its API server, and a `false` is only looked at by its own
//! polling, so the rest is a slow heartbeat.

use std::time::Duration;

use schleuse_core::Timestamp;

use crate::signals::Signal;

/// Between two messages without news.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);
/// Until the first repetition for a pool that is wanted and has no replica; doubles up to the heartbeat.
const REPEAT: Duration = Duration::from_secs(2);

/// What one stream has said.
#[derive(Debug, Default)]
pub(super) struct Activity {
    said: Option<bool>,
    repeats: u32,
    due: Timestamp,
}

impl Activity {
    /// What is to be said at `now`, if anything. `spread`, 0 to 1, moves heartbeats apart: streams that a restart opened
    /// together would else speak together for ever.
    pub(super) fn step(
        &mut self,
        signal: Option<Signal>,
        now: Timestamp,
        spread: f64,
    ) -> Option<bool> {
        let Some(signal) = signal else {
            // Silence is the only way to say "unknown" that nobody takes for a value.
            if now >= self.due {
                self.due = now + HEARTBEAT;
            }
            return None;
        };
        let repeated = self.said == Some(signal.active);
        if repeated && now < self.due {
            return None;
        }
        self.said = Some(signal.active);
        self.repeats = if repeated {
            self.repeats.saturating_add(1)
        } else {
            0
        };
        self.due = now + self.pause(signal, spread);
        self.said
    }

    /// When to look again without being told.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    fn pause(&self, signal: Signal, spread: f64) -> Duration {
        let slow = HEARTBEAT.mul_f64(1.0 + spread.clamp(0.0, 1.0) / 2.0);
        if signal.active && signal.ready == 0 {
            let soon = REPEAT.saturating_mul(1 << self.repeats.min(4));
            soon.min(slow)
        } else {
            slow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::tests::needs;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    /// The seconds in which a stream speaks that is looked at each second.
    fn spoken(
        signal: impl Fn(u64) -> Option<Signal>,
        seconds: std::ops::Range<u64>,
    ) -> Vec<(u64, bool)> {
        let mut activity = Activity::default();
        let said = seconds.filter_map(|second| {
            let said = activity.step(signal(second), at(second), 0.0);
            said.map(|said| (second, said))
        });
        said.collect()
    }

    #[test]
    fn an_edge_is_said_at_once_and_once() {
        let wakes = |second| {
            let ready = u32::from(second >= 5);
            Some(Signal {
                ready,
                ..needs(u32::from(second >= 5))
            })
        };
        assert_eq!(spoken(wakes, 0..30), [(0, false), (5, true)]);
    }

    #[test]
    fn a_wake_is_repeated_until_a_replica_serves_and_less_and_less_often() {
        let asleep = spoken(|_| Some(needs(1)), 0..130);
        let seconds: Vec<_> = asleep.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 2, 6, 14, 30, 60, 90, 120]);
        assert!(asleep.iter().all(|(_, active)| *active));
    }

    #[test]
    fn without_news_there_is_one_message_in_thirty_seconds_at_most() {
        let idle = spoken(|_| Some(needs(0)), 0..300);
        assert_eq!(idle.len(), 10);
        let mut spread = Activity::default();
        spread.step(Some(needs(0)), at(0), 1.0);
        assert_eq!(spread.due(), at(45));
    }

    #[test]
    fn p36_the_unknown_is_silence_and_does_not_hurry_what_follows() {
        let known = |second| (!(10..100).contains(&second)).then(|| needs(0));
        assert_eq!(spoken(known, 0..100), [(0, false)]);
        let mut activity = Activity::default();
        assert_eq!(activity.step(None, at(0), 0.0), None);
        assert!(activity.due() > at(0), "it is not looked at without pause");
        assert_eq!(activity.step(Some(needs(1)), at(1), 0.0), Some(true));
    }
}
