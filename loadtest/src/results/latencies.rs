//! A distribution of durations as it is stored: sparse buckets of nanoseconds, exact count, sum, minimum and maximum.
//!
//! Recording needs a dense histogram and happens elsewhere; this is what is left of it, small enough for a file and
//! readable without any library: `[upper_ns, count]` in ascending order, where `upper_ns` is the highest value that the
//! bucket stands for. Quantiles are therefore never understated, by at most the recording's precision. Merging is exact
//! between distributions of equal precision.

use hdrhistogram::{Counter, Histogram};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Durations of a group of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latencies {
    /// Values recorded.
    pub count: u64,
    /// Sum of the values; exact when filled by [`Latencies::from_histogram`] with a sum, else by the buckets.
    pub sum_ns: u64,
    /// Smallest value; 0 when empty.
    pub min_ns: u64,
    /// Largest value; 0 when empty.
    pub max_ns: u64,
    /// `[upper_ns, count]`, ascending by the first, no zero counts; the counts add up to `count`.
    pub buckets: Vec<(u64, u64)>,
}

impl Latencies {
    /// What `histogram` recorded, its values being nanoseconds. `sum_ns` is the exact sum if the recorder kept one.
    pub fn from_histogram<C: Counter>(histogram: &Histogram<C>, sum_ns: Option<u64>) -> Self {
        let mut buckets: Vec<(u64, u64)> = histogram
            .iter_recorded()
            .map(|step| {
                let upper = histogram.highest_equivalent(step.value_iterated_to());
                (upper, step.count_at_value().as_u64())
            })
            .collect();
        // A day has 86,400 of them, and is kept.
        buckets.shrink_to_fit();
        Self::from_buckets(buckets, sum_ns, histogram.min(), histogram.max())
    }

    /// From single values, one bucket per distinct value.
    pub fn from_values(values: impl IntoIterator<Item = u64>) -> Self {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let mut buckets: Vec<(u64, u64)> = Vec::new();
        let mut sum = 0_u64;
        for value in &values {
            sum = sum.saturating_add(*value);
            match buckets.last_mut() {
                Some(last) if last.0 == *value => last.1 += 1,
                _ => buckets.push((*value, 1)),
            }
        }
        let (min, max) = (values.first().copied(), values.last().copied());
        Self::from_buckets(buckets, Some(sum), min.unwrap_or(0), max.unwrap_or(0))
    }

    /// From ascending buckets; the sum falls back to the buckets' uppers.
    fn from_buckets(
        buckets: Vec<(u64, u64)>,
        sum_ns: Option<u64>,
        min_ns: u64,
        max_ns: u64,
    ) -> Self {
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        let by_buckets = || {
            buckets.iter().fold(0_u64, |sum, (upper, count)| {
                sum.saturating_add(upper.saturating_mul(*count))
            })
        };
        Self {
            count,
            sum_ns: sum_ns.unwrap_or_else(by_buckets),
            min_ns: if count == 0 { 0 } else { min_ns },
            max_ns: if count == 0 { 0 } else { max_ns },
            buckets,
        }
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `count` times the same value.
    pub fn repeated(value_ns: u64, count: u64) -> Self {
        let buckets = if count == 0 {
            Vec::new()
        } else {
            vec![(value_ns, count)]
        };
        Self::from_buckets(buckets, None, value_ns, value_ns)
    }

    /// Adds another group's values.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min_ns = if self.count == 0 {
            other.min_ns
        } else {
            self.min_ns.min(other.min_ns)
        };
        self.max_ns = self.max_ns.max(other.max_ns);
        self.count = self.count.saturating_add(other.count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.buckets = merged(&self.buckets, &other.buckets);
    }

    /// The value at `rank`, counted from 1 in ascending order; ranks beyond either end give the extremes. None when
    /// empty. Never above `max_ns`, never understated by more than the precision of the recording.
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        let mut seen = 0_u64;
        for (upper, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some((*upper).min(self.max_ns));
            }
        }
        (self.count > 0).then_some(self.max_ns)
    }

    /// The value below or at which the share `quantile` (0–1) of the values lie: rank ⌈q·n⌉. None when empty.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        self.at_rank(rank_of(quantile, self.count))
    }

    /// Mean in nanoseconds; none when empty.
    pub fn mean_ns(&self) -> Option<f64> {
        (self.count > 0).then(|| super::counts::ratio(self.sum_ns, self.count))
    }

    /// How many values lie above `limit_ns`; a bucket counts by its upper end.
    pub fn count_above(&self, limit_ns: u64) -> u64 {
        let start = self
            .buckets
            .partition_point(|bucket| bucket.0.min(self.max_ns) <= limit_ns);
        self.buckets.iter().skip(start).map(|entry| entry.1).sum()
    }
}

/// ⌈q·n⌉, at least 1 and at most n.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "n of one run stays below 2^53, the quantile lies in 0..=1"
)]
pub(crate) fn rank_of(quantile: f64, count: u64) -> u64 {
    // 0.99·n may come out a hair above the whole number that it is: without the tolerance p99 of 1,000 would be rank 991.
    let exact = quantile.clamp(0.0, 1.0) * count as f64;
    ((exact - 1e-9 * exact.max(1.0)).ceil() as u64).clamp(1, count.max(1))
}

/// Both lists of buckets as one, equal uppers added.
fn merged(left: &[(u64, u64)], right: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut all = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some((a, m)), Some((b, n))) if a == b => {
                all.push((*a, m.saturating_add(*n)));
                left.next();
                right.next();
            }
            (Some((a, _)), Some((b, _))) if a > b => all.extend(right.next()),
            (Some(_), _) => all.extend(left.next()),
            (None, Some(_)) => all.extend(right.next()),
            (None, None) => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rank_of_a_percentile_is_the_whole_number_that_it_is() {
        assert_eq!(rank_of(0.99, 1_000), 990);
        assert_eq!(rank_of(0.999, 10_000), 9_990);
        assert_eq!(rank_of(0.5, 1), 1);
        assert_eq!(rank_of(0.0, 10), 1);
        assert_eq!(rank_of(1.0, 10), 10);
    }

    #[test]
    fn an_empty_distribution_has_no_quantile_and_no_mean() {
        let empty = Latencies::default();
        assert_eq!((empty.quantile(0.5), empty.mean_ns()), (None, None));
    }

    #[test]
    fn a_histogram_keeps_its_count_and_its_extremes() {
        let mut histogram = Histogram::<u64>::new_with_bounds(1_000, 3_600_000_000_000, 3).unwrap();
        for value in [1_500_000, 2_000_000, 900_000_000] {
            histogram.record(value).unwrap();
        }
        let latencies = Latencies::from_histogram(&histogram, Some(903_500_000));
        assert_eq!(latencies.count, 3);
        let p50 = latencies.quantile(0.5).unwrap();
        assert!((2_000_000..2_002_000).contains(&p50), "{p50}");
        assert_eq!(latencies.quantile(1.0), Some(latencies.max_ns));
    }

    proptest! {
        #[test]
        fn merging_is_recording_into_one(
            left in prop::collection::vec(0_u64..1_000, 0..60),
            right in prop::collection::vec(0_u64..1_000, 0..60),
        ) {
            let mut merged = Latencies::from_values(left.iter().copied());
            merged.merge(&Latencies::from_values(right.iter().copied()));
            prop_assert_eq!(merged, Latencies::from_values(left.into_iter().chain(right)));
        }

        #[test]
        fn a_quantile_is_the_value_at_its_rank(
            mut values in prop::collection::vec(0_u64..1_000, 1..200),
            quantile in 0.0_f64..=1.0,
        ) {
            let latencies = Latencies::from_values(values.iter().copied());
            values.sort_unstable();
            let rank = rank_of(quantile, latencies.count);
            let index = usize::try_from(rank).unwrap() - 1;
            prop_assert_eq!(latencies.quantile(quantile), Some(values[index]));
            let above = values.iter().filter(|value| **value > values[index]).count();
            prop_assert_eq!(latencies.count_above(values[index]), above as u64);
        }
    }
}
