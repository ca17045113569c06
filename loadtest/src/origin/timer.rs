//! Sleeps that end within a tenth of a millisecond: tokio's timers have whole ones, which would be an error of its own in
//! every service time.
//!
//! One thread sleeps until the next of them is due, with a timer slack of a nanosecond instead of the kernel's 50 µs.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    num::NonZeroU64,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use tokio::sync::oneshot;

/// Wakes whoever sleeps. Clones share one thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Timer {
    shared: Arc<Shared>,
    /// Tells the thread that nobody is left; never read.
    _alive: Arc<Alive>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sleepers: BinaryHeap<Reverse<Sleeper>>,
    /// Sleepers so far: keeps those of the same instant in order.
    count: u64,
    ended: bool,
}

#[derive(Debug)]
struct Sleeper {
    until: Instant,
    number: u64,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.number).cmp(&(other.until, other.number))
    }
}

#[derive(Debug)]
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

impl Timer {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("origin-timer".to_owned())
            .spawn(move || of_thread.wake_all())?;
        Ok(Self {
            _alive: Arc::new(Alive(Arc::clone(&shared))),
            shared,
        })
    }

    /// Until then; at once when that is past.
    pub(super) async fn sleep_until(&self, until: Instant) {
        if until <= Instant::now() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        let is_next = self.shared.lock().add(until, wake);
        if is_next {
            self.shared.changed.notify_one();
        }
        // An error means that the thread has ended, and with it the origin.
        let _ = woken.await;
    }
}

impl State {
    /// Whether it is due before all others.
    fn add(&mut self, until: Instant, wake: oneshot::Sender<()>) -> bool {
        let number = self.count;
        self.count += 1;
        self.sleepers.push(Reverse(Sleeper {
            until,
            number,
            wake,
        }));
        self.sleepers
            .peek()
            .is_some_and(|Reverse(first)| first.number == number)
    }

    /// Those who are due by now.
    fn take_due(&mut self, now: Instant) -> Vec<oneshot::Sender<()>> {
        let mut due = Vec::new();
        while self
            .sleepers
            .peek()
            .is_some_and(|Reverse(first)| first.until <= now)
        {
            due.extend(self.sleepers.pop().map(|Reverse(sleeper)| sleeper.wake));
        }
        due
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn wake_all(&self) {
        // Where the kernel refuses, sleeps are 50 µs less exact.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut state = self.lock();
        while !state.ended {
            let now = Instant::now();
            let due = state.take_due(now);
            if !due.is_empty() {
                drop(state);
                for wake in due {
                    // Whoever was dropped while asleep needs no waking.
                    let _ = wake.send(());
                }
                state = self.lock();
                continue;
            }
            let next = state.sleepers.peek().map(|Reverse(first)| first.until);
            state = match next {
                Some(until) => {
                    let wait = until.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sleepers_are_due_in_order_of_time_and_those_of_one_instant_in_order_of_coming() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut state = State::default();
        let mut receivers = Vec::new();
        let mut add = |state: &mut State, until| {
            let (wake, woken) = oneshot::channel();
            receivers.push(woken);
            state.add(until, wake)
        };
        assert!(add(&mut state, at(20)));
        assert!(add(&mut state, at(10)), "earlier than all");
        assert!(!add(&mut state, at(10)), "the same instant, but later");
        assert!(!add(&mut state, at(30)));
        assert_eq!(state.take_due(at(9)).len(), 0);
        assert_eq!(state.take_due(at(20)).len(), 3);
        assert_eq!(state.take_due(at(30)).len(), 1);
    }
}
