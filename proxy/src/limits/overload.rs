//! What the process itself may use, and what it does when that runs short.
//!
//! Admitted work is finished; what is turned away is what is newest and has cost least: memory for waiting runs out →
//! who would have to wait, or sends slowly, is refused; a worker is late → who would have to wait and requests on new connections are
//! refused; file handles run out → nothing is accepted and connections at rest end, so that those who knock wait in the
//! kernel for a moment instead of being reset.

use std::{
    cell::Cell,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use schleuse_config::Overload as Budget;
use schleuse_core::{Refusal, Timestamp};
use tokio::time::sleep_until;

use crate::{
    clock,
    edge::Edge,
    memory::{self, HighWater},
};

/// How often a worker looks whether it is on time.
const TICK: Duration = Duration::from_millis(100);

thread_local! {
    /// When this worker's next look is due, and how late the last one was.
    static PUNCTUALITY: Cell<(Timestamp, Duration)> =
        const { Cell::new((Timestamp::from_micros(u64::MAX), Duration::ZERO)) };
    /// The most bytes that were held at once since this worker's last look, as of its own requests.
    static HIGHEST: Cell<u64> = const { Cell::new(0) };
}

/// What is used of the process's budget.
#[derive(Debug)]
pub struct Overload {
    held_bytes: AtomicU64,
    /// Accept loops that pause.
    pauses: AtomicU32,
    /// Microseconds by worker.
    lags: Vec<AtomicU64>,
    /// The system's limit; 0: unknown.
    file_handles_max: AtomicU64,
}

/// Why somebody who would have to wait cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Of memory.
    Memory,
    /// Of time: the worker is late.
    Time,
}

impl Shortage {
    /// As the client hears of it.
    pub const fn refusal(self) -> Refusal {
        Refusal::Overloaded
    }
}

/// Memory of a request that waits or is being read, in the books of the process; dropping it gives it back.
#[derive(Debug)]
pub struct HeldBytes<'o> {
    overload: &'o Overload,
    bytes: u64,
}

/// An accept loop that pauses.
#[derive(Debug)]
pub(super) struct Pause<'o>(&'o Overload);

impl Overload {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            held_bytes: AtomicU64::new(0),
            pauses: AtomicU32::new(0),
            lags: std::iter::repeat_with(AtomicU64::default)
                .take(workers)
                .collect(),
            file_handles_max: AtomicU64::new(0),
        }
    }

    /// Room for a request that is about to wait on this thread.
    ///
    /// # Errors
    ///
    /// What there is too little of.
    pub fn hold(&self, bytes: u64, budget: &Budget) -> Result<HeldBytes<'_>, Shortage> {
        if is_late(budget) {
            return Err(Shortage::Time);
        }
        let mut held = self.hold_nothing();
        held.grow_to(bytes, budget.held_bytes_max)?;
        Ok(held)
    }

    /// An entry for a request that was admitted before; the next ones find that much less room.
    pub(super) fn hold_admitted(&self, bytes: u64) -> HeldBytes<'_> {
        let total = self.held_bytes.fetch_add(bytes, Relaxed) + bytes;
        HIGHEST.set(HIGHEST.get().max(total));
        HeldBytes {
            overload: self,
            bytes,
        }
    }

    /// An entry that can grow.
    pub(super) fn hold_nothing(&self) -> HeldBytes<'_> {
        HeldBytes {
            overload: self,
            bytes: 0,
        }
    }

    /// Bytes of requests that wait or are being read.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Relaxed)
    }

    /// The worst worker's last delay.
    pub fn lag(&self) -> Duration {
        let lags = self.lags.iter().map(|lag| lag.load(Relaxed));
        Duration::from_micros(lags.max().unwrap_or_default())
    }

    /// Whether file handles are short: no connection is accepted, and answers end their connections.
    pub fn accepting_paused(&self) -> bool {
        self.pauses.load(Relaxed) > 0
    }

    pub(super) fn pause(&self) -> Pause<'_> {
        self.pauses.fetch_add(1, SeqCst);
        Pause(self)
    }

    pub(super) fn set_file_handles_max(&self, limit: u64) {
        self.file_handles_max.store(limit, Relaxed);
    }

    /// The system's limit; 0: unknown.
    pub(super) fn file_handles_max(&self) -> u64 {
        self.file_handles_max.load(Relaxed)
    }

    /// Handles in use at which accepting pauses; `u64::MAX` when the system told no limit.
    pub fn file_handles_pause(&self, budget: &Budget) -> u64 {
        match self.file_handles_max() {
            0 => u64::MAX,
            limit => limit.saturating_mul(budget.file_handles_percent.into()) / 100,
        }
    }
}

impl HeldBytes<'_> {
    /// Bytes of this entry.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the entry `bytes` large, when it is smaller.
    ///
    /// # Errors
    ///
    /// [`Shortage::Memory`] when all entries together would be above `held_bytes_max`; it stays as it is then.
    pub(super) fn grow_to(&mut self, bytes: u64, held_bytes_max: u64) -> Result<(), Shortage> {
        let more = bytes.saturating_sub(self.bytes);
        let all = &self.overload.held_bytes;
        let total = all.fetch_add(more, Relaxed).saturating_add(more);
        if total > held_bytes_max {
            all.fetch_sub(more, Relaxed);
            return Err(Shortage::Memory);
        }
        self.bytes += more;
        HIGHEST.set(HIGHEST.get().max(total));
        Ok(())
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        self.overload.held_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.pauses.fetch_sub(1, SeqCst);
    }
}

/// Whether this worker is later than the budget allows: its last look was, or its next one is overdue by so much.
pub(super) fn is_late(budget: &Budget) -> bool {
    let (due, last) = PUNCTUALITY.get();
    last.max(clock::recent() - due) > budget.lag_max
}

/// Looks every 100 ms whether this worker is on time. Whatever keeps a worker from coming back to its tasks (too many
/// connections at once, a slow system call, too few cores) shows here. With each look memory is given back if it is time.
pub async fn watch_punctuality(edge: &Edge, worker: usize) {
    let mut held = HighWater::default();
    loop {
        let due = clock::now() + TICK;
        let (_, last) = PUNCTUALITY.get();
        PUNCTUALITY.set((due, last));
        sleep_until(clock::instant(due)).await;
        let late = clock::now() - due;
        PUNCTUALITY.set((due, late));
        edge.limits.note_lag(worker, late);
        if held.ebbed(HIGHEST.take(), edge.limits.held_bytes()) {
            memory::give_back();
        }
    }
}

impl Overload {
    pub(super) fn set_lag(&self, worker: usize, late: Duration) {
        if let Some(lag) = self.lags.get(worker) {
            lag.store(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        held_bytes_max: 100,
        lag_max: Duration::from_millis(500),
        file_handles_percent: 90,
    };

    #[test]
    fn held_memory_is_bounded_and_given_back() {
        let overload = Overload::new(1);
        let first = overload.hold(60, &BUDGET).unwrap();
        assert_eq!(overload.hold(41, &BUDGET).unwrap_err(), Shortage::Memory);
        let second = overload.hold(40, &BUDGET).unwrap();
        assert_eq!(overload.held_bytes(), 100);
        drop((first, second));
        assert_eq!(overload.held_bytes(), 0);
        assert!(overload.hold(u64::MAX, &BUDGET).is_err());
        assert_eq!(overload.held_bytes(), 0);
    }

    #[test]
    fn an_entry_grows_within_the_budget_and_stays_as_it_is_beyond() {
        let overload = Overload::new(1);
        let mut entry = overload.hold_nothing();
        assert_eq!(entry.grow_to(60, 100), Ok(()));
        assert_eq!(entry.grow_to(50, 100), Ok(()));
        assert_eq!(entry.grow_to(101, 100), Err(Shortage::Memory));
        assert_eq!((entry.bytes(), overload.held_bytes()), (60, 60));
        drop(entry);
        assert_eq!(overload.held_bytes(), 0);
    }

    #[test]
    fn a_worker_whose_look_is_overdue_is_late_before_it_looked() {
        let overload = Overload::new(1);
        let now = clock::now();
        PUNCTUALITY.set((now, Duration::ZERO));
        assert!(!is_late(&BUDGET));
        let strict = Budget {
            lag_max: Duration::ZERO,
            ..BUDGET
        };
        PUNCTUALITY.set((now, Duration::from_micros(1)));
        assert!(is_late(&strict));
        assert_eq!(overload.hold(1, &strict).unwrap_err(), Shortage::Time);
        PUNCTUALITY.set((now + Duration::from_secs(9), Duration::from_secs(1)));
        assert!(is_late(&BUDGET));
    }

    #[test]
    fn the_worst_worker_is_the_one_that_counts() {
        let overload = Overload::new(3);
        overload.set_lag(0, Duration::from_millis(1));
        overload.set_lag(2, Duration::from_millis(7));
        overload.set_lag(99, Duration::from_secs(1));
        assert_eq!(overload.lag(), Duration::from_millis(7));
    }

    #[test]
    fn accepting_pauses_at_the_configured_share_of_the_file_handles() {
        let overload = Overload::new(1);
        assert_eq!(overload.file_handles_pause(&BUDGET), u64::MAX);
        overload.set_file_handles_max(1000);
        assert_eq!(overload.file_handles_pause(&BUDGET), 900);
        let pauses = (overload.pause(), overload.pause());
        assert!(overload.accepting_paused());
        drop(pauses);
        assert!(!overload.accepting_paused());
    }
}
