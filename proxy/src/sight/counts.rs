//! What is counted of a tenant of a service, and of a pool, since the start; it outlives reloads with its owner.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use schleuse_core::{Refusal, Timestamp};

use super::{reasons::RefusedCounts, recent::Recent};

/// Some 350 bytes.
#[derive(Debug, Default)]
pub struct Counts {
    /// Waits and refusals of the last minutes, and how many got a seat.
    pub recent: Recent,
    refused: RefusedCounts,
    left: AtomicU64,
    observed: AtomicU64,
}

impl Counts {
    /// A request got its seat after `wait`.
    pub fn admitted(&self, wait: Duration, now: Timestamp) {
        self.recent.admitted(wait, now);
    }

    /// A request was refused; one that no limit caused is not counted here.
    pub fn refused(&self, refusal: Refusal, now: Timestamp) {
        if self.refused.count(refusal) {
            self.recent.refused(now);
        }
    }

    /// The client left while its request waited.
    pub fn left(&self) {
        self.left.fetch_add(1, Relaxed);
    }

    /// A limit in `observe` mode would have refused it, or made it wait.
    pub fn observed(&self) {
        self.observed.fetch_add(1, Relaxed);
    }

    /// Requests that got a seat.
    pub fn admitted_total(&self) -> u64 {
        self.recent.admitted_total()
    }

    /// Requests that were refused, by reason.
    pub fn refused_by_reason(&self) -> &RefusedCounts {
        &self.refused
    }

    /// Requests whose clients left while they waited.
    pub fn left_total(&self) -> u64 {
        self.left.load(Relaxed)
    }

    /// Requests that a limit in `observe` mode let pass.
    pub fn observed_total(&self) -> u64 {
        self.observed.load(Relaxed)
    }
}

/// Upper bounds, in milliseconds, of what a pool's waits are counted by: from a seat that comes free within a request to
/// the longest wait that anybody configures.
pub const WAIT_BOUNDS_MILLIS: [u64; 11] =
    [1, 5, 25, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

/// A pool's counters.
#[derive(Debug, Default)]
pub struct PoolCounts {
    /// As a tenant's.
    pub counts: Counts,
    waits: [AtomicU64; WAIT_BOUNDS_MILLIS.len()],
    waited_longest: AtomicU64,
    waited_micros: AtomicU64,
}

impl PoolCounts {
    /// A request got its seat after `wait`; one that got it at once touches one counter.
    pub fn admitted(&self, wait: Duration, now: Timestamp) {
        self.counts.admitted(wait, now);
        if wait.is_zero() {
            return;
        }
        let mut bounds = WAIT_BOUNDS_MILLIS.iter();
        let position = bounds.position(|bound| wait <= Duration::from_millis(*bound));
        let bucket = position.and_then(|position| self.waits.get(position));
        bucket.unwrap_or(&self.waited_longest).fetch_add(1, Relaxed);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Relaxed);
    }

    /// Its waits as a histogram.
    pub fn waits(&self) -> WaitHistogram {
        let each = self.waits.each_ref().map(|count| count.load(Relaxed));
        let longest = self.waited_longest.load(Relaxed);
        let waited = each.iter().sum::<u64>() + longest;
        // Read last: who waited was counted there before.
        let count = self.counts.admitted_total().max(waited);
        let mut below = count - waited;
        WaitHistogram {
            cumulative: each.map(|more| {
                below += more;
                below
            }),
            count,
            sum: Duration::from_micros(self.waited_micros.load(Relaxed)),
        }
    }
}

/// Waits of all that got a seat since the start; those that got it at once waited zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitHistogram {
    /// How many waited at most as long as each of [`WAIT_BOUNDS_MILLIS`].
    pub cumulative: [u64; WAIT_BOUNDS_MILLIS.len()],
    /// All.
    pub count: u64,
    /// All waits together.
    pub sum: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pools_histogram_has_those_at_once_in_its_first_bucket_and_all_in_its_count() {
        let pool = PoolCounts::default();
        let now = Timestamp::from_micros(1);
        for millis in [0, 0, 0, 3, 700, 40_000] {
            pool.admitted(Duration::from_millis(millis), now);
        }
        let waits = pool.waits();
        assert_eq!(waits.cumulative, [3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5]);
        assert_eq!(waits.count, 6);
        assert_eq!(waits.sum, Duration::from_millis(40_703));
    }

    #[test]
    fn a_tenants_counters_take_a_tenth_of_its_4_kib() {
        assert!(size_of::<Counts>() <= 400, "{}", size_of::<Counts>());
    }
}
