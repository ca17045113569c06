//! Counts over the last seconds, in ten buckets: "how many of the recent requests failed", "how many were retries".
//!
//! A bucket is forgotten as a whole, so the window covers between nine and ten tenths of its length. Exact sliding
//! would need one entry per request; ten buckets cost 96 bytes per endpoint whatever the rate.

use std::time::Duration;

use crate::{Timestamp, ring::Ring};

/// Buckets of a window: the window's end is off by at most a tenth.
const BUCKETS: usize = 10;

/// What a window counts: events, and how many of them were of the kind that is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All events.
    pub(crate) events: u32,
    /// Those of interest (failures among requests, retries beside arrivals).
    pub(crate) marked: u32,
}

/// Ring of buckets; its length is an argument, so that a reload may change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    buckets: Ring<Counts, BUCKETS>,
    /// Width of a bucket in microseconds, as of the last call.
    width: u64,
}

impl Window {
    /// Adds to the bucket of `now`. An earlier `now` than before counts into the newest bucket.
    pub(crate) fn add(&mut self, length: Duration, now: Timestamp, counts: Counts) {
        self.advance(length, now);
        let bucket = self.buckets.slot_mut(self.buckets.newest());
        bucket.events = bucket.events.saturating_add(counts.events);
        bucket.marked = bucket.marked.saturating_add(counts.marked);
    }

    /// What happened within the last `length`.
    pub(crate) fn sum(&mut self, length: Duration, now: Timestamp) -> Counts {
        self.advance(length, now);
        self.buckets
            .slots()
            .fold(Counts::default(), |sum, bucket| Counts {
                events: sum.events.saturating_add(bucket.events),
                marked: sum.marked.saturating_add(bucket.marked),
            })
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
    }

    fn advance(&mut self, length: Duration, now: Timestamp) {
        let width = Ring::<Counts, BUCKETS>::width(length);
        let current = now.as_micros() / width;
        if width == self.width {
            self.buckets.advance(current);
        } else {
            // Old buckets cannot be cut to the new width; a changed length starts afresh.
            self.width = width;
            self.buckets.restart(current);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);
    const ONE: Counts = Counts {
        events: 1,
        marked: 1,
    };

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    #[test]
    fn a_changed_length_starts_afresh() {
        let mut window = Window::default();
        window.add(LENGTH, at(0), ONE);
        assert_eq!(window.sum(LENGTH * 2, at(0)), Counts::default());
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut window = Window::default();
        window.add(LENGTH, at(5_000), ONE);
        window.add(LENGTH, at(100), ONE);
        assert_eq!(window.sum(LENGTH, at(5_000)).events, 2);
    }

    #[test]
    fn a_window_of_length_zero_does_not_divide_by_it() {
        let mut window = Window::default();
        window.add(Duration::ZERO, at(1), ONE);
        assert_eq!(window.sum(Duration::ZERO, at(2)), Counts::default());
    }

    proptest! {
        #[test]
        fn events_of_the_last_nine_tenths_are_counted_and_older_ones_are_not(
            gaps in proptest::collection::vec(0..4_000_u64, 1..60)
        ) {
            let (mut window, mut now, mut times) = (Window::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                times.push(now);
                window.add(LENGTH, at(now), ONE);
                let counted = window.sum(LENGTH, at(now)).events as usize;
                let surely = times.iter().filter(|time| now - **time < 9_000).count();
                let perhaps = times.iter().filter(|time| now - **time < 10_000).count();
                prop_assert!((surely..=perhaps).contains(&counted), "{surely} {counted} {perhaps}");
            }
        }
    }
}
