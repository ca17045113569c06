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
    idle: Limit,
    waiting_since: Option<Timestamp>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Judges by `policy`. `idle` passes when nothing moves at all, [`Limit::ClientRate`] when it moves too slowly.
    pub fn new(policy: PacePolicy, idle: Limit) -> Self {
        Self {
            policy,
            idle,
            waiting_since: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// From now on by another policy.
    pub fn set_policy(&mut self, policy: PacePolicy, deadlines: &Deadlines) {
        *self = Self::new(policy, self.idle);
        deadlines.clear(self.idle);
        deadlines.clear(Limit::ClientRate);
    }

    /// We wait for the peer. Reads the clock only when the waiting begins.
    pub fn wait(&mut self, deadlines: &Deadlines) {
        if self.waiting_since.is_some() || self.policy.idle_max == Duration::MAX {
            return;
        }
        let now = clock::now();
        self.waiting_since = Some(now);
        deadlines.set(self.idle, now + self.policy.idle_max);
        if self.bytes < self.bytes_due() {
            deadlines.set(Limit::ClientRate, now + WINDOW.saturating_sub(self.waited));
        }
    }

    /// The peer moved `bytes`.
    pub fn moved(&mut self, bytes: usize, deadlines: &Deadlines) {
        self.bytes += bytes as u64;
        let Some(since) = self.waiting_since.take() else {
            return;
        };
        self.waited += clock::now() - since;
        deadlines.clear(self.idle);
        if self.policy.rate_min > 0 {
            deadlines.clear(Limit::ClientRate);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::deadlines::{Stop, supervise};

    const POLICY: PacePolicy = PacePolicy {
        idle_max: Duration::from_hours(1),
        rate_min: 1024,
    };

    #[test]
    fn a_peer_that_paid_for_its_window_owes_nothing_while_it_pauses() {
        let deadlines = Deadlines::default();
        let mut pace = Pace::new(POLICY, Limit::ClientRead);
        pace.wait(&deadlines);
        pace.moved(10 * 1024, &deadlines);
        assert_eq!((pace.bytes, pace.waited), (0, Duration::ZERO));
    }

    #[test]
    fn waiting_time_adds_up_over_a_dribble() {
        let deadlines = Deadlines::default();
        let mut pace = Pace::new(POLICY, Limit::ClientRead);
        for _ in 0..3 {
            pace.wait(&deadlines);
            pace.moved(1, &deadlines);
        }
        assert_eq!(pace.bytes, 3);
    }

    #[tokio::test]
    async fn a_peer_that_moves_nothing_ends_by_the_idle_limit() {
        let deadlines = Arc::new(Deadlines::default());
        let policy = PacePolicy {
            idle_max: Duration::from_millis(1),
            rate_min: 0,
        };
        let mut pace = Pace::new(policy, Limit::ClientRead);
        let watched = deadlines.clone();
        let waiting = std::future::poll_fn(move |_| {
            pace.wait(&watched);
            watched.pending::<()>(&[Limit::ClientRead])
        });
        assert!(matches!(
            supervise(deadlines, waiting).await,
            Err(Stop::Expired(Limit::ClientRead))
        ));
    }
}
