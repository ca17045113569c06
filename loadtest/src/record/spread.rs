//! A distribution of durations while it grows: an HDR histogram and the exact sum.

use hdrhistogram::Histogram;

use crate::results::Latencies;

/// Bounds of every histogram, in nanoseconds: equal ones merge exactly. 1 µs to 1 h; longer counts as 1 h.
const BOUNDS: (u64, u64) = (1_000, 3_600_000_000_000);

/// Durations in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// Absent only if the bounds were refused, which a test excludes.
    histogram: Option<Histogram<u32>>,
    sum: u64,
}

impl Spread {
    /// With three significant digits: 92 KiB.
    pub(crate) fn fine() -> Self {
        Self::with_digits(3)
    }

    /// With two: 13 KiB.
    pub(crate) fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        Self {
            histogram: Histogram::new_with_bounds(BOUNDS.0, BOUNDS.1, digits).ok(),
            sum: 0,
        }
    }

    pub(crate) fn record(&mut self, duration: u64) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(duration);
        }
        self.sum = self.sum.saturating_add(duration);
    }

    /// Adds another with as many digits.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Some(mine), Some(theirs)) = (&mut self.histogram, &other.histogram) {
            // Refused only for values beyond the bounds, and these are equal.
            let _ = mine.add(theirs);
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Forgets everything, keeping the memory.
    pub(crate) fn clear(&mut self) {
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
        self.sum = 0;
    }

    pub(crate) fn latencies(&self) -> Latencies {
        self.histogram
            .as_ref()
            .map_or_else(Latencies::default, |histogram| {
                Latencies::from_histogram(histogram, Some(self.sum))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_accepted_and_longer_counts_as_the_longest() {
        for mut spread in [Spread::fine(), Spread::coarse()] {
            spread.record(u64::MAX);
            spread.record(0);
            let latencies = spread.latencies();
            assert_eq!(latencies.count, 2);
            assert!(latencies.max_ns >= BOUNDS.1, "{}", latencies.max_ns);
        }
    }

    #[test]
    fn three_digits_take_less_than_100_kib_and_two_less_than_16() {
        for (spread, bytes_max) in [(Spread::fine(), 100 << 10), (Spread::coarse(), 16 << 10)] {
            let buckets = spread
                .histogram
                .map(|histogram| histogram.distinct_values());
            assert!(buckets.unwrap() * size_of::<u32>() <= bytes_max);
        }
    }
}
