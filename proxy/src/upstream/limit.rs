//! How many connections to one endpoint are open, over all workers and groups.
//!
//! A connection holds a [`Lease`]; there are never more leases than `connections_max`. Who finds none free first closes
//! the least recently used idle connection: its own worker's at once, another worker's by asking that worker, which
//! answers through the freed lease. One atomic per open and close, none per request.
//!
//! The connection of a stream (WebSocket, events, gRPC) leaves this count for one of its own: it may stay open for hours,
//! and the seats that it is outside of need all their connections. The core bounds the streams (`streams_max`), and so
//! their connections: an endpoint has at most `connections_max` + `streams_max`.

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
    /// Connections of streams, outside `open`.
    streams: AtomicU32,
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
            streams: AtomicU32::new(0),
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

    /// Connections open now, idle and active, those of streams included.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed) + self.streams.load(Relaxed)
    }

    fn give_back(&self) {
        self.open.fetch_sub(1, SeqCst);
        if self.is_wanted() {
            self.freed.notify_one();
        }
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
            .map(|_| Lease {
                endpoint: self.clone(),
                stream: false,
            })
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
pub struct Lease {
    endpoint: Arc<EndpointConnections>,
    stream: bool,
}

impl Lease {
    /// Whose it is.
    pub fn endpoint(&self) -> &Arc<EndpointConnections> {
        &self.endpoint
    }

    /// The connection carries a stream from now on to its end: another one may be opened in its place.
    pub fn become_stream(&mut self) {
        if !std::mem::replace(&mut self.stream, true) {
            self.endpoint.streams.fetch_add(1, Relaxed);
            self.endpoint.give_back();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.stream {
            self.endpoint.streams.fetch_sub(1, Relaxed);
        } else {
            self.endpoint.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_of_a_stream_leaves_its_place_to_another_one() {
        let address = "127.0.0.1:1".parse().unwrap();
        let endpoint = Arc::new(EndpointConnections::new(1, address, 1));
        let mut first = endpoint.try_lease(1).unwrap();
        assert!(endpoint.try_lease(1).is_none());
        first.become_stream();
        first.become_stream();
        let second = endpoint.try_lease(1).unwrap();
        assert_eq!(endpoint.open(), 2);
        drop(first);
        assert_eq!(endpoint.open(), 1);
        assert!(endpoint.try_lease(1).is_none());
        drop(second);
        assert_eq!(endpoint.open(), 0);
    }
}
