//! An endpoint that takes no connections: nothing is offered to it for a moment.
//!
//! A backend that restarts refuses within microseconds. Without a pause everybody who waits would be sent to it, and refused,
//! before it is back. The first pause is short, because most such gaps are; each further one is twice as long, which bounds
//! what a longer outage is asked. A refused connection costs the backend's host a packet, and its application nothing.

use std::time::Duration;

use crate::Timestamp;

/// The first pause: less than any process needs to start.
const FIRST: Duration = Duration::from_millis(50);

/// The longest: how late, at most, a backend that is back gets its first request.
const MAX: Duration = Duration::from_secs(1);

/// Refusals further apart are not one outage: nobody asked in between.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// What is known of one endpoint's refusals since it last took a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectPause {
    since: Timestamp,
    last: Option<Timestamp>,
    length: Duration,
    until: Timestamp,
}

impl ConnectPause {
    /// The end of the pause, while it lasts.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.until > now).then_some(self.until)
    }

    /// A connection was refused, or not taken in time.
    pub(crate) fn refused(&mut self, now: Timestamp) {
        let again = self.last.is_some_and(|last| now - last <= FORGOTTEN_AFTER);
        if !again {
            *self = Self {
                since: now,
                length: FIRST,
                ..Self::default()
            };
        } else if self.until <= now {
            self.length = self.length.saturating_mul(2).min(MAX);
        }
        self.last = Some(now);
    }

    /// Nothing is offered from now on; what is refused during a pause was sent before it and does not prolong it.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        if self.until <= now {
            self.until = now + self.length;
        }
    }

    /// An attempt that began then reached it.
    pub(crate) fn reached(&mut self, began: Timestamp) {
        if self.last.is_some_and(|last| began >= last) {
            *self = Self::default();
        }
    }

    /// Whether it has refused for longer than that.
    pub(crate) fn outlasts(&self, time: Duration, now: Timestamp) -> bool {
        let lately = self.last.is_some_and(|last| now - last <= FORGOTTEN_AFTER);
        lately && now - self.since > time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    fn refuse(pause: &mut ConnectPause, now: Timestamp) -> Duration {
        pause.refused(now);
        pause.begin(now);
        pause.until(now).map_or(Duration::ZERO, |until| until - now)
    }

    #[test]
    fn each_pause_is_twice_as_long_as_the_one_before_up_to_a_second() {
        let (mut pause, mut now) = (ConnectPause::default(), at(0));
        let lengths: Vec<u128> = (0..7)
            .map(|_| {
                let length = refuse(&mut pause, now);
                now = now + length;
                length.as_millis()
            })
            .collect();
        assert_eq!(lengths, [50, 100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn what_is_refused_during_a_pause_does_not_prolong_it() {
        let mut pause = ConnectPause::default();
        for millis in 0..49 {
            refuse(&mut pause, at(millis));
        }
        assert_eq!(pause.until(at(49)), Some(at(50)));
    }

    #[test]
    fn one_connection_that_is_taken_ends_it_and_one_that_began_before_does_not() {
        let mut pause = ConnectPause::default();
        refuse(&mut pause, at(100));
        pause.reached(at(99));
        assert!(pause.until(at(101)).is_some());
        pause.reached(at(101));
        assert_eq!(pause.until(at(101)), None);
        assert_eq!(refuse(&mut pause, at(200)), FIRST);
    }

    #[test]
    fn refusals_of_another_minute_are_another_outage() {
        let mut pause = ConnectPause::default();
        refuse(&mut pause, at(0));
        assert!(pause.outlasts(Duration::from_secs(10), at(20_000)));
        refuse(&mut pause, at(60_000));
        assert!(!pause.outlasts(Duration::from_secs(10), at(60_001)));
    }
}
