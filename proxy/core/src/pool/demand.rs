//! What a pool is asked for, counted for [`scale`](crate::scale): arrivals, seat time and what is there now.
//!
//! An arrival counts once, when nothing but a seat is missing: who waits for a limit of their own needs no replica, and is
//! counted when that limit lets them through. One that is refused for want of seats counts as well, because more replicas
//! would have served it; one that a limit refused does not.

use crate::{
    Refusal, Timestamp,
    scale::demand::{Counters, Gauges},
};

/// The counters of one pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    counters: Counters,
    seats: u64,
    streams: u64,
    /// Up to when seat time is counted.
    since: Timestamp,
}

impl Demand {
    /// The limits let a request through.
    pub(super) fn arrived(&mut self) {
        self.counters.arrivals += 1;
    }

    /// An arrival was refused.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        let for_want_of_seats = matches!(
            refusal,
            Refusal::NoEndpoint
                | Refusal::PoolFull
                | Refusal::QueueFull
                | Refusal::WaitTooLong
                | Refusal::Starting
                | Refusal::StartFailed
        );
        self.counters.arrivals += u64::from(for_want_of_seats);
    }

    pub(super) fn seat_taken(&mut self, now: Timestamp) {
        self.advance(now);
        self.seats += 1;
    }

    /// A seat is free again. A stream's counts like any other: its seat was held until here.
    pub(super) fn seat_freed(&mut self, now: Timestamp) {
        self.advance(now);
        self.seats = self.seats.saturating_sub(1);
        self.counters.completions += 1;
    }

    pub(super) fn stream_began(&mut self) {
        self.streams += 1;
    }

    pub(super) fn stream_ended(&mut self) {
        self.streams = self.streams.saturating_sub(1);
    }

    /// Everything up to `now`; `waiting` miss nothing but a seat.
    pub(super) fn at(mut self, waiting: u32, now: Timestamp) -> (Counters, Gauges) {
        self.advance(now);
        let gauges = Gauges {
            in_flight: self.seats + self.streams,
            waiting: waiting.into(),
        };
        (self.counters, gauges)
    }

    /// Threads read the clock before they take the lock, so `now` may be a little before the last event's.
    fn advance(&mut self, now: Timestamp) {
        let micros = u64::try_from((now - self.since).as_micros()).unwrap_or(u64::MAX);
        let more = micros.saturating_mul(self.seats);
        self.counters.seat_micros = self.counters.seat_micros.saturating_add(more);
        self.since = self.since.max(now);
    }
}
