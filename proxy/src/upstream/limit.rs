//! How many connections to one endpoint are open, over all workers and groups.
//!
//! A connection holds a [`Lease`]; there are never more leases than `connections_max`. Who finds none free first closes
//! the least recently used idle connection: its own worker's at once, another worker's by asking that worker, which
//! answers through the freed lease. One atomic per open and close, none per request.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use crate::deadlines::{Deadlines, Limit, Stop};

use super::idle;

/// No idle connection.
const NEVER: u64 = u64::MAX;

/// The connections of one endpoint of one pool. Lives as long as somebody uses it, also across reloads.
#[derive(Debug)]
pub struct EndpointConnections {
    number: u32,
    address: SocketAddr,
    open: AtomicU32,
    /// How many wait for a lease.
    wanted: AtomicU32,
    freed: Notify,
    /// Per worker: when its least recently used idle connection was parked, µs; [`NEVER`] without one.
    oldest_idle: Box<[AtomicU64]>,
}

impl EndpointConnections {
    /// For the endpoint with this process-wide number.
    pub fn new(number: u32, address: SocketAddr, workers: usize) -> Self {
        Self {
            number,
            address,
            open: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            freed: Notify::new(),
            oldest_idle: (0..workers).map(|_| AtomicU64::new(NEVER)).collect(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number, unique in this process.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Connections open now, idle and active.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Whether somebody waits for a lease: then nobody parks.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(SeqCst) > 0
    }

    pub(super) fn note_oldest_idle(&self, worker: usize, since: Option<u64>) {
        if let Some(slot) = self.oldest_idle.get(worker) {
            slot.store(since.unwrap_or(NEVER), Relaxed);
        }
    }

    /// The worker with the least recently used idle connection.
    fn oldest_worker(&self) -> Option<usize> {
        let (worker, since) = self
            .oldest_idle
            .iter()
            .map(|since| since.load(Relaxed))
            .enumerate()
            .min_by_key(|(_, since)| *since)?;
        (since != NEVER).then_some(worker)
    }

    fn try_lease(self: &Arc<Self>, connections_max: u32) -> Option<Lease> {
        self.open
            .fetch_update(SeqCst, Relaxed, |open| {
                (open < connections_max).then_some(open + 1)
            })
            .ok()
            .map(|_| Lease(self.clone()))
    }

    /// A lease to open a connection with; waits for one, closing idle connections, until [`Limit::Connect`] passes.
    ///
    /// # Errors
    ///
    /// [`Stop::Expired`].
    pub async fn lease(
        self: &Arc<Self>,
        connections_max: u32,
        deadlines: &Deadlines,
    ) -> Result<Lease, Stop> {
        if let Some(lease) = self.try_lease(connections_max) {
            return Ok(lease);
        }
        let _waiting = Waiting::new(self);
        loop {
            let freed = self.freed.notified();
            if let Some(worker) = self.oldest_worker() {
                idle::close_oldest(self, worker);
            }
            if let Some(lease) = self.try_lease(connections_max) {
                return Ok(lease);
            }
            deadlines
                .guard(&[Limit::Connect, Limit::Exchange], freed)
                .await?;
        }
    }
}

/// Counts who waits, so that a connection that comes free is closed instead of parked for another group.
struct Waiting<'e>(&'e EndpointConnections);

impl<'e> Waiting<'e> {
    fn new(endpoint: &'e EndpointConnections) -> Self {
        endpoint.wanted.fetch_add(1, SeqCst);
        Self(endpoint)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, SeqCst);
        // A wake-up that came for this one and was not used goes on to the next.
        self.0.freed.notify_one();
    }
}

/// The right to one open connection; given back when dropped.
#[derive(Debug)]
pub struct Lease(Arc<EndpointConnections>);

impl Lease {
    /// Whose it is.
    pub fn endpoint(&self) -> &Arc<EndpointConnections> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
        if self.0.is_wanted() {
            self.0.freed.notify_one();
        }
    }
}
