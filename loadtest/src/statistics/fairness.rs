//! Who got less than they were entitled to: max-min entitlement, Jain's index, Lorenz curve and Gini.
//!
//! A tenant is entitled to what weighted max-min sharing of the run's whole goodput would have given it: never more than it
//! asked for, and beyond that in proportion to its weight. So nobody looks badly served for asking little, and a noisy
//! tenant's unserved excess is no unfairness. x = answered ÷ entitled is compared between tenants, each counted once:
//! weighting by requests would let a city hide a thousand starved villages.

/// What one tenant asked for, got, and may claim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Requests it asked for.
    pub demand: f64,
    /// Requests answered.
    pub answered: f64,
    /// Its weight in the sharing, relative to the others.
    pub weight: f64,
}

/// How evenly entitlements were met.
#[derive(Debug, Clone, PartialEq)]
pub struct Fairness {
    /// (Σx)² ÷ (n·Σx²) over tenants that asked for something (Jain 1984): 1 when all are served alike, 1/n when one gets all.
    pub jain: f64,
    /// Twice the area between the Lorenz curve and the diagonal: 0 when all are served alike.
    pub gini: f64,
    /// From (0, 0) to (1, 1): share of the entitlement, and of the answers that went to it, the worst served first.
    pub lorenz: Vec<(f64, f64)>,
    /// Tenants that asked for something.
    pub tenants: usize,
    /// Tenants that asked and got nothing.
    pub starved: usize,
}

/// Fairness among `shares`; none when nobody asked or nobody was answered.
pub fn fairness(shares: &[Share]) -> Option<Fairness> {
    let asking: Vec<&Share> = shares.iter().filter(|share| share.demand > 0.0).collect();
    let capacity: f64 = asking.iter().map(|share| share.answered).sum();
    if capacity <= 0.0 {
        return None;
    }
    let entitled = entitlements(&asking, capacity);
    let mut served: Vec<(f64, f64, f64)> = asking
        .iter()
        .zip(&entitled)
        .filter(|(_, entitled)| **entitled > 0.0)
        .map(|(share, entitled)| (share.answered / entitled, *entitled, share.answered))
        .collect();
    served.sort_by(|left, right| left.0.total_cmp(&right.0));
    let lorenz = lorenz_of(&served);
    Some(Fairness {
        jain: jain_of(served.iter().map(|entry| entry.0)),
        gini: gini_of(&lorenz),
        lorenz,
        tenants: asking.len(),
        starved: asking.iter().filter(|share| share.answered <= 0.0).count(),
    })
}

/// Weighted max-min shares of `capacity`: whoever asks for less than its part leaves the rest to the others.
fn entitlements(asking: &[&Share], capacity: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..asking.len()).collect();
    let need = |index: &usize| {
        asking.get(*index).map_or(0.0, |share| {
            share.demand / share.weight.max(f64::MIN_POSITIVE)
        })
    };
    order.sort_by(|left, right| need(left).total_cmp(&need(right)));
    let mut left = capacity;
    let mut weight_left: f64 = asking.iter().map(|share| share.weight).sum();
    let mut entitled = vec![0.0; asking.len()];
    for index in order {
        let (Some(share), Some(slot)) = (asking.get(index), entitled.get_mut(index)) else {
            continue;
        };
        let part = if weight_left > 0.0 {
            left * share.weight / weight_left
        } else {
            0.0
        };
        *slot = share.demand.min(part);
        left = (left - *slot).max(0.0);
        weight_left -= share.weight;
    }
    entitled
}

/// (Σx)² ÷ (n·Σx²); 1 when there is nothing to compare.
#[expect(clippy::cast_precision_loss, reason = "thousands of tenants")]
pub fn jain_of(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0_usize, 0.0, 0.0);
    for value in values {
        count += 1;
        sum += value;
        squares += value * value;
    }
    if squares > 0.0 {
        sum * sum / (count as f64 * squares)
    } else {
        1.0
    }
}

/// Cumulated shares of entitlement and of answers; `served` is (ratio, entitled, answered), the worst ratio first.
fn lorenz_of(served: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    let entitled: f64 = served.iter().map(|entry| entry.1).sum();
    let answered: f64 = served.iter().map(|entry| entry.2).sum();
    let mut curve = Vec::with_capacity(served.len() + 1);
    curve.push((0.0, 0.0));
    let (mut x, mut y) = (0.0, 0.0);
    for (_, own_entitled, own_answered) in served {
        x += own_entitled / entitled;
        y += own_answered / answered.max(f64::MIN_POSITIVE);
        curve.push((x, y));
    }
    curve
}

/// Twice the area above the curve and below the diagonal, by trapezoids.
fn gini_of(curve: &[(f64, f64)]) -> f64 {
    let below: f64 = curve
        .windows(2)
        .filter_map(|pair| match pair {
            [(x0, y0), (x1, y1)] => Some((x1 - x0) * f64::midpoint(*y0, *y1)),
            _ => None,
        })
        .sum();
    (1.0 - 2.0 * below).max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(demand: f64, answered: f64, weight: f64) -> Share {
        Share {
            demand,
            answered,
            weight,
        }
    }

    #[test]
    fn who_asks_little_and_gets_it_makes_nothing_unfair() {
        let found = fairness(&[share(1.0, 1.0, 1.0), share(500.0, 500.0, 1.0)]).unwrap();
        assert!((found.jain - 1.0).abs() < 1e-12 && found.gini < 1e-12);
    }

    #[test]
    fn a_noisy_tenants_unserved_excess_is_no_unfairness() {
        // Capacity 1,000: nine quiet ones get their 50, the noisy one the 550 that are left of its 5,000.
        let mut shares = vec![share(50.0, 50.0, 1.0); 9];
        shares.push(share(5_000.0, 550.0, 1.0));
        assert!(fairness(&shares).unwrap().jain > 0.999);
    }

    #[test]
    fn first_come_first_served_under_a_noisy_tenant_is_unfair() {
        // Everybody gets the same fraction of what they asked for: the noisy one nearly all.
        let mut shares = vec![share(50.0, 9.0, 1.0); 9];
        shares.push(share(5_000.0, 919.0, 1.0));
        assert!(fairness(&shares).unwrap().jain < 0.6);
    }

    #[test]
    fn starved_villages_are_counted_and_seen() {
        let mut shares = vec![share(10.0, 0.0, 1.0); 4];
        shares.extend([share(100.0, 100.0, 1.0); 6]);
        let found = fairness(&shares).unwrap();
        assert_eq!((found.tenants, found.starved), (10, 4));
        assert!(found.jain < 0.65, "{}", found.jain);
    }

    #[test]
    fn without_an_answer_there_is_nothing_to_share() {
        assert!(fairness(&[share(10.0, 0.0, 1.0)]).is_none());
        assert!(fairness(&[]).is_none());
    }

    proptest! {
        #[test]
        fn the_index_lies_between_one_over_n_and_one_and_the_curve_below_its_diagonal(
            tenants in prop::collection::vec((1_u32..1_000, 0.0_f64..=1.0, 1_u32..1_000), 1..60),
        ) {
            let shares: Vec<Share> = tenants
                .iter()
                .map(|(demand, part, weight)| {
                    let demand = f64::from(*demand);
                    share(demand, (demand * part).floor(), f64::from(*weight))
                })
                .collect();
            if let Some(found) = fairness(&shares) {
                let least = 1.0 / f64::from(u16::try_from(shares.len()).unwrap());
                prop_assert!(found.jain >= least - 1e-9 && found.jain <= 1.0 + 1e-9);
                let (x, y) = *found.lorenz.last().unwrap();
                prop_assert!((x - 1.0).abs() < 1e-9 && (y - 1.0).abs() < 1e-9);
                prop_assert!(found.lorenz.iter().all(|(x, y)| *y <= x + 1e-9));
            }
        }

        #[test]
        fn entitlements_share_the_whole_capacity_and_nobody_gets_more_than_asked(
            tenants in prop::collection::vec((1_u32..1_000, 1_u32..100), 1..40),
            load in 0.01_f64..=1.0,
        ) {
            let shares: Vec<Share> = tenants
                .iter()
                .map(|(demand, weight)| share(f64::from(*demand), 0.0, f64::from(*weight)))
                .collect();
            let asking: Vec<&Share> = shares.iter().collect();
            let capacity = load * shares.iter().map(|share| share.demand).sum::<f64>();
            let entitled = entitlements(&asking, capacity);
            prop_assert!((entitled.iter().sum::<f64>() - capacity).abs() < 1e-6 * capacity);
            prop_assert!(entitled.iter().zip(&shares).all(|(got, share)| *got <= share.demand + 1e-9));
        }
    }
}
