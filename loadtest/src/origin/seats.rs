//! How many requests are worked on at once, and how the rest suffers.
//!
//! Past its concurrency an application does not stay as fast as before: those who wait take memory, caches and locks from
//! those who are served. Each service time is stretched by `1 + collapse · waiting / concurrency`, so that with a collapse
//! above 0 goodput falls as the line grows, as it does in an overloaded Fachverfahren.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The seats of an origin.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    concurrency: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    collapse: f64,
}

/// A seat, given back on drop.
#[derive(Debug)]
pub(super) struct Seat(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>);

/// One who waits; counted until dropped.
struct Waiter<'s>(&'s AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seats {
    pub(super) fn new(concurrency: usize, waiting_max: usize, collapse: f64) -> Self {
        Self {
            free: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            concurrency,
            waiting: AtomicUsize::new(0),
            waiting_max,
            collapse,
        }
    }

    /// A seat, in order of coming; none when too many wait already.
    pub(super) async fn take(&self) -> Option<Seat> {
        if self.concurrency == 0 {
            return Some(Seat(None));
        }
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(Seat(Some(permit)));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let waiter = Waiter(&self.waiting);
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        drop(waiter);
        Some(Seat(Some(permit)))
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// By how much a service time is stretched now; at least 1.
    pub(super) fn stretch(&self) -> f64 {
        let per_seat = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        1.0 + self.collapse * per_seat(self.waiting()) / per_seat(self.concurrency.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn beyond_the_limit_requests_wait_in_line_and_beyond_the_line_they_are_refused() {
        let seats = Seats::new(1, 2, 0.5);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(first)) = pin!(seats.take()).poll(&mut context) else {
            panic!("the first has a seat at once");
        };
        let mut second = pin!(seats.take());
        let mut third = pin!(seats.take());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert_eq!(seats.waiting(), 2);
        assert!((seats.stretch() - 2.0).abs() < 1e-9, "1 + 0.5 · 2 / 1");
        assert!(matches!(
            pin!(seats.take()).poll(&mut context),
            Poll::Ready(None)
        ));
        drop(first);
        assert!(
            third.as_mut().poll(&mut context).is_pending(),
            "the second comes first"
        );
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn who_leaves_the_line_is_not_counted_any_more() {
        let seats = Seats::new(1, 5, 0.0);
        let mut context = Context::from_waker(Waker::noop());
        let _held = pin!(seats.take()).poll(&mut context);
        {
            let mut leaving = pin!(seats.take());
            assert!(leaving.as_mut().poll(&mut context).is_pending());
            assert_eq!(seats.waiting(), 1);
        }
        assert_eq!(seats.waiting(), 0);
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let seats = Seats::new(0, 0, 9.0);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1000 {
            assert!(matches!(
                pin!(seats.take()).poll(&mut context),
                Poll::Ready(Some(_))
            ));
        }
        assert!((seats.stretch() - 1.0).abs() < 1e-9);
    }
}
