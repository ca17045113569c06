//! Limits that hold before a request costs others anything: connections, requests of one client network, and the budget
//! of the process itself. Read this first; each limit has a file of its own.
//!
//! All of it is runtime state that outlives reloads; the numbers it is held against are arguments, from the config in
//! force.

mod bucket;
mod cells;
mod clients;
mod connections;
pub(crate) mod file_handles;
mod metrics;
mod overload;
mod prefix;
mod room;
mod salt;

use std::{net::IpAddr, os::fd::AsFd, sync::Arc, time::Duration};

use schleuse_config::{ClientLimit, Overload as Budget, Snapshot};
use schleuse_core::{Refusal, Timestamp};

pub use connections::{ConnectionPermit, ConnectionRefused};
pub use metrics::{Action, LimitMetrics, Usage};
pub use overload::{HeldBytes, Overload, Shortage, watch_punctuality};
pub use prefix::ClientNetwork;
pub(crate) use room::FREE_BYTES;
pub use room::Room;

use crate::respond::RateLimitShown;
use bucket::Quota;
use clients::{Client, Clients};
use connections::Connections;
use salt::{Fold, Salt};

/// How long accepting pauses before it looks again whether file handles are free.
const PAUSE: Duration = Duration::from_millis(20);

/// The state of all limits.
#[derive(Debug)]
pub struct Limits {
    clients: Clients,
    connections: Arc<Connections>,
    overload: Overload,
    metrics: LimitMetrics,
    key: Fold,
}

impl Limits {
    /// For `clients_max` client networks and this many workers.
    pub fn new(clients_max: u32, workers: usize, metrics: LimitMetrics) -> Self {
        Self {
            clients: Clients::new(clients_max),
            connections: Arc::default(),
            overload: Overload::new(workers),
            metrics,
            key: Salt::draw().fold(),
        }
    }

    /// Raises the limit of file handles, and warns when there are too few for what the operator wants.
    pub fn prepare_file_handles(&self, snapshot: &Snapshot) {
        if let Some(limit) = file_handles::raise() {
            self.overload.set_file_handles_max(limit);
            if let Some(connections_max) = snapshot.client.connections_max {
                file_handles::warn_if_few(limit, connections_max);
            }
        }
    }

    /// Counts a connection in, or says why it is not taken. Counted here when refused.
    ///
    /// # Errors
    ///
    /// The cap that it would exceed.
    pub fn connect(
        &self,
        peer: IpAddr,
        snapshot: &Snapshot,
    ) -> Result<ConnectionPermit, ConnectionRefused> {
        let network = ClientNetwork::of(peer, &snapshot.client);
        let trusted = snapshot.trusted_proxies.contains(peer.to_canonical());
        let written = snapshot.client.connections_max;
        let connections_max = written
            .unwrap_or_else(|| file_handles::connections_max(self.overload.file_handles_max()));
        self.connections
            .admit(
                (!trusted).then_some(&network),
                connections_max,
                &snapshot.client,
            )
            .inspect_err(|reason| self.metrics.connection_refused(*reason))
    }

    /// Takes one request out of the client's bucket at this service (`registry::ServiceRuntime::number`). A limit in
    /// observe mode counts and lets pass.
    ///
    /// # Errors
    ///
    /// When the bucket is empty: what to tell of it, and how long until a request passes (`reset`).
    pub fn client(
        &self,
        service: u32,
        limit: &ClientLimit,
        network: &ClientNetwork,
        now: Timestamp,
    ) -> Result<(), RateLimitShown> {
        let quota = Quota::new(limit);
        let decision = self.clients.take(Client { service, network }, &quota, now);
        if decision.shared {
            self.metrics.clients_shared.inc();
        }
        match decision.passes {
            Ok(()) => Ok(()),
            Err(_) if limit.observe => {
                self.metrics.would_refuse("client");
                Ok(())
            }
            Err(wait) => Err(RateLimitShown {
                name: "client",
                quota: quota.burst(),
                window: quota.window(),
                remaining: 0,
                reset: wait,
            }),
        }
    }

    /// The number for the queue of a client's own network, of which one may hold a share of the places. Keyed, but not
    /// renewed: it is remembered only while a request waits. Every request pays for it, though only those that wait need
    /// it, so it is two multiplications.
    pub fn client_key(&self, own_network: u128) -> u64 {
        self.key.of_network(own_network)
    }

    /// Whether this worker has to turn away a request that is the first of its connection. Counted when it has.
    pub fn refuses_new(&self, budget: &Budget) -> bool {
        let late = overload::is_late(budget);
        if late {
            self.metrics.acted(Action::RefuseNew, 1);
        }
        late
    }

    /// Room for a request that is about to wait on this thread. Counted when there is none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Overloaded`] when memory for waiting requests is used up or this worker is late.
    pub fn hold(&self, bytes: u64, budget: &Budget) -> Result<HeldBytes<'_>, Refusal> {
        self.overload.hold(bytes, budget).map_err(|shortage| {
            self.metrics.acted(Action::RefuseWait(shortage), 1);
            shortage.refusal()
        })
    }

    /// Room for a request that had its seat and waits again: admitted work is finished, whatever else is short.
    pub fn hold_admitted(&self, bytes: u64) -> HeldBytes<'_> {
        self.overload.hold_admitted(bytes)
    }

    /// Room for a request that is being read: nothing yet.
    pub fn room(&self, budget: &Budget) -> Room<'_> {
        Room::new(self, budget.held_bytes_max)
    }

    /// Whether file handles are so short that answers should end their connections.
    pub fn accepting_paused(&self) -> bool {
        self.overload.accepting_paused()
    }

    /// Waits until file handles are free again, at least one pause. `open`: any open descriptor. `meanwhile` ends some
    /// connections at rest and returns how many.
    pub async fn wait_for_file_handles(
        &self,
        open: &impl AsFd,
        budget: impl Fn() -> Budget,
        meanwhile: impl Fn() -> u64,
    ) {
        let _pause = self.overload.pause();
        loop {
            self.metrics.acted(Action::CloseResting, meanwhile());
            tokio::time::sleep(PAUSE).await;
            let in_use = file_handles::probe(open).unwrap_or(u64::MAX);
            if in_use < self.overload.file_handles_pause(&budget()) {
                return;
            }
        }
    }

    /// Whether so many file handles in use are too many to accept further connections.
    pub fn file_handles_short(&self, in_use: u64, budget: &Budget) -> bool {
        in_use >= self.overload.file_handles_pause(budget)
    }

    /// Bytes of requests that wait or are being read.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.overload.held_bytes()
    }

    /// How late a worker was.
    pub(crate) fn note_lag(&self, worker: usize, late: Duration) {
        self.overload.set_lag(worker, late);
        self.metrics.observe_lag(late);
    }

    /// Sets the gauges, for a scrape.
    pub fn measure(&self, budget: &Budget) {
        let in_use = std::fs::File::open("/dev/null").map(|file| file_handles::in_use(&file));
        self.metrics.set(Usage {
            held_bytes: (self.overload.held_bytes(), budget.held_bytes_max),
            file_handles: (
                in_use.unwrap_or_default(),
                self.overload.file_handles_pause(budget),
            ),
            lag: (self.overload.lag(), budget.lag_max),
        });
    }

    /// The counters, for limits that are judged elsewhere.
    pub fn metrics(&self) -> &LimitMetrics {
        &self.metrics
    }
}
