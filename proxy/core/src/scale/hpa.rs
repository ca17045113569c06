//! What must be told to Kubernetes' Horizontal Pod Autoscaler so that its own arithmetic lands on the recommended count.
//!
//! The autoscaler does not take a number of replicas, it takes a metric, and it ignores a metric that is within 10 % of
//! where it stands (`--horizontal-pod-autoscaler-tolerance`): at 200 replicas a demand for 219 changes nothing. So the
//! arithmetic is here, as `pkg/controller/podautoscaler` of Kubernetes has it for an external metric with `AverageValue`
//! and a target of 1 per replica, and the signal is what makes it land on the recommendation, or, when the tolerance
//! makes that count unreachable, on the least reachable one above it: rather too many than too few. With `tolerance: 0`
//! in the autoscaler's `behavior` every count is reachable.

use super::number::{ceil, floor, real};

/// How many replicas the autoscaler may add within one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AscentLimit {
    /// Without `behavior.scaleUp`: the double, or four, whichever is more.
    DoubleOrFour,
    /// With `behavior.scaleUp`: as many more as its policies allow now.
    Pods(u32),
}

/// An autoscaler as it stands before a sync.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hpa {
    /// `status.currentReplicas`.
    pub current: u32,
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
    /// Upward and downward tolerance; 0.1 by default.
    pub tolerance: (f64, f64),
    /// Limit of one sync upwards.
    pub ascent: AscentLimit,
}

impl Hpa {
    /// One with the published defaults.
    pub fn with_defaults(current: u32, min: u32, max: u32) -> Self {
        Self {
            current,
            min,
            max,
            tolerance: (0.1, 0.1),
            ascent: AscentLimit::DoubleOrFour,
        }
    }

    /// Replicas that a sync proposes for a metric of `total` at a target of 1 per replica, before any stabilisation.
    ///
    /// The metric travels as a quantity in thousandths; finer differences are lost.
    pub fn proposes(&self, total: f64) -> u32 {
        let total = real(u64::from(ceil(total * 1_000.0))) / 1_000.0;
        let ratio = total / f64::from(self.current);
        let within = ratio >= 1.0 - self.tolerance.1 && ratio <= 1.0 + self.tolerance.0;
        if within { self.current } else { ceil(total) }
    }

    /// Replicas after a sync that has no earlier recommendations to regard: the proposal within all limits.
    pub fn lands_on(&self, total: f64) -> u32 {
        self.limited(self.proposes(total))
    }

    /// A count within `min`, `max` and what one sync may add.
    pub fn limited(&self, replicas: u32) -> u32 {
        let most = match self.ascent {
            AscentLimit::DoubleOrFour => self.current.saturating_mul(2).max(4),
            AscentLimit::Pods(more) => self.current.saturating_add(more),
        };
        replicas.min(most).clamp(self.min.min(self.max), self.max)
    }

    /// The metric to report so that the autoscaler lands on `recommended`, or on the least count above that it can
    /// reach. Downwards within the tolerance it stays where it is.
    pub fn signal_for(&self, recommended: u32) -> f64 {
        if recommended <= self.current || self.proposes(f64::from(recommended)) == recommended {
            return f64::from(recommended);
        }
        f64::from(floor(f64::from(self.current) * (1.0 + self.tolerance.0)).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_of_the_published_arithmetic() {
        // (current, metric) -> replicas: tolerance edges, ceiling, limits of one sync, minimum and maximum.
        for (current, total, expected) in [
            (10, 11.0, 10),
            (10, 11.001, 12),
            (10, 9.0, 10),
            (10, 8.999, 9),
            (200, 219.0, 200),
            (200, 221.0, 221),
            (1, 1.05, 1),
            (1, 1.2, 2),
            (1, 50.0, 4),
            (4, 50.0, 8),
            (8, 50.0, 16),
            (100, 0.0, 1),
            (900, 5_000.0, 1_000),
            (0, 7.0, 4),
        ] {
            let hpa = Hpa::with_defaults(current, 1, 1_000);
            assert_eq!(hpa.lands_on(total), expected, "{current} {total}");
        }
    }

    #[test]
    fn without_limits_one_sync_is_enough() {
        let hpa = Hpa {
            ascent: AscentLimit::Pods(1_000),
            ..Hpa::with_defaults(1, 1, 1_000)
        };
        assert_eq!(hpa.lands_on(hpa.signal_for(143)), 143);
    }

    #[test]
    fn a_demand_within_the_tolerance_is_carried_over_its_edge() {
        let hpa = Hpa::with_defaults(200, 1, 1_000);
        assert_eq!(hpa.lands_on(hpa.signal_for(219)), 221);
        assert_eq!(hpa.lands_on(hpa.signal_for(200)), 200);
        assert_eq!(hpa.lands_on(hpa.signal_for(190)), 200);
        assert_eq!(hpa.lands_on(hpa.signal_for(150)), 150);
    }

    proptest! {
        #[test]
        fn the_signal_lands_on_the_recommendation_or_the_next_reachable_count_above(
            current in 0..2_000_u32, recommended in 1..2_000_u32, tolerance in 0.0..0.3_f64
        ) {
            let hpa = Hpa {
                ascent: AscentLimit::Pods(10_000),
                tolerance: (tolerance, tolerance),
                ..Hpa::with_defaults(current, 1, 10_000)
            };
            let landed = hpa.lands_on(hpa.signal_for(recommended));
            let nearest = (recommended..10_000)
                .find(|&count| count == current || hpa.lands_on(f64::from(count)) == count);
            prop_assert_eq!(Some(landed), nearest);
        }

        #[test]
        fn without_tolerance_every_count_is_hit(current in 0..2_000_u32, recommended in 1..2_000_u32) {
            let hpa = Hpa {
                ascent: AscentLimit::Pods(10_000),
                tolerance: (0.0, 0.0),
                ..Hpa::with_defaults(current, 1, 10_000)
            };
            prop_assert_eq!(hpa.lands_on(hpa.signal_for(recommended)), recommended);
        }

        #[test]
        fn with_the_default_limit_repeated_syncs_arrive(current in 1..50_u32, recommended in 1..1_000_u32) {
            let mut hpa = Hpa::with_defaults(current, 1, 2_000);
            for _ in 0..12 {
                hpa.current = hpa.lands_on(hpa.signal_for(recommended));
            }
            prop_assert!(hpa.current >= recommended);
            prop_assert!(f64::from(hpa.current) <= f64::from(recommended) / 0.9 + 1.0);
        }
    }
}
