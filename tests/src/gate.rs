//! A gate that a script waits at until the test opens it.

use std::sync::{Arc, Condvar, Mutex};

use crate::PATIENCE;

/// Shut at first. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everybody pass, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open.
    ///
    /// # Panics
    ///
    /// When nobody opens it for three times as long as tests wait for anything.
    pub fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(open, PATIENCE * 3, |open| !*open);
        assert!(*waited.unwrap().0, "nobody opened the gate");
    }
}
