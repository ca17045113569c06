//! Poisson and binomial numbers from a seeded generator, so that the same seed gives the same day to every autoscaler.

use fastrand::Rng;

/// Above this mean the normal distribution stands in: its error is then below one in a thousand.
const NORMAL_FROM: f64 = 50.0;

/// A generator of its own for each stream of a run: arrivals must not change when an autoscaler behaves differently.
pub(crate) fn stream(seed: u64, trace: usize, pool: usize, purpose: u64) -> Rng {
    let mut mixed = 0_u64;
    for part in [seed, trace as u64, pool as u64, purpose] {
        // SplitMix64's multiplier: neighbouring numbers give unrelated streams.
        mixed = (mixed ^ part)
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= mixed >> 29;
    }
    Rng::with_seed(mixed)
}

/// How many of a Poisson process with this mean.
pub(crate) fn poisson(rng: &mut Rng, mean: f64) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    if mean >= NORMAL_FROM {
        return whole(mean + mean.sqrt() * normal(rng), u64::MAX);
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

/// How many of `count` happen that each happen with probability `share`.
pub(crate) fn binomial(rng: &mut Rng, count: u64, share: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "requests in flight, far below 2^53"
    )]
    let mean = count as f64 * share;
    if mean >= NORMAL_FROM {
        return whole(mean + (mean * (1.0 - share)).sqrt() * normal(rng), count);
    }
    (0..count).filter(|_| rng.f64() < share).count() as u64
}

/// Box and Muller 1958.
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates"
)]
fn whole(value: f64, most: u64) -> u64 {
    (value.round() as u64).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn moments(draw: impl FnMut() -> u64) -> (f64, f64) {
        let values: Vec<f64> = std::iter::repeat_with(draw)
            .take(20_000)
            .map(|value| value as f64)
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        (mean, variance / values.len() as f64)
    }

    #[test]
    fn counts_have_the_mean_and_variance_of_a_poisson_process_on_both_sides_of_the_switch() {
        let mut rng = stream(1, 2, 3, 4);
        for expected in [0.3, 7.0, 49.0, 51.0, 1_000.0] {
            let (mean, variance) = moments(|| poisson(&mut rng, expected));
            assert!((mean / expected - 1.0).abs() < 0.03, "{mean} {expected}");
            assert!(
                (variance / expected - 1.0).abs() < 0.06,
                "{variance} {expected}"
            );
        }
    }

    #[test]
    fn completions_have_the_mean_and_variance_of_independent_ones() {
        let mut rng = stream(1, 2, 3, 5);
        for (count, share) in [(10, 0.5), (400, 0.5), (30, 0.1)] {
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let expected = count as f64 * share;
            let (mean, variance) = moments(|| binomial(&mut rng, count, share));
            assert!((mean / expected - 1.0).abs() < 0.03);
            assert!((variance / expected / (1.0 - share) - 1.0).abs() < 0.06);
        }
    }

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first = |seed, trace, pool, purpose| stream(seed, trace, pool, purpose).u64(..);
        let all = [
            first(1, 1, 1, 1),
            first(2, 1, 1, 1),
            first(1, 2, 1, 1),
            first(1, 1, 2, 1),
            first(1, 1, 1, 2),
        ];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(first(1, 1, 1, 1), first(1, 1, 1, 1));
    }
}
