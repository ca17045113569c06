//! A gate that lets a counted number pass: a backend's script waits at it, and the test decides when each request ends.

use std::sync::{Arc, Condvar, Mutex};

use crate::PATIENCE;

/// Lets nobody pass at first. Clones are the same turnstile.
#[derive(Debug, Clone, Default)]
pub struct Turnstile(Arc<(Mutex<usize>, Condvar)>);

impl Turnstile {
    /// Lets this many pass, those who wait and those who come later.
    pub fn let_pass(&self, count: usize) {
        *self.0.0.lock().unwrap() += count;
        self.0.1.notify_all();
    }

    /// Waits for one's turn; `false` when it does not come, because the test is over.
    #[must_use]
    pub fn pass(&self) -> bool {
        let left = self.0.0.lock().unwrap();
        let (mut left, waited) = self
            .0
            .1
            .wait_timeout_while(left, PATIENCE * 3, |left| *left == 0)
            .unwrap();
        if waited.timed_out() {
            return false;
        }
        *left -= 1;
        true
    }
}
