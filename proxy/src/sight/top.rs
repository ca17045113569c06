//! The tenants that have the most of something, over all pools: a list of fixed length whatever the number of tenants.
//!
//! Who waits and who is in flight is known to the pools alone. They are asked some flows at a time, so that no request
//! stands long at a pool's lock for the sake of a scrape.

use std::{cmp::Reverse, collections::BinaryHeap};

use schleuse_core::{FlowKey, Timestamp};

use crate::edge::Live;

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

/// The first tenants of each ranking, with what they are ranked by.
#[derive(Debug)]
pub struct Rankings {
    /// By requests that wait.
    pub waiting: Vec<(u64, FlowKey)>,
    /// By requests refused in the last minutes.
    pub refused: Vec<(u64, FlowKey)>,
    /// By requests in flight.
    pub in_flight: Vec<(u64, FlowKey)>,
}

impl Rankings {
    /// The first `count` of each. A tenant that is moving from one pool to another counts where it has more.
    pub fn of(live: &Live, count: usize, now: Timestamp) -> Self {
        let mut waiting = Greatest::new(count);
        let mut in_flight = Greatest::new(count);
        for pool in &live.pools {
            pool.each_flow(|key, flow| {
                waiting.offer(flow.waiting.into(), key);
                in_flight.offer(flow.in_flight.into(), key);
            });
        }
        let mut refused = Greatest::new(count);
        for service in &live.services {
            service.each_tenant(|tenant, runtime| {
                let key = FlowKey {
                    service: service.number,
                    tenant,
                };
                refused.offer(runtime.counts.recent.refused_recently(now), key);
            });
        }
        Self {
            waiting: waiting.finish(),
            refused: refused.finish(),
            in_flight: in_flight.finish(),
        }
    }

    /// One of them.
    pub fn take(self, by: RankedBy) -> Vec<(u64, FlowKey)> {
        match by {
            RankedBy::Waiting => self.waiting,
            RankedBy::Refused => self.refused,
            RankedBy::InFlight => self.in_flight,
        }
    }
}

/// The greatest of what it is offered, without sorting or keeping the rest.
#[derive(Debug)]
struct Greatest<K: Ord> {
    count: usize,
    /// The least of those kept is on top.
    kept: BinaryHeap<Reverse<(u64, Reverse<K>)>>,
}

impl<K: Ord> Greatest<K> {
    fn new(count: usize) -> Self {
        Self {
            count,
            kept: BinaryHeap::new(),
        }
    }

    /// Those that have nothing are never among them.
    fn offer(&mut self, value: u64, key: K) {
        let full = self.kept.len() >= self.count;
        let least = self.kept.peek().map(|Reverse((least, _))| *least);
        if value == 0 || full && least.is_none_or(|least| value < least) {
            return;
        }
        self.kept.push(Reverse((value, Reverse(key))));
        if full {
            self.kept.pop();
        }
    }

    /// Greatest first; of equals the lesser key, so that the same numbers give the same list each time. Each key once.
    fn finish(self) -> Vec<(u64, K)> {
        let mut sorted: Vec<(u64, K)> = Vec::with_capacity(self.kept.len());
        for Reverse((value, Reverse(key))) in self.kept.into_sorted_vec() {
            if sorted.iter().all(|(_, known)| *known != key) {
                sorted.push((value, key));
            }
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_are_those_that_sorting_all_would_find(
            values in proptest::collection::vec(0_u64..9, 0..60),
            count in 0_usize..12,
        ) {
            let all: Vec<_> = values.iter().copied().zip(0_u32..).collect();
            let mut sorted: Vec<_> = all.iter().copied().filter(|(value, _)| *value > 0).collect();
            sorted.sort_by_key(|(value, key)| (Reverse(*value), *key));
            sorted.truncate(count);
            let mut greatest = Greatest::new(count);
            for (value, key) in all.into_iter().rev() {
                greatest.offer(value, key);
            }
            prop_assert_eq!(greatest.finish(), sorted);
        }
    }

    #[test]
    fn a_key_that_is_offered_twice_stands_once_where_it_has_more() {
        let mut greatest = Greatest::new(3);
        for (value, key) in [(5, 'a'), (2, 'b'), (1, 'a')] {
            greatest.offer(value, key);
        }
        assert_eq!(greatest.finish(), [(5, 'a'), (2, 'b')]);
    }

    #[test]
    fn a_ranking_is_found_by_the_name_that_it_shows() {
        for by in [RankedBy::Waiting, RankedBy::Refused, RankedBy::InFlight] {
            assert_eq!(RankedBy::parse(by.name()), Some(by));
        }
        assert_eq!(RankedBy::parse("age"), None);
    }
}
