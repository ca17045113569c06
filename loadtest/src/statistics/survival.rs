//! How patient citizens are, from a run in which most were answered before they could lose patience.
//!
//! The raw share of those who left depends on how fast the target was; the patience itself does not. Being answered hides
//! the patience that was left, which is right-censoring, so the estimate is Kaplan and Meier's (1958): at each departure
//! the chance to stay on is multiplied by 1 − departures ÷ still waiting.

use crate::results::Latencies;

/// One step of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Staying {
    /// Time waited.
    pub after_ns: u64,
    /// Share of citizens who would still wait, 0–1, were they not answered before.
    pub share: f64,
}

/// The curve, from (0, 1) down; a step for each time at which somebody left. Who was answered or cut off at the same time
/// as another left counts as waiting then.
pub fn kaplan_meier(left: &Latencies, cut_off: &Latencies) -> Vec<Staying> {
    let mut curve = vec![Staying {
        after_ns: 0,
        share: 1.0,
    }];
    let mut waiting = left.count.saturating_add(cut_off.count);
    let mut share = 1.0;
    let mut cut = cut_off.buckets.iter().peekable();
    for (after_ns, count) in &left.buckets {
        while let Some((_, gone)) = cut.next_if(|bucket| bucket.0 < *after_ns) {
            waiting = waiting.saturating_sub(*gone);
        }
        share *= 1.0 - crate::results::counts::ratio(*count, waiting);
        curve.push(Staying {
            after_ns: *after_ns,
            share,
        });
        waiting = waiting.saturating_sub(*count);
    }
    curve
}

/// Share that still waits at `after_ns` by the curve.
pub fn staying_at(curve: &[Staying], after_ns: u64) -> f64 {
    let known = curve.partition_point(|step| step.after_ns <= after_ns);
    known
        .checked_sub(1)
        .and_then(|index| curve.get(index))
        .map_or(1.0, |step| step.share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_example_comes_out() {
        // Leaving at 1, 3 and 5; answered at 2 and 4: 4/5, then 2/3 of it, then nobody is left.
        let curve = kaplan_meier(
            &Latencies::from_values([1, 3, 5]),
            &Latencies::from_values([2, 4]),
        );
        let shares: Vec<f64> = curve.iter().map(|step| step.share).collect();
        let wanted = [1.0, 0.8, 0.8 * 2.0 / 3.0, 0.0];
        assert_eq!(shares.len(), wanted.len());
        assert!(
            shares
                .iter()
                .zip(wanted)
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        assert!((staying_at(&curve, 2) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn patience_is_found_although_most_were_answered_first() {
        // Patience evenly 1…100, an answer evenly 1…40 independent of it: half would stay 50, though few ever had to.
        let (mut left, mut answered) = (Vec::new(), Vec::new());
        for patience in 1..=100_u64 {
            for answer in 1..=40_u64 {
                if patience <= answer {
                    left.push(patience);
                } else {
                    answered.push(answer);
                }
            }
        }
        let curve = kaplan_meier(
            &Latencies::from_values(left),
            &Latencies::from_values(answered),
        );
        assert!((staying_at(&curve, 30) - 0.7).abs() < 0.01);
    }

    #[test]
    fn nobody_who_left_means_that_all_would_stay() {
        let curve = kaplan_meier(&Latencies::default(), &Latencies::from_values([1, 2]));
        assert!((staying_at(&curve, u64::MAX) - 1.0).abs() < f64::EPSILON);
    }
}
