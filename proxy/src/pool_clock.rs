//! What happens in pools though nobody does anything: a rate lets the next request through, a ramp frees a seat, an
//! ejection ends, a running request has cost more than it was charged.
//!
//! One loop for all pools on the control thread. A pool that somebody waits in says when it wants to be looked at next
//! ([`PoolClock::arm`]); a pool in which nobody waits is not in the list and costs nothing. Entries are never taken back:
//! an early look finds nothing to do and asks for the next one.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    future::pending,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use schleuse_core::Timestamp;
use tokio::{sync::Notify, time::sleep_until};

use crate::{clock, registry::Pool};

/// The pools that want to be looked at, by when.
#[derive(Debug, Default)]
pub struct PoolClock {
    due: Mutex<BinaryHeap<Due>>,
    /// Rung when an entry came in that is earlier than all others.
    earlier: Notify,
}

/// Ordered so that the earliest is the greatest, as `BinaryHeap` wants it.
#[derive(Debug)]
struct Due {
    at: Timestamp,
    pool: Weak<Pool>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PoolClock {
    /// Has `pool` looked at when `at` has come.
    pub fn arm(&self, at: Timestamp, pool: Weak<Pool>) {
        let mut due = self.due.lock();
        let earliest = due.peek().is_none_or(|first| at < first.at);
        due.push(Due { at, pool });
        drop(due);
        if earliest {
            self.earlier.notify_one();
        }
    }

    /// Looks at pools when they are due, for the life of the process.
    pub async fn run(self: Arc<Self>) {
        loop {
            let next = self.due.lock().peek().map(|first| first.at);
            let reached = async {
                match next {
                    Some(at) => sleep_until(clock::instant(at)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = reached => self.look(clock::now()),
                () = self.earlier.notified() => {}
            }
        }
    }

    /// One at a time, so that the list is not locked meanwhile.
    fn look(&self, now: Timestamp) {
        while let Some(pool) = self.pop(now) {
            if let Some(pool) = pool.upgrade() {
                pool.tick(now);
            }
        }
    }

    fn pop(&self, now: Timestamp) -> Option<Weak<Pool>> {
        let mut due = self.due.lock();
        let reached = due.peek().is_some_and(|first| first.at <= now);
        reached.then(|| due.pop().map(|first| first.pool)).flatten()
    }
}
