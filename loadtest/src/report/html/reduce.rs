//! Fewer points without losing what a reader looks for: extremes kept for lines over time, shape kept for curves.
//!
//! An hour of seconds has more points than a screen has columns, and each costs bytes.

use crate::results::{Latencies, PoolSecond, Second};

/// Largest-Triangle-Three-Buckets (Steinarsson 2013): at most `limit` of the points, the ends included, chosen so that the
/// line keeps its look.
#[expect(clippy::cast_precision_loss, reason = "indices of a list")]
pub(super) fn lttb(points: &[(f64, f64)], limit: usize) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= limit || limit < 3 {
        return points.to_vec();
    }
    let inner = points.get(1..points.len() - 1).unwrap_or_default();
    let buckets: Vec<&[(f64, f64)]> = split(inner, limit - 2).collect();
    let mut kept = vec![*first];
    for (index, bucket) in buckets.iter().enumerate() {
        let (x0, y0) = kept.last().copied().unwrap_or(*first);
        let next = buckets.get(index + 1).copied().unwrap_or_default();
        let (x1, y1) = if next.is_empty() {
            *last
        } else {
            let count = next.len() as f64;
            (
                next.iter().map(|point| point.0).sum::<f64>() / count,
                next.iter().map(|point| point.1).sum::<f64>() / count,
            )
        };
        let area = |(x, y): (f64, f64)| ((x0 - x1) * (y - y0) - (x0 - x) * (y1 - y0)).abs();
        kept.extend(
            bucket
                .iter()
                .copied()
                .max_by(|left, right| area(*left).total_cmp(&area(*right))),
        );
    }
    kept.push(*last);
    kept
}

/// The smallest and the largest of each of at most `limit / 2` stretches, in order of x: no spike is lost, and no gap, which
/// is a point that is not finite and costs nothing, since nothing is drawn there.
pub(super) fn min_max(points: &[(f64, f64)], limit: usize) -> Vec<(f64, f64)> {
    if points.len() <= limit.max(2) {
        return points.to_vec();
    }
    split(points, limit.max(2) / 2)
        .flat_map(|stretch| {
            let by_y = |left: &&(f64, f64), right: &&(f64, f64)| left.1.total_cmp(&right.1);
            let finite = || stretch.iter().filter(|point| point.1.is_finite());
            let ends = [finite().min_by(by_y), finite().max_by(by_y)];
            let gaps = stretch.iter().filter(|point| !point.1.is_finite());
            let mut kept: Vec<(f64, f64)> =
                ends.into_iter().flatten().chain(gaps).copied().collect();
            kept.sort_by(|left, right| left.0.total_cmp(&right.0));
            kept.dedup();
            kept
        })
        .collect()
}

/// `parts` consecutive stretches whose lengths differ by at most one; fewer when there are fewer items.
fn split<T>(items: &[T], parts: usize) -> impl Iterator<Item = &[T]> {
    let parts = parts.clamp(1, items.len().max(1));
    (0..parts).filter_map(move |part| {
        let start = part * items.len() / parts;
        let end = (part + 1) * items.len() / parts;
        items.get(start..end).filter(|stretch| !stretch.is_empty())
    })
}

/// Several seconds as one.
#[derive(Debug, Clone, Default)]
pub(super) struct Interval {
    /// Start, as [`Second::at_seconds`].
    pub(super) from_seconds: i64,
    /// Seconds in it.
    pub(super) seconds: u64,
    /// Sums over them.
    pub(super) offered: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) abandoned: u64,
    /// Largest of them.
    pub(super) in_flight_max: u64,
    pub(super) waiting_max: u64,
    pub(super) own_lag_max_ns: u64,
    /// Of all answers in them.
    pub(super) response: Latencies,
    /// The last one known in them.
    pub(super) pool: Option<PoolSecond>,
}

impl Interval {
    /// `120 s` or, of several seconds, `120–125 s`.
    pub(super) fn label(&self) -> String {
        if self.seconds <= 1 {
            format!("{} s", self.from_seconds)
        } else {
            let to = self
                .from_seconds
                .saturating_add(i64::try_from(self.seconds).unwrap_or(i64::MAX));
            format!("{}–{to} s", self.from_seconds)
        }
    }

    fn add(&mut self, second: &Second) {
        if self.seconds == 0 {
            self.from_seconds = second.at_seconds;
        }
        self.seconds += 1;
        self.offered += second.offered;
        self.sent += second.sent;
        self.answered += second.answered;
        self.failed += second.failed;
        self.abandoned += second.abandoned;
        self.in_flight_max = self.in_flight_max.max(second.in_flight);
        self.waiting_max = self.waiting_max.max(second.waiting);
        self.own_lag_max_ns = self.own_lag_max_ns.max(second.own_lag_max_ns);
        self.response.merge(&second.response);
        self.pool = second.pool.or(self.pool);
    }
}

/// At most `limit` intervals of equal length; the last one may be shorter.
pub(super) fn intervals(seconds: &[Second], limit: usize) -> Vec<Interval> {
    let length = seconds.len().div_ceil(limit.max(1)).max(1);
    seconds
        .chunks(length)
        .map(|chunk| {
            let mut interval = Interval::default();
            for second in chunk {
                interval.add(second);
            }
            interval
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reducing_keeps_the_ends_or_the_extremes_and_the_limit(
            values in prop::collection::vec(-1e6_f64..1e6, 1..500),
            limit in 4_usize..100,
        ) {
            let points: Vec<(f64, f64)> = (0_u32..).zip(&values).map(|(x, y)| (f64::from(x), *y)).collect();
            let curve = lttb(&points, limit);
            prop_assert!(curve.len() <= limit.max(points.len().min(limit)));
            prop_assert_eq!(curve.first(), points.first());
            prop_assert_eq!(curve.last(), points.last());
            let line = min_max(&points, limit);
            prop_assert!(line.len() <= limit);
            let largest = |points: &[(f64, f64)]| points.iter().map(|p| p.1).fold(f64::MIN, f64::max);
            let smallest = |points: &[(f64, f64)]| points.iter().map(|p| p.1).fold(f64::MAX, f64::min);
            prop_assert_eq!(largest(&line).to_bits(), largest(&points).to_bits());
            prop_assert_eq!(smallest(&line).to_bits(), smallest(&points).to_bits());
            prop_assert!(line.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }

        #[test]
        fn between_two_points_that_are_kept_lies_a_gap_if_one_lay_there(
            values in prop::collection::vec(prop::option::weighted(0.8, -1e6_f64..1e6), 1..300),
            limit in 4_usize..50,
        ) {
            let points: Vec<(f64, f64)> =
                (0_u32..).zip(&values).map(|(x, y)| (f64::from(x), y.unwrap_or(f64::NAN))).collect();
            let line = min_max(&points, limit);
            let is_finite = |point: &&(f64, f64)| point.1.is_finite();
            prop_assert!(points.len() <= limit || line.iter().filter(is_finite).count() <= limit);
            for pair in line.windows(2).filter(|pair| pair.iter().all(|point| point.1.is_finite())) {
                let between = points.iter().filter(|point| pair[0].0 < point.0 && point.0 < pair[1].0);
                prop_assert!(between.clone().all(|point| point.1.is_finite()), "{pair:?}");
            }
            let largest = |points: &[(f64, f64)]| points.iter().filter(is_finite).map(|p| p.1).fold(f64::MIN, f64::max);
            prop_assert_eq!(largest(&line).to_bits(), largest(&points).to_bits());
        }

        #[test]
        fn intervals_lose_no_request(offered in prop::collection::vec(0_u64..100, 0..300), limit in 1_usize..50) {
            let seconds: Vec<Second> = (0_i64..)
                .zip(&offered)
                .map(|(at_seconds, offered)| Second { at_seconds, offered: *offered, ..Second::default() })
                .collect();
            let intervals = intervals(&seconds, limit);
            prop_assert!(intervals.len() <= limit);
            prop_assert_eq!(intervals.iter().map(|i| i.offered).sum::<u64>(), offered.iter().sum::<u64>());
        }
    }
}
