//! Runtime state that outlives every reload, keyed by identity: a pool by its name, an endpoint by pool and address, a
//! service by its name.
//!
//! A config never holds any of it; a new snapshot finds what is there under the same names. Removing a pool and adding
//! it again brings its state back as long as somebody still used it, otherwise it starts anew.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use dashmap::DashMap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, EndpointId, FlowKey, Leave, Mode, Outcome, PoolPolicy,
    PoolState, Refusal, Retry, SharedRate, Slot, Stream, Timestamp, endpoint::EndpointView,
};

use crate::{
    clock, metrics::Metrics, metrics::ServiceMetrics, reference,
    upstream::limit::EndpointConnections,
};

/// Everything that lives across reloads.
#[derive(Debug)]
pub struct Registry {
    pools: DashMap<String, Arc<Pool>>,
    services: DashMap<String, Arc<ServiceRuntime>>,
    endpoint_numbers: Arc<AtomicU32>,
    service_numbers: AtomicU32,
    workers: usize,
}

impl Registry {
    /// An empty one, for this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            pools: DashMap::new(),
            services: DashMap::new(),
            endpoint_numbers: Arc::default(),
            service_numbers: AtomicU32::new(0),
            workers,
        }
    }

    /// The runtime of the pool of this name; a new one has no endpoints yet.
    pub fn pool(&self, name: &str) -> Arc<Pool> {
        self.pools
            .entry(name.to_owned())
            .or_insert_with(|| {
                Arc::new(Pool::new(name, self.endpoint_numbers.clone(), self.workers))
            })
            .clone()
    }

    /// The runtime of the service of this name.
    pub fn service(&self, name: &str, metrics: &Metrics) -> Arc<ServiceRuntime> {
        self.services
            .entry(name.to_owned())
            .or_insert_with(|| {
                let number = self.service_numbers.fetch_add(1, Relaxed);
                Arc::new(ServiceRuntime {
                    number,
                    metrics: metrics.service(name),
                })
            })
            .clone()
    }

    /// Forgets pools and services that no snapshot and no request uses any more.
    pub fn sweep(&self) {
        self.pools.retain(|_, pool| Arc::strong_count(pool) > 1);
        self.services
            .retain(|_, service| Arc::strong_count(service) > 1);
    }
}

/// What a service has across reloads.
#[derive(Debug)]
pub struct ServiceRuntime {
    /// Unique in this process; part of the isolation group of its upstream connections.
    pub number: u32,
    /// Its counters.
    pub metrics: ServiceMetrics,
}

/// The runtime of a pool: the core's state behind one short lock, and the count of connections per endpoint.
#[derive(Debug)]
pub struct Pool {
    name: String,
    guarded: Mutex<Guarded>,
    endpoint_numbers: Arc<AtomicU32>,
    workers: usize,
}

#[derive(Debug)]
struct Guarded {
    state: PoolState<TenantRate>,
    connections: FxHashMap<EndpointId, Arc<EndpointConnections>>,
}

impl Pool {
    fn new(name: &str, endpoint_numbers: Arc<AtomicU32>, workers: usize) -> Self {
        let guarded = Guarded {
            state: PoolState::new(),
            connections: FxHashMap::default(),
        };
        Self {
            name: name.to_owned(),
            guarded: Mutex::new(guarded),
            endpoint_numbers,
            workers,
        }
    }

    /// Its name in the config.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes `config` the list of endpoints; what is known of those that stay is kept.
    pub fn set_endpoints(&self, config: &schleuse_config::Pool) {
        let mut guarded = self.guarded.lock();
        let Guarded { state, connections } = &mut *guarded;
        state.set_endpoints(&config.policy, &config.endpoints, clock::now());
        let known: Vec<_> = state
            .views(&config.policy, clock::now())
            .map(|view| (view.id, view.address))
            .collect();
        connections.retain(|id, _| known.iter().any(|(known, _)| known == id));
        for (id, address) in known {
            connections.entry(id).or_insert_with(|| {
                let number = self.endpoint_numbers.fetch_add(1, Relaxed);
                Arc::new(EndpointConnections::new(number, address, self.workers))
            });
        }
    }

    /// Takes a seat for a request or its next attempt. `session` is the tag in its affinity cookie.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn arrive<'l>(
        &'l self,
        config: &'l schleuse_config::Pool,
        wish: Wish,
        tried: &[EndpointId],
        session: Option<u64>,
    ) -> Result<HeldSlot<'l>, Refusal> {
        let now = clock::recent();
        let mut guarded = self.guarded.lock();
        let preferred = session.map(|tag| guarded.state.session_endpoint(tag));
        let slot = if tried.is_empty() {
            seat(&mut guarded.state, &config.policy, now, wish, preferred)?
        } else {
            let retry = Retry {
                flow: wish.flow,
                inhabitants: wish.inhabitants,
                cost: 1,
                tried,
                preferred,
                draw: reference::draw(),
            };
            guarded.state.retry(&config.policy, now, &retry)?
        };
        let Some(connections) = guarded.connections.get(&slot.endpoint).cloned() else {
            guarded
                .state
                .depart(&config.policy, slot, Outcome::Abandoned, now);
            return Err(Refusal::NoEndpoint);
        };
        Ok(HeldSlot {
            pool: self,
            config,
            connections,
            slot: Some(slot),
        })
    }

    /// Whether the retry budget has one more attempt for a request that tried these.
    pub fn retry_allowed(&self, config: &schleuse_config::Pool, tried: &[EndpointId]) -> bool {
        self.guarded
            .lock()
            .state
            .retry_allowed(&config.policy, tried, clock::now())
    }

    /// Takes a probe's result; whether the endpoint's health changed.
    pub fn probed(
        &self,
        config: &schleuse_config::Pool,
        endpoint: EndpointId,
        ok: bool,
    ) -> Option<schleuse_core::HealthChange> {
        self.guarded
            .lock()
            .state
            .probed(&config.policy, endpoint, ok, clock::now())
    }

    /// Drains an endpoint, puts it into maintenance, or back; false when there is none of this address.
    pub fn set_mode(&self, address: SocketAddr, mode: Mode) -> bool {
        self.guarded
            .lock()
            .state
            .set_mode(address, mode, clock::now())
    }

    /// What its endpoints look like, with the connections open to each.
    pub fn views(&self, config: &schleuse_config::Pool) -> Vec<(EndpointView, u32)> {
        let guarded = self.guarded.lock();
        let open = |id| {
            guarded
                .connections
                .get(&id)
                .map_or(0, |connections| connections.open())
        };
        guarded
            .state
            .views(&config.policy, clock::now())
            .map(|view| {
                let open = open(view.id);
                (view, open)
            })
            .collect()
    }

    /// Its counters since the start.
    pub fn totals(&self) -> schleuse_core::PoolTotals {
        self.guarded.lock().state.totals()
    }
}

/// Whose request it is that wants a seat.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Service and tenant.
    pub flow: FlowKey,
    /// What its weight is made of.
    pub inhabitants: u64,
}

/// A seat at once, or a refusal.
fn seat(
    state: &mut PoolState<TenantRate>,
    policy: &PoolPolicy,
    now: Timestamp,
    wish: Wish,
    preferred: Option<EndpointId>,
) -> Result<Slot, Refusal> {
    let arrival = Arrival {
        flow: wish.flow,
        inhabitants: wish.inhabitants,
        class: Class::New,
        client: 0,
        cost: 1,
        bytes: 0,
        in_flight_max: u32::MAX,
        rate: None,
        preferred,
        draw: reference::draw(),
    };
    match state.arrive(policy, now, &arrival) {
        Admission::Go(slot) => Ok(slot),
        Admission::Refuse(refused) => Err(refused.refusal),
        Admission::Wait(waiting) => {
            let _ = state.leave(policy, waiting.ticket, now, Leave::Gone);
            Err(Refusal::PoolFull)
        }
    }
}

/// How far a tenant has used its rate; it outlives pools and reloads.
#[derive(Debug, Clone, Default)]
pub struct TenantRate(Arc<Mutex<ArrivalTime>>);

impl SharedRate for TenantRate {
    fn with<T>(&self, use_it: impl FnOnce(&mut ArrivalTime) -> T) -> T {
        use_it(&mut self.0.lock())
    }
}

/// A stream that is counted at its endpoint until it is dropped.
#[derive(Debug)]
pub struct HeldStream<'l> {
    pool: &'l Pool,
    stream: Option<Stream>,
}

impl Drop for HeldStream<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.pool.guarded.lock().state.end_stream(stream);
        }
    }
}

/// A seat that is given back when dropped: a request that vanishes in any phase cannot leak one.
#[derive(Debug)]
pub struct HeldSlot<'l> {
    pool: &'l Pool,
    config: &'l schleuse_config::Pool,
    connections: Arc<EndpointConnections>,
    slot: Option<Slot>,
}

impl<'l> HeldSlot<'l> {
    /// Moves the request out of its seat.
    ///
    /// # Errors
    ///
    /// The seat, when the endpoint has as many streams as it may.
    pub fn stream(mut self) -> Result<HeldStream<'l>, Self> {
        let pool = self.pool;
        let now = clock::recent();
        let moved = self.slot.take().map(|slot| {
            let state = &mut pool.guarded.lock().state;
            state.stream(&self.config.policy, slot, now)
        });
        match moved {
            Some(Err(slot)) => {
                self.slot = Some(slot);
                Err(self)
            }
            Some(Ok(stream)) => Ok(HeldStream {
                pool,
                stream: Some(stream),
            }),
            None => Ok(HeldStream { pool, stream: None }),
        }
    }

    /// Whose seat it is.
    pub fn endpoint(&self) -> Option<EndpointId> {
        self.slot.as_ref().map(|slot| slot.endpoint)
    }

    /// When it was taken.
    pub fn started(&self) -> Timestamp {
        self.slot
            .as_ref()
            .map_or_else(clock::recent, |slot| slot.started)
    }

    /// The endpoint's connections.
    pub fn connections(&self) -> &Arc<EndpointConnections> {
        &self.connections
    }

    /// The session's own endpoint could not take it.
    pub fn affinity_lost(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.affinity_lost)
    }

    /// Gives the seat back with what became of the request.
    pub fn depart(mut self, outcome: Outcome) {
        self.give_back(outcome);
    }

    fn give_back(&mut self, outcome: Outcome) {
        if let Some(slot) = self.slot.take() {
            self.pool.guarded.lock().state.depart(
                &self.config.policy,
                slot,
                outcome,
                clock::recent(),
            );
        }
    }
}

impl Drop for HeldSlot<'_> {
    fn drop(&mut self) {
        self.give_back(Outcome::Abandoned);
    }
}
