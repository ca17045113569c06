//! Which of two endpoints is the better one, and which two are looked at.
//!
//! Two random choices, the less loaded one wins: almost as even as looking at all, at constant cost, and two proxies
//! do not flock to the same endpoint (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
//! Load is peak EWMA × (in flight + 1) ÷ slow-start share, as in Finagle and linkerd.
//! An endpoint without a latency yet takes that of the other one: taken as zero it would be flooded until its first
//! answer, taken as a constant it would be starved beside faster ones or flooded beside slower ones.

use crate::slow_start::Share;

/// What the comparison needs to know of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Seconds; none: unknown.
    pub(crate) latency: Option<f64>,
    pub(crate) in_flight: u32,
    pub(crate) share: Share,
}

impl Load {
    /// Whether this endpoint is strictly the less loaded one; two idle equals are decided by who was drawn first.
    pub(crate) fn lighter_than(&self, other: &Self) -> bool {
        let (own, others) = match (self.latency, other.latency) {
            (Some(own), Some(others)) => (own, others),
            (None, _) | (_, None) => (1.0, 1.0),
        };
        own * self.waiting() < others * other.waiting()
    }

    /// Requests that would be in flight with the next one, as a full endpoint would feel them.
    fn waiting(&self) -> f64 {
        (f64::from(self.in_flight) + 1.0) / self.share.weight()
    }
}

/// A short sequence of random numbers out of one draw: the shell draws once per arrival, most arrivals need two.
///
/// `SplitMix64` (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): one addition and two
/// multiplications per number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) const fn new(draw: u64) -> Self {
        Self(draw)
    }

    /// An evenly distributed number below `bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // Lemire's multiplication; the bias is bound ÷ 2^64.
        let wide = u128::from(self.next()) * (bound as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Two different numbers below `bound`, both 0 when there is only one.
    pub(crate) fn pair_below(&mut self, bound: usize) -> (usize, usize) {
        let first = self.below(bound);
        let second = self.below(bound.saturating_sub(1));
        let skipped = usize::from(second >= first && bound > 1);
        (first, second + skipped)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn load(latency: Option<f64>, in_flight: u32) -> Load {
        Load {
            latency,
            in_flight,
            share: Share::FULL,
        }
    }

    #[test]
    fn ten_times_slower_weighs_as_much_as_ten_in_flight() {
        let slow = load(Some(0.100), 0);
        assert!(load(Some(0.010), 8).lighter_than(&slow));
        assert!(slow.lighter_than(&load(Some(0.010), 10)));
    }

    #[test]
    fn an_unknown_latency_is_compared_by_requests_in_flight_alone() {
        assert!(load(None, 1).lighter_than(&load(Some(0.000_1), 2)));
        assert!(load(Some(60.0), 1).lighter_than(&load(None, 2)));
    }

    #[test]
    fn an_endpoint_on_the_ramp_counts_as_busier_than_it_is() {
        let since = Some(Timestamp::default());
        let ramping = Load {
            share: Share::at(since, Duration::from_secs(10), Timestamp::default()),
            ..load(None, 0)
        };
        assert!(load(None, 8).lighter_than(&ramping));
        assert!(ramping.lighter_than(&load(None, 10)));
    }

    proptest! {
        #[test]
        fn at_most_one_of_two_is_the_lighter_one(
            own in proptest::option::of(0.0..100.0_f64), others in proptest::option::of(0.0..100.0_f64),
            in_flight in 0..1_000_u32, more in 0..1_000_u32,
        ) {
            let (one, two) = (load(own, in_flight), load(others, more));
            prop_assert!(!(one.lighter_than(&two) && two.lighter_than(&one)));
        }

        #[test]
        fn a_pair_is_two_different_numbers_within_bounds(draw: u64, bound in 2..1_000_usize) {
            let (first, second) = Draws::new(draw).pair_below(bound);
            prop_assert!(first < bound && second < bound && first != second);
        }

        #[test]
        fn a_pair_out_of_one_is_that_one(draw: u64) {
            prop_assert_eq!(Draws::new(draw).pair_below(1), (0, 0));
        }
    }

    #[test]
    fn all_pairs_are_drawn_about_equally_often() {
        let mut counts = [[0_u32; 4]; 4];
        for draw in 0..120_000 {
            let (first, second) = Draws::new(draw).pair_below(4);
            counts[first][second] += 1;
        }
        for (first, row) in counts.iter().enumerate() {
            for (second, count) in row
                .iter()
                .enumerate()
                .filter(|(second, _)| *second != first)
            {
                assert!((9_500..10_500).contains(count), "{first} {second} {count}");
            }
        }
    }
}
