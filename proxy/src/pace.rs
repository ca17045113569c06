//! When one direction of a transfer is too slow to go on.
//!
//! Two bounds (design: a seat is not held by the slow): no byte at all for a while, and a least average over ten seconds
//! of *waiting for this peer*. Time in which the other side was the slow one does not count, so a fast client is not
//! blamed for a slow backend. Starved uploads and readers that take a byte a minute end; an honest modem does not.

use std::time::Duration;

use schleuse_core::Timestamp;

use crate::{
    clock,
    deadlines::{Deadlines, Limit},
};

/// The span over which the least average is judged.
const WINDOW: Duration = Duration::from_secs(10);

/// The bounds of one direction.
#[derive(Debug, Clone, Copy)]
pub struct PacePolicy {
    /// Longest time without a byte.
    pub idle_max: Duration,
    /// Least average in bytes per second; 0: none.
    pub rate_min: u64,
}

impl PacePolicy {
    /// No bound but TCP's own: tunnels may be silent for hours.
    pub const UNBOUNDED: Self = Self {
        idle_max: Duration::MAX,
        rate_min: 0,
    };
}

/// Progress of one direction.
#[derive(Debug)]
pub struct Pace {
    policy: PacePolicy,
    limit: Limit,
    waiting_since: Option<Timestamp>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Judges by `policy`, and reports to `limit`.
    pub fn new(policy: PacePolicy, limit: Limit) -> Self {
        Self {
            policy,
            limit,
            waiting_since: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// The limit that passes when the peer is too slow.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// From now on by another policy.
    pub fn set_policy(&mut self, policy: PacePolicy, deadlines: &Deadlines) {
        *self = Self::new(policy, self.limit);
        deadlines.clear(self.limit);
    }

    /// We wait for the peer. Reads the clock only when the waiting begins.
    pub fn wait(&mut self, deadlines: &Deadlines) {
        if self.waiting_since.is_some() || self.policy.idle_max == Duration::MAX {
            return;
        }
        let now = clock::now();
        self.waiting_since = Some(now);
        let patience = if self.bytes < self.bytes_due() {
            self.policy.idle_max.min(WINDOW.saturating_sub(self.waited))
        } else {
            self.policy.idle_max
        };
        deadlines.set(self.limit, now + patience);
    }

    /// The peer moved `bytes`.
    pub fn moved(&mut self, bytes: usize, deadlines: &Deadlines) {
        self.bytes += bytes as u64;
        let Some(since) = self.waiting_since.take() else {
            return;
        };
        self.waited += clock::now() - since;
        deadlines.clear(self.limit);
        if self.bytes >= self.bytes_due() {
            self.waited = Duration::ZERO;
            self.bytes = 0;
        }
    }

    /// What a window of waiting owes.
    fn bytes_due(&self) -> u64 {
        self.policy.rate_min.saturating_mul(WINDOW.as_secs())
    }
}
