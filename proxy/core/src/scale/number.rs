//! Conversions between counts and reals, in one place, so that no cast hides in a formula.

/// A count as a real; exact up to 2^53, far beyond what anything here counts.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay below 2^53, and a rate needs no more than 15 digits"
)]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// The least count that is not below `value`. Not a number and negative values give 0, too large ones the maximum.
///
/// A billionth above a whole number counts as that number: 0.1 × 30 ÷ 3 must be one replica, not two.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates, and not a number becomes 0"
)]
pub(crate) fn ceil(value: f64) -> u32 {
    (value - 1e-9).ceil() as u32
}

/// The greatest count that is not above `value`, with the same edge cases.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates, and not a number becomes 0"
)]
pub(crate) fn floor(value: f64) -> u32 {
    (value + 1e-9).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounding_error_orders_no_replica() {
        assert_eq!(ceil(0.1 * 3.0 * 10.0), 3);
        assert_eq!(floor(0.7 * 10.0), 7);
    }

    #[test]
    fn values_outside_the_range_saturate() {
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(ceil), [0, 0, u32::MAX]);
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(floor), [0, 0, u32::MAX]);
    }
}
