//! Idle upstream connections of one worker.
//!
//! Thread-local, so that taking and parking need no lock. The most recently used connection of the group serves next
//! (its congestion window is warm, and the others may end); the least recently used one is closed first. Before reuse a
//! peek at the socket: whatever came on an idle connection, its end or bytes that nobody asked for, disqualifies it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::ErrorKind,
    mem::MaybeUninit,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustc_hash::FxHashMap;
use schleuse_core::Timestamp;
use socket2::SockRef;
use tokio::sync::Notify;

use super::{Group, Upstream, limit::EndpointConnections};
use crate::clock;

struct Parked {
    upstream: Upstream,
    group: Group,
    since: Timestamp,
    until: Timestamp,
}

thread_local! {
    static IDLE: RefCell<FxHashMap<u32, VecDeque<Parked>>> = RefCell::default();
    static WORKER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// One bell per worker: "close an idle connection of an endpoint that is wanted elsewhere".
static BELLS: OnceLock<Box<[Notify]>> = OnceLock::new();

/// Says once how many workers there are.
pub fn set_workers(workers: usize) {
    BELLS.get_or_init(|| (0..workers).map(|_| Notify::new()).collect());
}

/// Runs on each worker for its whole life: closes idle connections that outlived their keep-alive time, each second,
/// and those that another worker needs closed, at once.
pub async fn sweep(worker: usize) {
    WORKER.set(worker);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let rung = async {
            match BELLS.get().and_then(|bells| bells.get(worker)) {
                Some(bell) => bell.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tick.tick() => close_expired(),
            () = rung => close_wanted(),
        }
    }
}

/// The most recently parked usable connection of `group`, if any.
pub fn take(endpoint: &EndpointConnections, group: Group) -> Option<Upstream> {
    IDLE.with_borrow_mut(|idle| {
        let parked = idle.get_mut(&endpoint.number())?;
        let mut found = None;
        while found.is_none() {
            let at = parked.iter().rposition(|parked| parked.group == group)?;
            found = parked
                .remove(at)
                .map(|parked| parked.upstream)
                .filter(is_quiet);
            note_oldest(endpoint, parked);
        }
        found.map(|mut upstream| {
            upstream.reused = true;
            upstream
        })
    })
}

/// Whether nothing at all came on an idle connection: neither bytes nor its end. One system call (0.3 µs); tokio's cached
/// readiness lags behind the socket and is not enough. A byte can still arrive afterwards: hygiene, not a boundary.
fn is_quiet(upstream: &Upstream) -> bool {
    let peeked = SockRef::from(&upstream.tcp).peek(&mut [MaybeUninit::uninit()]);
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

pub(super) fn park(upstream: Upstream, group: Group, keepalive: Duration) {
    let endpoint = upstream.lease.endpoint().clone();
    if endpoint.is_wanted() {
        return; // dropping it hands its lease to whoever waits
    }
    let since = clock::recent();
    IDLE.with_borrow_mut(|idle| {
        let parked = idle.entry(endpoint.number()).or_default();
        parked.push_back(Parked {
            upstream,
            group,
            since,
            until: since + keepalive,
        });
        if parked.len() == 1 {
            note_oldest(&endpoint, parked);
        }
    });
    // Somebody may have begun to wait before this connection could be seen.
    if endpoint.is_wanted() {
        close_oldest(&endpoint, WORKER.get());
    }
}

/// Closes the least recently used idle connection to `endpoint`: here, or by ringing the worker that has it.
pub(super) fn close_oldest(endpoint: &Arc<EndpointConnections>, worker: usize) {
    if worker != WORKER.get() {
        if let Some(bell) = BELLS.get().and_then(|bells| bells.get(worker)) {
            bell.notify_one();
        }
        return;
    }
    let oldest = IDLE.with_borrow_mut(|idle| {
        let parked = idle.get_mut(&endpoint.number())?;
        let oldest = parked.pop_front();
        note_oldest(endpoint, parked);
        oldest
    });
    drop(oldest); // outside the borrow: it notifies
}

fn close_wanted() {
    let closed: Vec<_> = IDLE.with_borrow_mut(|idle| {
        let wanted = idle.values_mut().filter(|parked| {
            parked
                .front()
                .is_some_and(|parked| parked.upstream.lease.endpoint().is_wanted())
        });
        wanted.filter_map(pop_oldest).collect()
    });
    drop(closed);
}

fn close_expired() {
    let now = clock::now();
    let mut closed = Vec::new();
    IDLE.with_borrow_mut(|idle| {
        for parked in idle.values_mut() {
            while parked.front().is_some_and(|parked| parked.until <= now) {
                closed.extend(pop_oldest(parked));
            }
        }
        idle.retain(|_, parked| !parked.is_empty());
    });
}

fn pop_oldest(parked: &mut VecDeque<Parked>) -> Option<Parked> {
    let oldest = parked.pop_front()?;
    note_oldest(oldest.upstream.lease.endpoint(), parked);
    Some(oldest)
}

fn note_oldest(endpoint: &EndpointConnections, parked: &VecDeque<Parked>) {
    endpoint.note_oldest_idle(
        WORKER.get(),
        parked.front().map(|oldest| oldest.since.as_micros()),
    );
}
