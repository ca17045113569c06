//! What each pool needs, for those who scale it from outside: how many replicas, whether any at all, and the demand behind
//! it.
//!
//! One side writes, the shell that decides per pool; the others read, through [`Signals`], which cannot write. **Unknown is
//! not zero**: a pool of which nothing was said yet, or nothing for [`STALE_AFTER`], has no signal but a reason, so that no
//! reader can take a missing value for none needed (kedacore/keda#1850 scaled to zero that way).
//!
//! Each pool has a notification of its own. One for all of them would wake every stream of every tenant for each change of
//! one, as the readiness channel of other activators does.

use std::time::Duration;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use schleuse_core::{Timestamp, scale::hpa::Hpa};
use tokio::sync::watch;

/// How long a signal is believed. Decisions come four times a second; sixty that did not come are no hiccup, and who scales
/// keeps what it has meanwhile.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// What is known of a pool's need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// Replicas that there should be.
    pub desired: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// Whether there should be any. It stays true from the first request until that was answered, so that a reader who was
    /// slow does not miss it.
    pub active: bool,
    /// Requests that wait for a seat, without those that wait for their tenant's own limit.
    pub waiting: u64,
    /// Requests that hold one.
    pub in_flight: u64,
    /// Requests that the limits let through, per second.
    pub arrivals_per_second: f64,
    /// Seats of the replicas that serve.
    pub seats: u32,
    /// Times the pool was woken since the process started.
    pub cold_starts: u64,
    /// Time that a request holds a seat; none before the first.
    pub service_time: Option<Duration>,
}

impl Signal {
    /// What to report to Kubernetes' autoscaler at its default tolerance so that it lands on `desired`, or on the least
    /// count above it that it can reach. It takes the replicas that serve for those that the autoscaler counts; while
    /// some start it may have to say so again a sync later.
    pub fn for_autoscaler(&self) -> f64 {
        Hpa::with_defaults(self.ready, 0, u32::MAX).signal_for(self.desired)
    }
}

/// Why a pool has no signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSignal {
    /// The config in force has no such pool.
    #[error("no pool of this name is configured")]
    NoPool,
    /// Nothing was said of it yet, or not for too long.
    #[error("what this pool needs is not known now")]
    Unknown,
}

/// The last thing that was said of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latest {
    signal: Option<Signal>,
    at: Timestamp,
}

impl Latest {
    /// What holds at `now`; none while it is unknown.
    pub fn at(&self, now: Timestamp) -> Option<Signal> {
        self.signal.filter(|_| now - self.at <= STALE_AFTER)
    }
}

/// The reading side.
pub trait Signals: Send + Sync {
    /// What the pool needs at `now`.
    ///
    /// # Errors
    ///
    /// [`NoSignal`].
    fn signal(&self, pool: &str, now: Timestamp) -> Result<Signal, NoSignal>;

    /// The names of all pools, in their order.
    fn pools(&self) -> Vec<String>;

    /// Told when a pool's activity or its number of replicas changes, and when it becomes known; ends with the pool. None
    /// when there is no such pool.
    fn watch(&self, pool: &str) -> Option<watch::Receiver<Latest>>;
}

/// The signals of all pools of the config in force.
#[derive(Debug, Default)]
pub struct SignalBoard {
    pools: RwLock<FxHashMap<Box<str>, watch::Sender<Latest>>>,
}

impl SignalBoard {
    /// Makes `names` the pools that there are. What is known of those that stay is kept, new ones are unknown, the watches
    /// of those that went end.
    pub fn adopt<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let mut pools = self.pools.write();
        let mut before = std::mem::take(&mut *pools);
        *pools = names
            .map(|name| {
                before
                    .remove_entry(name)
                    .unwrap_or_else(|| (name.into(), watch::Sender::default()))
            })
            .collect();
    }

    /// Says what a pool needs from `now` on. A pool that the config no longer has is passed over: the decision was older.
    pub fn publish(&self, pool: &str, signal: Signal, now: Timestamp) {
        let pools = self.pools.read();
        let Some(latest) = pools.get(pool) else {
            return;
        };
        latest.send_if_modified(|latest| {
            let before = latest.at(now);
            *latest = Latest {
                signal: Some(signal),
                at: now,
            };
            before.is_none_or(|before| {
                (before.active, before.desired) != (signal.active, signal.desired)
            })
        });
    }
}

impl Signals for SignalBoard {
    fn signal(&self, pool: &str, now: Timestamp) -> Result<Signal, NoSignal> {
        let pools = self.pools.read();
        let latest = pools.get(pool).ok_or(NoSignal::NoPool)?;
        latest.borrow().at(now).ok_or(NoSignal::Unknown)
    }

    fn pools(&self) -> Vec<String> {
        let mut names: Vec<_> = self.pools.read().keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    fn watch(&self, pool: &str) -> Option<watch::Receiver<Latest>> {
        Some(self.pools.read().get(pool)?.subscribe())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A pool that needs so many replicas and has none.
    pub(crate) fn needs(desired: u32) -> Signal {
        Signal {
            desired,
            ready: 0,
            active: desired > 0,
            waiting: 0,
            in_flight: 0,
            arrivals_per_second: 0.0,
            seats: 0,
            cold_starts: 0,
            service_time: None,
        }
    }

    fn board() -> SignalBoard {
        let board = SignalBoard::default();
        board.adopt(["a", "b"].into_iter());
        board
    }

    const START: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn p36_nothing_said_yet_is_unknown_and_not_zero() {
        let board = board();
        assert_eq!(board.signal("a", START), Err(NoSignal::Unknown));
        assert_eq!(board.signal("c", START), Err(NoSignal::NoPool));
        board.publish("a", needs(0), START);
        assert_eq!(board.signal("a", START), Ok(needs(0)));
        assert_eq!(board.signal("b", START), Err(NoSignal::Unknown));
    }

    #[test]
    fn p36_a_signal_is_believed_until_it_is_stale_and_again_when_the_next_comes() {
        let board = board();
        board.publish("a", needs(3), START);
        let last = START + STALE_AFTER;
        let stale = last + Duration::from_micros(1);
        assert_eq!(board.signal("a", last), Ok(needs(3)));
        assert_eq!(board.signal("a", stale), Err(NoSignal::Unknown));
        board.publish("a", needs(3), stale);
        assert_eq!(board.signal("a", stale), Ok(needs(3)));
    }

    #[test]
    fn the_autoscaler_is_carried_over_its_tolerance_upwards_and_told_the_need_otherwise() {
        let told = |ready: u32, desired: u32| {
            let signal = Signal {
                ready,
                ..needs(desired)
            };
            signal.for_autoscaler().to_string()
        };
        assert_eq!(told(200, 219), "221");
        assert_eq!(told(200, 300), "300");
        assert_eq!(told(200, 199), "199");
        assert_eq!(told(0, 7), "7");
        assert_eq!(told(0, 0), "0");
    }

    #[test]
    fn watchers_hear_of_edges_and_of_nothing_else() {
        let board = board();
        let mut watch = board.watch("a").unwrap();
        let mut heard = |signal: Signal, seconds: u64| {
            board.publish("a", signal, START + Duration::from_secs(seconds));
            let heard = watch.has_changed().unwrap();
            watch.mark_unchanged();
            heard
        };
        assert!(heard(needs(0), 0), "it becomes known");
        assert!(!heard(needs(0), 1), "nothing changed");
        let busier = Signal {
            in_flight: 9,
            ..needs(0)
        };
        assert!(!heard(busier, 2), "a gauge");
        assert!(heard(needs(1), 3), "it wakes");
        assert!(heard(needs(2), 4), "it needs more");
        assert!(heard(needs(2), 60), "it becomes known again");
    }

    #[test]
    fn a_watcher_of_one_pool_does_not_hear_of_another() {
        let board = board();
        let watch = board.watch("a").unwrap();
        board.publish("b", needs(1), START);
        assert!(!watch.has_changed().unwrap());
        assert!(board.watch("c").is_none());
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_pools_that_stay_and_ends_the_watches_of_those_that_go() {
        let board = board();
        board.publish("a", needs(3), START);
        board.publish("b", needs(4), START);
        let (stays, goes) = (board.watch("a").unwrap(), board.watch("b").unwrap());
        board.adopt(["c", "a"].into_iter());
        assert_eq!(board.pools(), ["a", "c"]);
        assert_eq!(board.signal("a", START), Ok(needs(3)));
        assert_eq!(board.signal("c", START), Err(NoSignal::Unknown));
        assert!(stays.has_changed().is_ok() && goes.has_changed().is_err());
        board.publish("b", needs(5), START);
        assert_eq!(board.signal("b", START), Err(NoSignal::NoPool));
    }
}
