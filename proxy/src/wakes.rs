//! Pools that want to be looked at before the next tick of [`crate::autoscale`].

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use tokio::sync::Notify;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Wakes {
    names: Mutex<FxHashSet<Box<str>>>,
    /// Rung after each new name.
    pub bell: Notify,
}

impl Wakes {
    /// Has a pool looked at now. Cheap; from any thread; several calls until then are one.
    pub fn push(&self, pool: &str) {
        let mut names = self.names.lock();
        if !names.contains(pool) {
            names.insert(pool.into());
        }
        drop(names);
        self.bell.notify_one();
    }

    /// The names until now, each once.
    pub fn take(&self) -> FxHashSet<Box<str>> {
        std::mem::take(&mut *self.names.lock())
    }
}
