//! How many replicas each pool should have, decided four times a second, and told to those who start them.
//!
//! Read `Autoscaler::look_at_all` first. The judgement itself is the core's (`schleuse_core::scale`); here is what feeds
//! it and what follows from it: [`sample`] takes what a pool shows, `scaled` keeps a pool's history, [`record`] is the
//! decision as the log has it, `learnt_file` outlives the process. One loop on the control thread for all pools; one
//! that rests costs its lock and a comparison.

mod autoscaler;
mod launches;
mod learnt_file;
mod learnt_store;
pub mod record;
pub mod sample;
mod scaled;
mod starts;

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use schleuse_core::scale::arrivals::SLICE;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::edge::Edge;
pub use launches::LaunchStatus;
pub(crate) use learnt_store::peek as peek_at_learnt;

use autoscaler::Autoscaler;
use record::Record;

/// The last file of what was learnt is written within this time, or not at all.
const LAST_WRITE_MAX: Duration = Duration::from_secs(5);

/// The loop as the rest of the process sees it.
#[derive(Debug, Default)]
pub struct Autoscale {
    shown: RwLock<FxHashMap<Box<str>, Shown>>,
    launches: RwLock<FxHashMap<Box<str>, LaunchStatus>>,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

/// The last decision about a pool, as operators see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The decision, with all that it rests on.
    pub record: Record,
    /// How long ago each replica that does not serve yet was ordered.
    pub starting: Vec<Duration>,
    /// Half, nine tenths and 99 hundredths of the requests held their seat no longer; none before the first.
    pub seat_time: Option<[Duration; 3]>,
    /// The same of cold starts.
    pub cold_start: Option<[Duration; 3]>,
}

impl Autoscale {
    /// The last decision about a pool; none while nothing decides about it.
    pub fn shown(&self, pool: &str) -> Option<Shown> {
        self.shown.read().get(pool).cloned()
    }

    fn show(&self, pool: &str, shown: Shown) {
        let mut all = self.shown.write();
        match all.get_mut(pool) {
            Some(before) => *before = shown,
            None => drop(all.insert(pool.into(), shown)),
        }
    }

    /// What the launches of a pool ask for; none without any, and while nothing decides about it.
    pub fn launches(&self, pool: &str) -> Option<LaunchStatus> {
        self.launches.read().get(pool).cloned()
    }

    fn show_launches(&self, pool: &str, status: Option<LaunchStatus>) {
        let mut all = self.launches.write();
        match status {
            Some(status) => drop(all.insert(pool.into(), status)),
            None => drop(all.remove(pool)),
        }
    }

    fn hide(&self, pool: &str) {
        self.shown.write().remove(pool);
        self.launches.write().remove(pool);
    }

    /// Ends the loop: no more orders, and what was learnt is written down before this returns.
    pub async fn stop(&self) {
        self.stopping.cancel();
        let _ = timeout(LAST_WRITE_MAX, self.stopped.cancelled()).await; // a disk that hangs must not hold up the stop
    }
}

/// Decides until the process stops.
pub async fn run(edge: Arc<Edge>) {
    let mut ticks = interval(SLICE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let autoscale = &edge.autoscale;
    let wakes = edge.registry.wakes();
    let mut autoscaler = Autoscaler::new(edge.clone()).await;
    loop {
        tokio::select! {
            () = autoscale.stopping.cancelled() => break,
            () = wakes.bell.notified() => autoscaler.look_at_woken(),
            _ = ticks.tick() => autoscaler.look_at_all().await,
        }
    }
    autoscaler.write_learnt().await;
    autoscale.stopped.cancel();
    // A loop that returned would be a broken one; this one has nothing left to do.
    std::future::pending::<()>().await;
}
