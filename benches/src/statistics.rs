//! Medians, quantiles and the bootstrap interval of a median.
//!
//! Ratios of paired runs are few (20) and skewed by whatever else the machine does, so no normal distribution is
//! assumed: the percentile bootstrap (Efron 1979) of the median needs none.

use fastrand::Rng;

/// Enough for two digits of the interval; costs a millisecond.
const RESAMPLES: usize = 4_000;

/// A median and the interval that holds it with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The median with its 95 % bootstrap interval; not a number for no values.
pub(crate) fn estimate(values: &[f64]) -> Estimate {
    // A seed of its own, so that an interval can be recomputed from the same values.
    let mut rng = Rng::with_seed(1979);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut resample: Vec<f64> = (0..values.len())
                .filter_map(|_| values.get(rng.usize(0..values.len())).copied())
                .collect();
            quantile(&mut resample, 0.5)
        })
        .collect();
    Estimate {
        median: median(values),
        low: quantile(&mut medians, 0.025),
        high: quantile(&mut medians, 0.975),
    }
}

/// The middle value; not a number for no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

/// The value below which the share `q` (0 to 1) of all values lies, interpolated between neighbours. Sorts `values`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in a list of at most millions of values, never negative"
)]
pub(crate) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let position = q.clamp(0.0, 1.0) * values.len().saturating_sub(1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    match (values.get(below), values.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * position.fract(),
        _ => f64::NAN,
    }
}

/// The quotient of each pair.
pub(crate) fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// The difference of each pair.
pub(crate) fn differences(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of - to).collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact values of small whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn quantiles_reach_from_the_least_to_the_greatest() {
        let mut values = [5.0, 1.0, 3.0];
        assert_eq!(quantile(&mut values, 0.0), 1.0);
        assert_eq!(quantile(&mut values, 1.0), 5.0);
    }

    #[test]
    fn no_values_have_no_median() {
        assert!(median(&[]).is_nan());
        assert!(estimate(&[]).low.is_nan());
    }

    #[test]
    fn the_interval_holds_the_median_and_shrinks_to_it_when_all_agree() {
        let spread = estimate(&[0.8, 0.9, 1.0, 1.1, 1.2]);
        assert!(spread.low < spread.median && spread.median < spread.high);
        let same = estimate(&[0.7; 20]);
        assert_eq!((same.low, same.high), (0.7, 0.7));
    }
}
