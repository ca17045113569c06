//! An endpoint that takes no connections: nothing is offered to it for a moment.
//!
//! A backend that restarts refuses within microseconds. Without a pause everybody who waits would be sent to it, and refused,
//! before it is back. The first pause is short, because most such gaps are; each further one is twice as long, which bounds
//! what a longer outage is asked. A refused connection costs the backend's host a packet, and its application nothing.
//!
//! An address may refuse a part of its connections for as long as it lives: one of several replicas behind it is dead, or its
//! backlog overflows. That is no outage. It shows when an attempt is answered that began no earlier than one that was refused:
//! free seats are given out together, and a refusal comes back within microseconds, an answer only after its service time.
//! From then on as many refusals as it has seats are no reason for a pause, counted anew from each such answer.

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
    /// When the attempt began that was refused first.
    first_began: Option<Timestamp>,
    /// When that was refused.
    since: Timestamp,
    last: Option<Timestamp>,
    refusals: u32,
    /// It takes some connections and refuses others.
    partial: bool,
    length: Duration,
    until: Timestamp,
}

impl ConnectPause {
    /// The end of the pause, while it lasts.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.until > now).then_some(self.until)
    }

    /// A connection of an attempt that began then was refused, or not taken in time.
    pub(crate) fn refused(&mut self, began: Timestamp, now: Timestamp) {
        if self.last.is_none_or(|last| now - last > FORGOTTEN_AFTER) {
            *self = Self::default();
        }
        if self.first_began.is_none() {
            self.first_began = Some(began);
            self.since = now;
        }
        self.refusals = self.refusals.saturating_add(1);
        self.last = Some(now);
    }

    /// Nothing is offered from now on, unless it takes others and has not refused more than `seats` since the last of them.
    /// What is refused during a pause was sent before it and does not prolong it.
    pub(crate) fn begin(&mut self, seats: u32, now: Timestamp) {
        if self.until > now || self.partial && self.refusals <= seats {
            return;
        }
        self.partial = false;
        self.length = match self.length {
            Duration::ZERO => FIRST,
            length => length.saturating_mul(2).min(MAX),
        };
        self.until = now + self.length;
    }

    /// An attempt that began then reached it; one that began before all who were refused says nothing of now.
    pub(crate) fn reached(&mut self, began: Timestamp) {
        if self.first_began.is_some_and(|first| began >= first) {
            *self = Self {
                partial: true,
                last: self.last,
                ..Self::default()
            };
        }
    }

    /// Whether it has refused for longer than that, and taken nobody.
    pub(crate) fn outlasts(&self, time: Duration, now: Timestamp) -> bool {
        let lately = self.last.is_some_and(|last| now - last <= FORGOTTEN_AFTER);
        lately && self.first_began.is_some() && now - self.since > time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    const SEATS: u32 = 4;

    fn refuse(pause: &mut ConnectPause, now: Timestamp) -> Duration {
        pause.refused(now, now);
        pause.begin(SEATS, now);
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
    }

    #[test]
    fn one_that_is_answered_beside_one_that_was_refused_ends_the_pause_and_spares_the_next() {
        let mut pause = ConnectPause::default();
        refuse(&mut pause, at(0));
        // Both get their seats at the end of the first pause; the refusal comes back at once, the answer after its time.
        let began = at(50);
        pause.refused(began, at(51));
        pause.begin(SEATS, at(51));
        assert_eq!(pause.until(at(51)), Some(at(151)));
        pause.reached(began);
        assert_eq!(pause.until(at(55)), None);
        for millis in 55..59 {
            assert_eq!(refuse(&mut pause, at(millis)), Duration::ZERO);
        }
        pause.reached(at(55));
        for millis in 60..64 {
            assert_eq!(refuse(&mut pause, at(millis)), Duration::ZERO);
        }
        // Nobody was reached beside as many as it has seats: it is away after all.
        assert_eq!(refuse(&mut pause, at(64)), FIRST);
        assert_eq!(refuse(&mut pause, at(114)), 2 * FIRST);
    }

    #[test]
    fn one_that_takes_a_part_of_its_connections_is_never_given_up() {
        let (mut pause, wait_max) = (ConnectPause::default(), Duration::from_secs(1));
        for second in 0..60 {
            let began = at(second * 1_000);
            pause.refused(began, began);
            pause.begin(SEATS, began);
            assert!(!pause.outlasts(wait_max, began), "{second}");
            pause.reached(began);
        }
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
