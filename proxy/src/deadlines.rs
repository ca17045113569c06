//! All deadlines of one connection behind one timer.
//!
//! A timer per awaited operation costs two visits to the runtime's timer wheel per request side, and its state would sit
//! in every idle connection. Here setting a deadline is one store. The task that runs the connection ([`supervise`]) arms
//! a single timer for the earliest of them and re-arms it only when that fires or an earlier one was set; with deadlines
//! that mostly move forward the wheel is visited once per period, not per request. An operation that is pending when its
//! deadline passed ends with [`Stop::Expired`] and so decides itself what the peer gets to see.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use schleuse_core::Timestamp;
use tokio::time::Sleep;

use crate::clock;

/// What a deadline limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// Keep-alive connection without a request.
    Idle,
    /// A request's head, total.
    Header,
    /// The client's request body comes.
    ClientRead,
    /// The client takes the answer.
    ClientWrite,
    /// The client is below the least rate, in either direction.
    ClientRate,
    /// Connecting to an endpoint.
    Connect,
    /// The answer's head.
    FirstByte,
    /// The endpoint's answer comes.
    UpstreamRead,
    /// The endpoint takes the request.
    UpstreamWrite,
    /// The wait for a seat.
    Queue,
    /// The whole exchange.
    Exchange,
    /// The process is stopping: whoever is idle ends now. Not a time; set by [`Deadlines::leave`].
    Leaving,
}

const LIMITS: [Limit; 12] = [
    Limit::Idle,
    Limit::Header,
    Limit::ClientRead,
    Limit::ClientWrite,
    Limit::ClientRate,
    Limit::Connect,
    Limit::FirstByte,
    Limit::UpstreamRead,
    Limit::UpstreamWrite,
    Limit::Queue,
    Limit::Exchange,
    Limit::Leaving,
];
const NONE: u64 = u64::MAX;

/// Why an operation on a connection ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The socket failed or ended.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The deadline for this limit passed.
    #[error("deadline passed: {0:?}")]
    Expired(Limit),
}

/// The deadlines of one connection. Shared by reference between the operations of its one task; atomics only make the
/// futures `Send`.
#[derive(Debug)]
pub struct Deadlines {
    at: [AtomicU64; LIMITS.len()],
    /// No deadline is earlier than this. Not raised when one is taken away: a timer that fires too early costs less than
    /// a look at all of them per poll.
    next: AtomicU64,
    expired: AtomicU32,
    /// The connection was served and waits for its next request.
    at_rest: AtomicBool,
    /// Of the task that runs this connection; for [`Self::leave`] alone.
    task: OnceLock<Waker>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            at: [const { AtomicU64::new(NONE) }; LIMITS.len()],
            next: AtomicU64::new(NONE),
            expired: AtomicU32::new(0),
            at_rest: AtomicBool::new(false),
            task: OnceLock::new(),
        }
    }
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub fn set(&self, limit: Limit, at: Timestamp) {
        self.at[limit as usize].store(at.as_micros(), Relaxed);
        if at.as_micros() < self.next.load(Relaxed) {
            self.next.store(at.as_micros(), Relaxed);
        }
        self.forget(limit);
    }

    /// Sets a deadline `after` from now.
    pub fn set_after(&self, limit: Limit, after: Duration) {
        self.set(limit, clock::now() + after);
    }

    /// Takes a deadline away.
    pub fn clear(&self, limit: Limit) {
        self.at[limit as usize].store(NONE, Relaxed);
        self.forget(limit);
    }

    /// Takes all deadlines away, [`Limit::Leaving`] excepted.
    pub fn clear_all(&self) {
        for at in &self.at {
            at.store(NONE, Relaxed);
        }
        if self.expired.load(Relaxed) != 0 {
            self.expired.fetch_and(1 << Limit::Leaving as u8, Relaxed);
        }
    }

    /// Tells the connection that the process is stopping, from whatever thread.
    pub fn leave(&self) {
        self.expired.fetch_or(1 << Limit::Leaving as u8, Relaxed);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Whether the connection was served and waits for its next request: it may end without harm.
    pub fn at_rest(&self) -> bool {
        self.at_rest.load(Relaxed)
    }

    /// Says so.
    pub fn set_at_rest(&self, at_rest: bool) {
        self.at_rest.store(at_rest, Relaxed);
    }

    /// Whether this limit's deadline passed since it was set.
    pub fn expired(&self, limit: Limit) -> bool {
        self.expired.load(Relaxed) & (1 << limit as u8) != 0
    }

    /// Ends a pending poll when one of `limits` has passed.
    pub fn pending<T>(&self, limits: &[Limit]) -> Poll<Result<T, Stop>> {
        if self.expired.load(Relaxed) != 0
            && let Some(limit) = limits.iter().find(|limit| self.expired(**limit))
        {
            return Poll::Ready(Err(Stop::Expired(*limit)));
        }
        Poll::Pending
    }

    /// Runs `future` until it is done or one of `limits` has passed.
    ///
    /// # Errors
    ///
    /// [`Stop::Expired`] with the limit that passed.
    pub async fn guard<F: Future>(&self, limits: &[Limit], future: F) -> Result<F::Output, Stop> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.pending(limits),
        })
        .await
    }

    /// An atomic instruction only when there is something to forget: it costs five plain loads.
    fn forget(&self, limit: Limit) {
        if self.expired(limit) {
            self.expired.fetch_and(!(1 << limit as u8), Relaxed);
        }
    }

    /// Marks what has passed and takes it off the list, so that it fires once.
    fn expire(&self, now: Timestamp) {
        let mut next = NONE;
        for limit in LIMITS {
            let at = &self.at[limit as usize];
            if at.load(Relaxed) <= now.as_micros() {
                at.store(NONE, Relaxed);
                self.expired.fetch_or(1 << limit as u8, Relaxed);
            }
            next = next.min(at.load(Relaxed));
        }
        self.next.store(next, Relaxed);
    }
}

/// Runs `task` with its `deadlines` watched by one timer; see the head of this file.
pub fn supervise<F: Future>(deadlines: Arc<Deadlines>, task: F) -> Supervised<F> {
    Supervised {
        deadlines,
        armed: NONE,
        timer: None,
        task,
    }
}

pin_project_lite::pin_project! {
    /// The future of [`supervise`].
    pub struct Supervised<F> {
        deadlines: Arc<Deadlines>,
        // When the timer fires, µs.
        armed: u64,
        timer: Option<Pin<Box<Sleep>>>,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Supervised<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.deadlines.task.get_or_init(|| cx.waker().clone());
        loop {
            if let Poll::Ready(done) = this.task.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let earliest = this.deadlines.next.load(Relaxed);
            if earliest < *this.armed {
                *this.armed = earliest;
                let instant = clock::instant(Timestamp::from_micros(earliest));
                match this.timer {
                    Some(timer) => timer.as_mut().reset(instant),
                    None => *this.timer = Some(Box::pin(tokio::time::sleep_until(instant))),
                }
            }
            let Some(timer) = this.timer else {
                return Poll::Pending;
            };
            if *this.armed == NONE || timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            *this.armed = NONE;
            this.deadlines.expire(clock::now());
        }
    }
}
