//! Draws one of many by weight in constant time, so that 10,751 tenants cost no more than two.
//!
//! Vose's form of the alias method ("A linear algorithm for generating random numbers with a given distribution", IEEE
//! Trans. Softw. Eng. 17(9), 1991): one number chooses a column, what is left of it one of the column's two owners.

use crate::draw::Stream;

/// A distribution over 0..n.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// Share of a column that belongs to its own number, and whose the rest is.
    columns: Vec<(f64, u32)>,
}

impl Weighted {
    /// By these weights; negative and undefined ones count as 0. Without any weight, all are equally likely.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut shares: Vec<f64> = weights
            .into_iter()
            .map(|weight| {
                if weight.is_finite() {
                    weight.max(0.0)
                } else {
                    0.0
                }
            })
            .collect();
        let total: f64 = shares.iter().sum();
        let count = f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX));
        for share in &mut shares {
            *share = if total > 0.0 {
                *share * count / total
            } else {
                1.0
            };
        }
        Self {
            columns: columns(&shares),
        }
    }

    /// One of them; 0 when there are none.
    pub fn draw(&self, stream: &mut Stream) -> u32 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let scaled = stream.unit() * self.columns.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below the number of columns"
        )]
        let column = scaled as u32;
        match self.columns.get(column as usize) {
            Some((own, other)) if scaled.fract() >= *own => *other,
            Some(_) => column,
            None => 0,
        }
    }
}

/// Fills up each column that is less than 1 from one that is more.
fn columns(shares: &[f64]) -> Vec<(f64, u32)> {
    let mut left: Vec<(u32, f64)> = (0..).zip(shares.iter().copied()).collect();
    let mut columns: Vec<(f64, u32)> = (0..).take(left.len()).map(|own| (1.0, own)).collect();
    let (mut small, mut large): (Vec<_>, Vec<_>) =
        left.drain(..).partition(|(_, share)| *share < 1.0);
    while let Some((poor, share)) = small.pop() {
        let Some((rich, owned)) = large.pop() else {
            break; // only roundings are left: the column stays its owner's
        };
        if let Some(column) = columns.get_mut(poor as usize) {
            *column = (share, rich);
        }
        let rest = owned - (1.0 - share);
        if rest < 1.0 { &mut small } else { &mut large }.push((rich, rest));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    fn counts(weights: &[f64], draws: u64) -> Vec<f64> {
        let weighted = Weighted::new(weights.iter().copied());
        let mut counts = vec![0.0; weights.len()];
        for citizen in 0..draws {
            let tenant = weighted.draw(&mut Stream::new(1, citizen, Purpose::Tenant));
            counts[tenant as usize] += 1.0;
        }
        counts
    }

    #[test]
    fn each_is_drawn_as_often_as_its_weight_says() {
        let weights = [3_700_000.0, 10.0, 0.0, 500_000.0, 1_000_000.0];
        let total: f64 = weights.iter().sum();
        for (weight, count) in weights.iter().zip(counts(&weights, 200_000)) {
            let expected = weight / total * 200_000.0;
            assert!(
                (count - expected).abs() <= 5.0 * expected.sqrt() + 3.0,
                "{weight}: {count}"
            );
        }
    }

    #[test]
    fn without_weights_all_are_equally_likely_and_nothing_panics() {
        let counts = counts(&[0.0, f64::NAN, -1.0, f64::INFINITY], 40_000);
        assert!(
            counts.iter().all(|count| (count - 10_000.0).abs() < 500.0),
            "{counts:?}"
        );
        let none = Weighted::new([]);
        assert_eq!(none.draw(&mut Stream::new(1, 1, Purpose::Tenant)), 0);
    }
}
