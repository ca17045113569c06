//! Whether one more attempt may be made: retries repair single failures and must not multiply an outage.
//!
//! The budget is a share of the arrivals, so that a pool whose every answer fails is asked 1.2 times per request and
//! not three times; the floor keeps retries working on a quiet pool, where a share of nothing is nothing.
//! Source: Finagle's `RetryBudget` (20 %, floor per second, ten seconds), as in linkerd. Whether a request is safe to
//! repeat at all (RFC 9110 §9.2.2) is the caller's knowledge.

use std::time::Duration;

use crate::{
    Timestamp,
    window::{Counts, Window},
};

/// How far back arrivals and retries are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Limits on attempts beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries per hundred arrivals of the last ten seconds.
    pub budget_percent: u32,
    /// Retries per second, averaged over ten seconds, that are allowed however few requests arrive.
    pub floor_per_second: u32,
    /// Attempts per request, the first one included. 0 and 1: no retries.
    pub attempts_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            budget_percent: 20,
            floor_per_second: 3,
            attempts_max: 3,
        }
    }
}

/// Arrivals and retries of one pool over the last ten seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryBudget {
    recent: Window,
}

impl RetryBudget {
    /// A request came in; its own retries do not count as arrivals.
    pub(crate) fn arrived(&mut self, now: Timestamp) {
        let arrival = Counts {
            events: 1,
            marked: 0,
        };
        self.recent.add(WINDOW, now, arrival);
    }

    /// Takes one retry out of the budget, or says that there is none left.
    pub(crate) fn take(&mut self, policy: &RetryPolicy, now: Timestamp) -> bool {
        let Counts { events, marked } = self.recent.sum(WINDOW, now);
        let share = u64::from(events) * u64::from(policy.budget_percent) / 100;
        let floor = u64::from(policy.floor_per_second) * WINDOW.as_secs();
        let granted = u64::from(marked) < share.max(floor);
        if granted {
            let retry = Counts {
                events: 0,
                marked: 1,
            };
            self.recent.add(WINDOW, now, retry);
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    fn granted(budget: &mut RetryBudget, asked: usize, now: Timestamp) -> usize {
        let policy = RetryPolicy::default();
        (0..asked).filter(|_| budget.take(&policy, now)).count()
    }

    #[test]
    fn a_fifth_of_the_arrivals_may_be_retried() {
        let mut budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.arrived(at(0)));
        assert_eq!(granted(&mut budget, 1_000, at(0)), 200);
    }

    #[test]
    fn a_quiet_pool_may_retry_three_times_a_second() {
        assert_eq!(granted(&mut RetryBudget::default(), 1_000, at(0)), 30);
    }

    #[test]
    fn the_budget_refills_once_the_window_has_passed() {
        let mut budget = RetryBudget::default();
        granted(&mut budget, 1_000, at(0));
        assert_eq!(granted(&mut budget, 1_000, at(10_000)), 30);
    }

    proptest! {
        #[test]
        fn retries_of_nine_seconds_never_exceed_the_share_and_the_floor(
            steps in proptest::collection::vec((0..500_u64, 0..40_usize, 0..40_usize), 1..60)
        ) {
            let (mut budget, mut now, mut log) = (RetryBudget::default(), 0, Vec::new());
            for (gap, arrivals, wanted) in steps {
                now += gap;
                (0..arrivals).for_each(|_| budget.arrived(at(now)));
                log.push((now, arrivals, granted(&mut budget, wanted, at(now))));
                let since = |length| log.iter().filter(move |(time, ..)| now - time < length);
                let retries: usize = since(9_000).map(|(.., granted)| granted).sum();
                // What was granted early in the window rested on arrivals up to a window before.
                let arrived: usize = since(19_000).map(|(_, arrived, _)| arrived).sum();
                prop_assert!(retries <= (arrived / 5).max(30));
            }
        }
    }
}
