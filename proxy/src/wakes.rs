//! Pools that want to be looked at before the next tick of [`crate::autoscale`].

use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Wakes {
    names: Mutex<Vec<Box<str>>>,
    /// Rung after each new name.
    pub bell: Notify,
}

impl Wakes {
    /// Has a pool looked at now. Cheap; from any thread; several calls until then are one.
    pub fn push(&self, pool: &str) {
        let mut names = self.names.lock();
        if !names.iter().any(|name| **name == *pool) {
            names.push(pool.into());
        }
        drop(names);
        self.bell.notify_one();
    }

    /// The names until now, each once.
    pub fn take(&self) -> Vec<Box<str>> {
        std::mem::take(&mut *self.names.lock())
    }
}
