//! Virtual time: how much service a flow has had per unit of its weight.
//!
//! Integers of 128 bits and not floats: the clock of a pool never falls and runs for years, charges differ by the
//! factor of a million between tenants, and what was charged must come off again exactly.

use std::ops::Add;

/// Virtual time of one seat-microsecond at the weight of one thousandth.
const SCALE: u64 = 1 << 63;

/// A weight in thousandths, at least one thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight(u64);

impl Weight {
    pub(crate) const fn from_thousandths(thousandths: u64) -> Self {
        Self(if thousandths == 0 { 1 } else { thousandths })
    }

    pub(crate) const fn thousandths(self) -> u64 {
        self.0
    }

    /// This weight, or so many thousandths if that is more.
    pub(crate) const fn at_least(self, thousandths: u64) -> Self {
        Self(if self.0 < thousandths {
            thousandths
        } else {
            self.0
        })
    }

    /// What a seat-microsecond costs a flow of this weight.
    pub(crate) const fn price(self) -> Price {
        Price(SCALE / self.0)
    }
}

/// Virtual time per seat-microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Price(u64);

impl Price {
    pub(crate) fn of(self, seat_micros: u64) -> Span {
        Span(u128::from(seat_micros) * u128::from(self.0))
    }

    /// The price after a flow's weight went from `old` to `new`.
    pub(crate) fn rescaled(self, old: Weight, new: Weight) -> Self {
        let price = u128::from(self.0) * u128::from(old.0) / u128::from(new.0);
        Self(u64::try_from(price).unwrap_or(u64::MAX).max(1))
    }
}

/// A length of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u128);

impl Span {
    /// The same service after a flow's weight went from `old` to `new`.
    pub(crate) fn rescaled(self, old: Weight, new: Weight) -> Self {
        self.scaled(old.0, new.0)
    }

    /// The same service after its price went from `old` to `new`.
    pub(crate) fn repriced(self, old: Price, new: Price) -> Self {
        self.scaled(new.0, old.0)
    }

    /// How much more this is than `other`; nothing when it is less.
    pub(crate) const fn beyond(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    fn scaled(self, factor: u64, divisor: u64) -> Self {
        let (factor, divisor) = (u128::from(factor), u128::from(divisor));
        // Whichever order keeps the product in range and the most digits.
        Self(if self.0 >> 64 == 0 {
            self.0 * factor / divisor
        } else {
            (self.0 / divisor).saturating_mul(factor)
        })
    }

    /// In seconds of one seat at the weight of one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "for display: 53 bits of a duration"
    )]
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / SCALE as f64 / 1e6 * 1e3
    }
}

/// A point of virtual time: a pool's clock, or a flow's finish tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Virtual(u128);

impl Virtual {
    pub(crate) const ZERO: Self = Self(0);

    /// From an earlier point to this one; nothing when it is a later one.
    pub(crate) const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// So much earlier.
    pub(crate) const fn before(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add<Span> for Virtual {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: Weight = Weight::from_thousandths(3_700_000_000);
    const GROEDE: Weight = Weight::from_thousandths(7_000);

    #[test]
    fn service_costs_in_inverse_proportion_to_weight_within_a_millionth() {
        let (large, small) = (BERLIN.price().of(1_000), GROEDE.price().of(1_000));
        let ratio = small.seconds() / large.seconds();
        assert!((ratio * 7.0 / 3_700_000.0 - 1.0).abs() < 1e-6, "{ratio}");
    }

    #[test]
    fn what_was_charged_comes_off_again_exactly() {
        let tag = Virtual::ZERO + GROEDE.price().of(5);
        let charge = BERLIN.price().of(77);
        assert_eq!((tag + charge).before(charge), tag);
        assert_eq!(charge.beyond(charge), Span::default());
    }

    #[test]
    fn a_span_is_the_same_service_under_another_weight() {
        for micros in [1, 50_000, 15_000_000 * 10_000] {
            let moved = GROEDE.price().of(micros).rescaled(GROEDE, BERLIN);
            let ratio = moved.seconds() / BERLIN.price().of(micros).seconds();
            assert!((ratio - 1.0).abs() < 1e-6, "{micros}: {ratio}");
        }
    }

    #[test]
    fn a_year_of_one_small_flow_on_forty_seats_does_not_reach_the_end() {
        let year = GROEDE.price().of(40 * 365 * 86_400 * 1_000_000);
        assert!((Virtual::ZERO + year).0 < u128::MAX >> 16);
    }
}
