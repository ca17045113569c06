//! The part of a limit that is this process's own.
//!
//! While an upgrade runs two processes, and later with replicas, everybody holds a share of each limit instead of
//! asking the others: seats, rates and requests in flight are divided here, so that the shares add up to the whole.

use std::num::NonZeroU32;

/// A share above 0 and up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    numerator: NonZeroU32,
    denominator: NonZeroU32,
}

impl Fraction {
    /// All of it.
    pub const ONE: Self = Self {
        numerator: NonZeroU32::MIN,
        denominator: NonZeroU32::MIN,
    };

    /// `numerator` of `denominator` parts; none when that is nothing or more than the whole.
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator > denominator {
            return None;
        }
        match (NonZeroU32::new(numerator), NonZeroU32::new(denominator)) {
            (Some(numerator), Some(denominator)) => Some(Self {
                numerator,
                denominator,
            }),
            _ => None,
        }
    }

    /// Whether it is the whole.
    pub const fn is_one(self) -> bool {
        self.numerator.get() == self.denominator.get()
    }

    /// The share of a number of things that cannot be divided: rounded down, at least one, zero of zero.
    pub fn of(self, whole: u32) -> u32 {
        if self.is_one() || whole == 0 {
            return whole;
        }
        let share = self.part_of(u64::from(whole));
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }

    /// The share, rounded down.
    pub(crate) fn part_of(self, whole: u64) -> u64 {
        let share = u128::from(whole) * u128::from(self.numerator.get())
            / u128::from(self.denominator.get());
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// What `part` is a share of, rounded up.
    pub(crate) fn whole_of(self, part: u64) -> u64 {
        let whole = (u128::from(part) * u128::from(self.denominator.get()))
            .div_ceil(u128::from(self.numerator.get()));
        u64::try_from(whole).unwrap_or(u64::MAX)
    }
}

impl Default for Fraction {
    fn default() -> Self {
        Self::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_more_than_the_whole_are_no_shares() {
        let none = [(0, 1), (1, 0), (3, 2)];
        assert!(none.iter().all(|(n, d)| Fraction::new(*n, *d).is_none()));
        assert_eq!(Fraction::new(2, 2).map(Fraction::is_one), Some(true));
    }

    #[test]
    fn shares_of_two_processes_do_not_exceed_the_whole_unless_it_is_one() {
        let half = Fraction::new(1, 2).unwrap();
        assert_eq!([0, 1, 2, 7].map(|whole| half.of(whole)), [0, 1, 1, 3]);
    }
}
