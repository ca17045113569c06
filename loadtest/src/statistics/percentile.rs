//! A percentile with what is known about it: its rank interval, whether it is only a lower bound, from how many values.
//!
//! The interval needs no assumption about the distribution: ranks j = ⌊np − z√(np(1−p))⌋ and k = ⌈np + z√(np(1−p))⌉ + 1
//! bracket the true quantile with 95 % (order statistics of a binomial count). It holds for independent values; under
//! queueing neighbours resemble each other, so `compare` resamples whole rounds instead.
//!
//! A percentile above 1 − 10/n rests on fewer than ten values and is not shown.
//!
//! A request that failed was never answered: it ranks behind every duration. Left out, or counted with the moment that a
//! refusal takes, a target whose port closes after a second would have the percentiles of that second.

use crate::results::{Counts, Latencies, latencies::rank_of};

/// z of a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_985;
/// Values that must lie above a percentile for it to be shown.
const TAIL_MIN: f64 = 10.0;

/// The percentiles that every report shows, as far as there are enough values.
pub const SHOWN: [f64; 7] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// One percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// 0–1.
    pub quantile: f64,
    /// The value at rank ⌈qn⌉, each censored duration taken as if it had ended there; the largest known where that rank is
    /// one of the failed.
    pub value_ns: u64,
    /// Whether the true value may be larger: a censored duration lies at or below `value_ns`, or the rank is one of the failed.
    pub is_bound: bool,
    /// Lower end of the 95 % interval.
    pub low_ns: u64,
    /// Upper end; none when it is unknown, because a censored duration lies at or below it, it is one of the failed, or n is
    /// too small.
    pub high_ns: Option<u64>,
    /// Requests it rests on, the censored and the failed included.
    pub count: u64,
}

/// Whether n values are enough to show `quantile`.
#[expect(clippy::cast_precision_loss, reason = "n stays below 2^53")]
pub fn is_shown(quantile: f64, count: u64) -> bool {
    // The tolerance: 1,000 × (1 − 0.99) comes out a hair below 10.
    (1.0 - quantile) * count as f64 >= TAIL_MIN - 1e-6
}

/// How many values `quantile` needs to be shown.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "quantiles below 1 give small positive numbers; 1 saturates"
)]
pub fn count_needed(quantile: f64) -> u64 {
    (TAIL_MIN / (1.0 - quantile) - 1e-6).ceil() as u64
}

/// Answered and censored durations and the failed together, to ask for several percentiles.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Every duration that is known, if only from below.
    all: Latencies,
    answered: Latencies,
    /// Smallest censored duration.
    censored_from_ns: Option<u64>,
    /// Requests that failed and will never be answered.
    never: u64,
}

impl Sample {
    /// Joins durations that ended with an answer and such of which only a lower bound is known.
    pub fn new(answered: &Latencies, censored: &Latencies) -> Self {
        let mut all = answered.clone();
        all.merge(censored);
        Self {
            all,
            answered: answered.clone(),
            censored_from_ns: (censored.count > 0).then_some(censored.min_ns),
            never: 0,
        }
    }

    /// The requests of a group: durations of the answered, bounds of those whose answer may still have been on its way
    /// (unanswered, abandoned, too late), and by the counts the others that failed.
    pub fn of(counts: &Counts, answered: &Latencies, censored: &Latencies) -> Self {
        let lost = counts
            .failed
            .saturating_add(counts.unanswered)
            .saturating_add(counts.abandoned);
        Self {
            never: lost.saturating_sub(censored.count),
            ..Self::new(answered, censored)
        }
    }

    /// Requests, the censored and the failed included.
    pub const fn count(&self) -> u64 {
        self.all.count.saturating_add(self.never)
    }

    /// The percentile, however few values there are; none when no duration is known.
    pub fn at(&self, quantile: f64) -> Option<Percentile> {
        let rank = rank_of(quantile, self.count());
        let value_ns = self.all.at_rank(rank)?;
        let (low_rank, high_rank) = rank_interval(quantile, self.count());
        let high_ns = (high_rank <= self.all.count)
            .then(|| self.all.at_rank(high_rank))
            .flatten()
            .filter(|high| !self.is_censored_by(*high));
        Some(Percentile {
            quantile,
            value_ns,
            is_bound: self.is_failure(quantile) || self.is_censored_by(value_ns),
            low_ns: self.all.at_rank(low_rank.max(1))?,
            high_ns,
            count: self.count(),
        })
    }

    /// The percentile if there are enough values for it.
    pub fn shown(&self, quantile: f64) -> Option<Percentile> {
        is_shown(quantile, self.count())
            .then(|| self.at(quantile))
            .flatten()
    }

    /// The most that the percentile can be, had every censored duration lasted for ever; none where it would be one of them,
    /// or one of the failed.
    pub fn ceiling_ns(&self, quantile: f64) -> Option<u64> {
        let rank = rank_of(quantile, self.count());
        (rank <= self.answered.count)
            .then(|| self.answered.at_rank(rank))
            .flatten()
    }

    /// Whether the percentile is one of the failed.
    pub fn is_failure(&self, quantile: f64) -> bool {
        rank_of(quantile, self.count()) > self.all.count
    }

    /// Mean of the durations in nanoseconds, and whether it is only a bound; none without any.
    pub fn mean_ns(&self) -> Option<(f64, bool)> {
        let is_bound = self.censored_from_ns.is_some() || self.never > 0;
        self.all.mean_ns().map(|mean| (mean, is_bound))
    }

    /// The largest duration, and whether it is only a bound; none without any.
    pub fn maximum(&self) -> Option<(u64, bool)> {
        let is_bound = self.censored_from_ns.is_some() || self.never > 0;
        (self.all.count > 0).then_some((self.all.max_ns, is_bound))
    }

    fn is_censored_by(&self, value_ns: u64) -> bool {
        self.censored_from_ns.is_some_and(|from| from <= value_ns)
    }
}

/// Ranks that bracket the quantile with 95 %; the lower may be 0, the upper beyond n: then that end is unknown.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "n stays below 2^53, and floors are taken at 0"
)]
pub fn rank_interval(quantile: f64, count: u64) -> (u64, u64) {
    let expected = count as f64 * quantile;
    let spread = Z_95 * (expected * (1.0 - quantile)).max(0.0).sqrt();
    let low = (expected - spread).floor().max(0.0) as u64;
    let high = (expected + spread).ceil() as u64 + 1;
    (low.min(rank_of(quantile, count)), high)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_ranks_of_p99_over_thirty_thousand_are_the_published_ones() {
        assert_eq!(rank_interval(0.99, 30_000), (29_666, 29_735));
    }

    #[test]
    fn a_few_that_never_end_bound_a_percentile_from_above_and_many_do_not() {
        let answered = Latencies::from_values((1..=9_950).map(|number| number * 1_000));
        let never = |count| Latencies::from_values((0..count).map(|_| 7));
        let sample = Sample::new(&answered, &never(50));
        assert!(sample.at(0.99).unwrap().is_bound);
        assert_eq!(sample.ceiling_ns(0.99), Some(9_900_000), "of ten thousand");
        assert_eq!(Sample::new(&answered, &never(150)).ceiling_ns(0.99), None);
    }

    #[test]
    fn who_failed_ranks_behind_everybody_and_leaves_the_percentiles_before_as_they_are() {
        let counts = |answered, failed| Counts {
            scheduled: answered + failed,
            answered,
            failed,
            ..Counts::default()
        };
        let of = |answered, failed| {
            let durations = Latencies::from_values((1..=answered).map(|number| number * 1_000));
            Sample::of(&counts(answered, failed), &durations, &Latencies::default())
        };
        let few = of(9_950, 50);
        let p99 = few.shown(0.99).unwrap();
        assert_eq!((p99.value_ns, p99.is_bound), (9_900_000, false));
        assert_eq!(
            (p99.count, few.maximum()),
            (10_000, Some((9_950_000, true)))
        );
        let many = of(1_250, 8_750).shown(0.99).unwrap();
        assert_eq!(
            (many.value_ns, many.is_bound, many.high_ns),
            (1_250_000, true, None)
        );
        assert!(of(0, 1_000).at(0.5).is_none());
    }

    #[test]
    fn who_was_too_late_counts_once_among_the_failed() {
        let counts = Counts {
            scheduled: 100,
            answered: 90,
            failed: 7,
            abandoned: 2,
            unanswered: 1,
            ..Counts::default()
        };
        // Four of the seven failed by time-out.
        let censored = Latencies::from_values([50; 4 + 2 + 1]);
        let answered = Latencies::from_values(0..90);
        assert_eq!(Sample::of(&counts, &answered, &censored).count(), 100);
    }

    #[test]
    fn a_percentile_that_rests_on_fewer_than_ten_values_is_not_shown() {
        assert!(is_shown(0.99, 1_000));
        assert!(!is_shown(0.99, 999));
        assert_eq!(count_needed(0.99), 1_000);
        assert_eq!(count_needed(0.999), 10_000);
        let sample = Sample::new(&Latencies::from_values(0..999), &Latencies::default());
        assert!(sample.shown(0.99).is_none());
        assert!(sample.shown(0.95).is_some());
    }

    #[test]
    fn a_target_that_dies_at_second_20_of_30_has_a_p99_of_at_least_14_7_seconds() {
        // 1,000 a second; answered in 1 ms until second 20, then never; the drain ends at second 35.
        let answered = Latencies::from_values((0..20_000).map(|_| SECOND / 1_000));
        let censored =
            Latencies::from_values((20_000..30_000).map(|i| 35 * SECOND - i * SECOND / 1_000));
        let p99 = Sample::new(&answered, &censored).shown(0.99).unwrap();
        assert!(p99.is_bound);
        assert!(p99.value_ns.abs_diff(14_700_000_000) <= SECOND / 500);
        assert_eq!(p99.high_ns, None);
        let p50 = Sample::new(&answered, &censored).shown(0.5).unwrap();
        assert!(!p50.is_bound && p50.high_ns.is_some());
    }

    #[test]
    fn a_freeze_of_two_seconds_in_thirty_shows_in_every_percentile_it_touches() {
        // L(q) = max(0, F − T(1−q)) for even arrivals.
        let values = (0..30_000_u64).map(|i| {
            let plan = i * SECOND / 1_000;
            (12 * SECOND).saturating_sub(plan) * u64::from(plan >= 10 * SECOND) + 1
        });
        let sample = Sample::new(&Latencies::from_values(values), &Latencies::default());
        for (quantile, seconds) in [(0.95, 0.5), (0.99, 1.7), (0.999, 1.97)] {
            let found =
                Duration::from_nanos(sample.shown(quantile).unwrap().value_ns).as_secs_f64();
            assert!((found - seconds).abs() <= 0.01 * seconds + 0.01, "{found}");
        }
    }

    proptest! {
        #[test]
        fn the_interval_contains_its_percentile(
            values in prop::collection::vec(0_u64..10_000, 1..400),
            censored in prop::collection::vec(0_u64..10_000, 0..40),
            failed in 0_u64..200,
            quantile in 0.0_f64..1.0,
        ) {
            let counts = Counts {
                failed,
                unanswered: censored.len() as u64,
                ..Counts::default()
            };
            let sample = Sample::of(
                &counts,
                &Latencies::from_values(values),
                &Latencies::from_values(censored),
            );
            let found = sample.at(quantile).unwrap();
            prop_assert!(found.low_ns <= found.value_ns);
            prop_assert!(found.high_ns.is_none_or(|high| high >= found.value_ns));
            prop_assert!(!found.is_bound || found.high_ns.is_none());
        }
    }
}
