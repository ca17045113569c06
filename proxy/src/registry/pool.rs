//! The runtime of a pool: the core's state, who waits and the connections of its endpoints, behind one short lock.
//!
//! Every event goes through [`Pool::event`]: the lock is taken, the core changes its state, whoever may go now gets a seat
//! laid into its cell, and only after the lock was given back are their tasks woken, one wake-up per seat, and the pool
//! clock told when to look next. While nobody waits that is the lock and the change, nothing more.
//!
//! The policy is the one in force and stands with the state: a request that departs under an older config must not hand
//! out seats that the config in force no longer has.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Waker,
};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use schleuse_config::Pool as PoolConfig;
use schleuse_core::{
    Admission, Arrival, EndpointId, FlowKey, FlowView, Grant, HealthChange, Mode, Outcome,
    PoolState, PoolTotals, QueueView, Refusal, Refused, Retry, Slot, Terms, Timestamp, Waiting,
    endpoint::EndpointView,
};
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::{
    Shared,
    activation::Ordered,
    held::{HeldSlot, Place, plain},
    tenant::Tenant,
    waiters::{Granted, Waiters},
};
use crate::{
    clock, discovery::found::Found, pool_clock::PoolClock, readiness::Readiness, reference,
    sight::counts::PoolCounts, upstream::limit::EndpointConnections, wakes::Wakes,
};

/// Flows that are looked at in one go, some 20 ns each.
const FLOWS_PER_LOOK: usize = 256;

/// See the head of this file.
#[derive(Debug)]
pub struct Pool {
    name: String,
    /// Its counters start here.
    pub(super) born: Timestamp,
    /// What happened since the start.
    pub counts: PoolCounts,
    /// What its source of endpoints said; locked before `guarded`.
    pub(super) found: Found,
    pub(super) guarded: Mutex<Guarded>,
    clock: Arc<PoolClock>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) readiness: Arc<Readiness>,
    /// Rung when endpoints that have not answered may soon.
    pub(super) expected: Arc<Notify>,
    /// For lists of pools that keep none alive.
    pub(super) itself: Weak<Self>,
    endpoint_numbers: Arc<AtomicU32>,
    workers: usize,
}

#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) state: PoolState<Tenant>,
    pub(super) config: Arc<PoolConfig>,
    pub(super) waiters: Waiters,
    connections: FxHashMap<EndpointId, Arc<EndpointConnections>>,
    /// When the pool clock looks next.
    armed: Option<Timestamp>,
    /// The last one.
    pub(super) ordered: Ordered,
}

/// Whom to wake once the lock is given back.
pub(super) type Wakers = SmallVec<[Waker; 4]>;

/// The answer to an arrival.
#[derive(Debug)]
pub enum Arrived<'p> {
    /// A seat is there.
    Go(HeldSlot<'p>),
    /// Its turn will come.
    Wait(Place<'p>),
    /// It gets no seat.
    Refuse(Refused),
}

/// What becomes of a request whose endpoint took no connection.
#[derive(Debug)]
pub enum Requeued<'p> {
    /// Another endpoint has a free seat.
    Go(HeldSlot<'p>),
    /// Its turn will come again.
    Wait(Place<'p>),
    /// It is no use to wait.
    Stands,
}

impl Pool {
    /// Without endpoints yet.
    pub(super) fn new(config: Arc<PoolConfig>, shared: &Shared, workers: usize) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            name: config.name.clone(),
            born: clock::now(),
            counts: PoolCounts::default(),
            found: Found::default(),
            guarded: Mutex::new(Guarded {
                state: PoolState::new(),
                config,
                waiters: Waiters::default(),
                connections: FxHashMap::default(),
                armed: None,
                ordered: Ordered::default(),
            }),
            clock: shared.clock.clone(),
            wakes: shared.wakes.clone(),
            readiness: shared.readiness.clone(),
            expected: Arc::default(),
            itself: itself.clone(),
            endpoint_numbers: shared.endpoint_numbers.clone(),
            workers,
        })
    }

    /// Its name in the config.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An event that may free a seat; see the head of this file.
    pub(super) fn event<T>(&self, now: Timestamp, change: impl FnOnce(&mut Guarded) -> T) -> T {
        let mut guarded = self.guarded.lock();
        let value = change(&mut guarded);
        let stirs = guarded.state.stirs();
        if guarded.waiters.none_waiting() && !stirs {
            return value;
        }
        let mut woken = Wakers::new();
        let stir = stirs.then(|| guarded.settle(now, &mut woken));
        guarded.dispatch(now, &mut woken);
        let alarm = guarded.alarm(now);
        drop(guarded);
        for waker in woken {
            waker.wake();
        }
        if let Some(at) = alarm {
            self.clock.arm(at, self.itself.clone());
        }
        if let Some(stir) = stir {
            self.act(stir);
        }
        value
    }

    /// Puts `config` in force, with these endpoints (none: those it has); what is known of those that stay is kept.
    pub(super) fn enforce(&self, config: &Arc<PoolConfig>, endpoints: Option<&[SocketAddr]>) {
        let now = clock::now();
        self.event(now, |guarded| {
            guarded.config = config.clone();
            let Some(endpoints) = endpoints else {
                let views = guarded.state.views(&config.policy, now);
                let listed: Vec<_> = views
                    .filter(|view| view.listed)
                    .map(|view| view.address)
                    .collect();
                return self.replace_endpoints(guarded, &listed, now);
            };
            self.replace_endpoints(guarded, endpoints, now);
        });
    }

    /// Flows with somebody waiting or in flight go by these terms from now on; who has none keeps the old ones.
    pub fn set_terms(&self, terms: impl Fn(FlowKey) -> Option<Terms<Tenant>>) {
        let active: Vec<FlowKey> = {
            let guarded = self.guarded.lock();
            let flows = guarded.state.flows();
            let active = flows.filter(|(_, flow)| flow.waiting > 0 || flow.in_flight > 0);
            active.map(|(key, _)| key).collect()
        };
        if active.is_empty() {
            return;
        }
        let now = clock::now();
        self.event(now, |guarded| {
            let Guarded { state, config, .. } = guarded;
            for flow in active {
                if let Some(terms) = terms(flow) {
                    state.set_terms(&config.policy, flow, terms, now);
                }
            }
        });
    }

    /// Makes these the endpoints, under the config in force.
    pub(super) fn set_endpoints(&self, endpoints: &[SocketAddr]) {
        let now = clock::now();
        self.event(now, |guarded| {
            self.replace_endpoints(guarded, endpoints, now);
        });
    }

    fn replace_endpoints(&self, guarded: &mut Guarded, endpoints: &[SocketAddr], now: Timestamp) {
        let Guarded {
            state,
            connections,
            config,
            ..
        } = guarded;
        state.set_endpoints(&config.policy, endpoints, now);
        let known: Vec<_> = state
            .views(&config.policy, now)
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

    /// A request wants a seat. `session` is the tag in its affinity cookie; it and chance are filled in here.
    pub fn arrive(&self, mut arrival: Arrival<'_, Tenant>, session: Option<u64>) -> Arrived<'_> {
        let now = clock::recent();
        arrival.draw = reference::draw();
        self.event(now, |guarded| {
            arrival.preferred = session.map(|tag| guarded.state.session_endpoint(tag));
            let Guarded { state, config, .. } = guarded;
            match state.arrive(&config.policy, now, &arrival) {
                Admission::Go(slot) => match self.hold(guarded, slot, now) {
                    Ok(held) => Arrived::Go(held),
                    Err(refusal) => Arrived::Refuse(plain(refusal)),
                },
                Admission::Wait(waiting) => Arrived::Wait(self.place(guarded, &waiting)),
                Admission::Refuse(refused) => Arrived::Refuse(refused),
            }
        })
    }

    /// A free seat for another attempt; it never waits. `session` and chance are filled in here as for an arrival.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn retry(
        &self,
        mut retry: Retry<'_>,
        session: Option<u64>,
    ) -> Result<HeldSlot<'_>, Refusal> {
        let now = clock::now();
        retry.draw = reference::draw();
        self.event(now, |guarded| {
            retry.preferred = session.map(|tag| guarded.state.session_endpoint(tag));
            let Guarded { state, config, .. } = guarded;
            let slot = state.retry(&config.policy, now, &retry)?;
            self.hold(guarded, slot, now)
        })
    }

    /// See [`HeldSlot::requeue`].
    pub(super) fn requeue(
        &self,
        slot: Slot,
        mut arrival: Arrival<'_, Tenant>,
        session: Option<u64>,
    ) -> Requeued<'_> {
        let now = clock::now();
        arrival.draw = reference::draw();
        self.event(now, |guarded| {
            arrival.preferred = session.map(|tag| guarded.state.session_endpoint(tag));
            let Guarded { state, config, .. } = guarded;
            match state.requeue(&config.policy, slot, &arrival, now) {
                schleuse_core::Requeued::Go(slot) => {
                    let held = self.hold(guarded, slot, now);
                    held.map_or(Requeued::Stands, Requeued::Go)
                }
                schleuse_core::Requeued::Wait(waiting) => {
                    Requeued::Wait(self.place(guarded, &waiting))
                }
                schleuse_core::Requeued::Stands => Requeued::Stands,
            }
        })
    }

    fn place(&self, guarded: &mut Guarded, waiting: &Waiting) -> Place<'_> {
        let key = guarded.waiters.enter(waiting.ticket);
        Place::new(self, waiting, key)
    }

    fn hold(
        &self,
        guarded: &mut Guarded,
        slot: Slot,
        now: Timestamp,
    ) -> Result<HeldSlot<'_>, Refusal> {
        let Some(connections) = guarded.connections.get(&slot.endpoint).cloned() else {
            guarded.depart(slot, Outcome::Abandoned, now);
            return Err(Refusal::NoEndpoint);
        };
        Ok(HeldSlot::new(self, Granted { slot, connections }))
    }

    /// The time has come that the core asked for: see [`crate::pool_clock`].
    pub fn tick(&self, now: Timestamp) {
        self.event(now, |guarded| {
            guarded.armed = None;
            let Guarded { state, config, .. } = guarded;
            state.tick(&config.policy, now);
        });
    }

    /// Whether the retry budget has one more attempt for a request that tried these.
    pub fn retry_allowed(&self, tried: &[EndpointId]) -> bool {
        let Guarded { state, config, .. } = &mut *self.guarded.lock();
        state.retry_allowed(&config.policy, tried, clock::now())
    }

    /// Takes a probe's result; whether the endpoint's health changed.
    pub fn probed(&self, endpoint: EndpointId, ok: bool) -> Option<HealthChange> {
        let now = clock::now();
        self.event(now, |guarded| {
            let Guarded { state, config, .. } = guarded;
            state.probed(&config.policy, endpoint, ok, now)
        })
    }

    /// Drains an endpoint, puts it into maintenance, or back; false when there is none of this address.
    pub fn set_mode(&self, address: SocketAddr, mode: Mode) -> bool {
        let now = clock::now();
        self.event(now, |guarded| guarded.state.set_mode(address, mode, now))
    }

    /// What its endpoints look like, with the connections open to each.
    pub fn views(&self) -> Vec<(EndpointView, u32)> {
        let guarded = self.guarded.lock();
        let open = |id| {
            let connections = guarded.connections.get(&id);
            connections.map_or(0, |connections| connections.open())
        };
        let views = guarded.state.views(&guarded.config.policy, clock::now());
        views.map(|view| (view.clone(), open(view.id))).collect()
    }

    /// Who waits, and for how long one more would.
    pub fn queue(&self) -> QueueView {
        let guarded = self.guarded.lock();
        guarded.state.queue(&guarded.config.policy, clock::now())
    }

    /// A tenant's part of the queue and the seats; none: it has neither, and owes nothing.
    pub fn flow(&self, key: FlowKey) -> Option<FlowView> {
        self.guarded.lock().state.flow(key)
    }

    /// Shows every flow, giving the lock back now and then: what comes or goes meanwhile may be missed.
    pub fn each_flow(&self, mut see: impl FnMut(FlowKey, &FlowView)) {
        let (mut from, mut places) = (0, usize::MAX);
        while from < places {
            let guarded = self.guarded.lock();
            places = guarded.state.flow_places();
            for (key, flow) in guarded.state.flows_at(from..from + FLOWS_PER_LOOK) {
                see(key, &flow);
            }
            from += FLOWS_PER_LOOK;
        }
    }

    /// Its counters since the start.
    pub fn totals(&self) -> PoolTotals {
        self.guarded.lock().state.totals()
    }
}

impl Guarded {
    pub(super) fn depart(&mut self, slot: Slot, outcome: Outcome, now: Timestamp) {
        self.state.depart(&self.config.policy, slot, outcome, now);
    }

    /// Gives the free seats to those that are next.
    fn dispatch(&mut self, now: Timestamp, woken: &mut Wakers) {
        let Self {
            state,
            config,
            waiters,
            connections,
            ..
        } = self;
        while let Some(Grant { ticket, slot }) =
            state.dispatch(&config.policy, now, reference::draw())
        {
            let granted = match connections.get(&slot.endpoint).cloned() {
                Some(connections) => waiters.grant(ticket, Granted { slot, connections }),
                None => Err(slot),
            };
            match granted {
                Ok(waker) => woken.extend(waker),
                Err(slot) => state.depart(&config.policy, slot, Outcome::Abandoned, now),
            }
        }
    }

    /// When the pool clock has to look earlier than it would.
    fn alarm(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.state.due(&self.config.policy, now)?;
        if self.armed.is_some_and(|armed| armed <= due) {
            return None;
        }
        self.armed = Some(due);
        Some(due)
    }
}
