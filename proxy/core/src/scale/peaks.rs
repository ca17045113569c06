//! The greatest value of the last while, in sixteen buckets: what a descent is held by.
//!
//! A bucket is forgotten as a whole, so the memory is between fifteen and sixteen sixteenths of its length. A changed
//! length keeps the greatest value as if it were new: a reload must not start a descent.

use std::time::Duration;

use crate::{Timestamp, ring::Ring};

const BUCKETS: usize = 16;

/// A sliding maximum; its length is an argument, so that a reload may change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks {
    buckets: Ring<u32, BUCKETS>,
    /// Width of a bucket in microseconds, as of the last call.
    width: u64,
}

impl Peaks {
    /// Notes a value.
    pub(crate) fn record(&mut self, length: Duration, now: Timestamp, value: u32) {
        self.advance(length, now);
        self.note(value);
    }

    /// The greatest value of the last `length`; 0 when there is none.
    pub(crate) fn greatest(&mut self, length: Duration, now: Timestamp) -> u32 {
        self.advance(length, now);
        self.buckets.slots().max().unwrap_or(0)
    }

    fn note(&mut self, value: u32) {
        let bucket = self.buckets.slot_mut(self.buckets.newest());
        *bucket = value.max(*bucket);
    }

    fn advance(&mut self, length: Duration, now: Timestamp) {
        let width = Ring::<u32, BUCKETS>::width(length);
        let current = now.as_micros() / width;
        if width == self.width {
            self.buckets.advance(current);
        } else {
            let greatest = self.buckets.slots().max().unwrap_or(0);
            self.width = width;
            self.buckets.restart(current);
            self.note(greatest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_mins(1);

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    #[test]
    fn a_changed_length_keeps_the_greatest_value() {
        let mut peaks = Peaks::default();
        peaks.record(LENGTH, at(0), 7);
        assert_eq!(peaks.greatest(LENGTH * 5, at(59_000)), 7);
        assert_eq!(peaks.greatest(LENGTH * 5, at(300_000)), 7);
        assert_eq!(peaks.greatest(LENGTH * 5, at(400_000)), 0);
    }

    proptest! {
        #[test]
        fn the_answer_lies_between_the_peaks_of_fifteen_and_sixteen_sixteenths(
            steps in proptest::collection::vec((0..20_000_u64, 0..1_000_u32), 1..80)
        ) {
            let (mut peaks, mut now, mut past) = (Peaks::default(), 0, Vec::new());
            for (gap, value) in steps {
                now += gap;
                past.push((now, value));
                peaks.record(LENGTH, at(now), value);
                let within = |millis: u64| {
                    past.iter().filter(|(time, _)| now - time < millis).map(|(_, value)| *value).max()
                };
                let told = Some(peaks.greatest(LENGTH, at(now)));
                prop_assert!(within(56_250) <= told && told <= within(60_000));
            }
        }
    }
}
