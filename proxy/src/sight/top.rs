//! The few that have the most of something, without sorting the many.

use std::{cmp::Reverse, collections::BinaryHeap};

/// What tenants are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankedBy {
    /// Requests that wait now.
    Waiting,
    /// Requests refused in the last minutes.
    Refused,
    /// Requests that hold a seat now.
    InFlight,
}

impl RankedBy {
    /// By its name in a query.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "waiting" => Self::Waiting,
            "refused" => Self::Refused,
            "in_flight" => Self::InFlight,
            _ => return None,
        })
    }

    /// Its name in a query and an answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::InFlight => "in_flight",
        }
    }
}

/// The `count` greatest, greatest first; those that have nothing are left out. Of equals the lesser key comes first, so
/// that the same numbers give the same list each time.
pub fn greatest<K: Ord>(all: impl Iterator<Item = (u64, K)>, count: usize) -> Vec<(u64, K)> {
    // The least of those kept is on top.
    let mut kept = BinaryHeap::with_capacity(count.saturating_add(1).min(1024));
    for (value, key) in all.filter(|(value, _)| *value > 0) {
        kept.push(Reverse((value, Reverse(key))));
        if kept.len() > count {
            kept.pop();
        }
    }
    let sorted = kept.into_sorted_vec().into_iter();
    sorted
        .map(|Reverse((value, Reverse(key)))| (value, key))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_are_those_that_sorting_all_would_find(values in proptest::collection::vec(0_u64..9, 0..60), count in 0_usize..12) {
            let all: Vec<_> = values.iter().copied().zip(0_u32..).collect();
            let mut sorted: Vec<_> = all.iter().copied().filter(|(value, _)| *value > 0).collect();
            sorted.sort_by_key(|(value, key)| (Reverse(*value), *key));
            sorted.truncate(count);
            prop_assert_eq!(greatest(all.into_iter().rev(), count), sorted);
        }
    }

    #[test]
    fn a_ranking_is_found_by_the_name_that_it_shows() {
        for by in [RankedBy::Waiting, RankedBy::Refused, RankedBy::InFlight] {
            assert_eq!(RankedBy::parse(by.name()), Some(by));
        }
        assert_eq!(RankedBy::parse("age"), None);
    }
}
