//! The fair queue of a pool: whose turn it is when a seat comes free, and what each flow is charged for it.
//!
//! Start-time fair queueing with depth (Goyal, Vin and Cheng 1996; SFQ(D): Jin, Chase and Kaur 2004), cost in
//! seat-seconds. A flow has a finish tag F and a weight w, the pool a virtual time V. The eligible backlogged flow with
//! the least F goes next, V follows to its F, and F grows by what a seat is expected to be held, divided by w. What was
//! wrong with that is put right every 250 ms while the request runs, and when it departs. Charged is at dispatch and
//! never at arrival: who leaves the queue owes nothing, and nobody's tag is fixed before its time is known.
//!
//! A flow that becomes backlogged or eligible again starts at V at the earliest: being idle earns nothing
//! (kubernetes/kubernetes#95979). A flow is in exactly one place: in `ready` by (F, order of arrival), in `timed` by the
//! time at which its rate lets the next one through, or in neither, waiting for one of its own to depart.
//!
//! It knows no endpoints: the pool finds the seat and asks here for whom. Every operation is O(log flows).

pub(crate) mod flow;
mod flows;
mod heap;
mod load;
pub(crate) mod outlook;
pub(crate) mod policy;
mod running;
mod service_time;
pub(crate) mod ticket;
pub(crate) mod view;
mod virtual_time;

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::{
    EndpointId, Timestamp,
    rate::{Quota, SharedRate},
};
use flow::{Flow, FlowKey, Standing};
use flows::Flows;
use heap::IndexedHeap;
use load::Load;
use policy::FairBy;
pub(crate) use running::RunId;
use running::{Run, Running};
use service_time::ServiceTime;
use ticket::{Line, List, Ticket, Tickets, Waiter};
use virtual_time::{Virtual, Weight};

/// How often those in flight are corrected; a slot may run away from its charge that long.
pub(crate) const CORRECTION_INTERVAL: Duration = Duration::from_millis(250);
/// No flow owes more than it would get in this time if all active flows wanted seats: a long outage of one tenant's
/// requests must not lock it out for as long afterwards.
const DEBT_MAX_MICROS: u64 = 15_000_000;
/// The least weight, as a part of the active flows' mean: Gröde's seven people do not wait a minute behind Berlin.
const WEIGHT_FLOOR_DIVISOR: u64 = 10;
/// Departures that the average service time of a flow, and of a pool, remembers.
const FLOW_MEMORY: u64 = 8;
const POOL_MEMORY: u64 = 64;
/// Flows looked at for forgetting with each arrival, and with each correction.
const FORGET_PER_ARRIVAL: usize = 2;
const FORGET_PER_TICK: usize = 64;

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) flow: u32,
    pub(crate) ticket: u32,
    pub(crate) preferred: Option<EndpointId>,
}

/// Flows, tickets and charges of one pool.
#[derive(Clone, Debug)]
pub(crate) struct FairQueue<R> {
    fair_by: FairBy,
    virtual_time: Virtual,
    flows: Flows<R>,
    tickets: Tickets,
    /// Flows that miss nothing but a seat. In one FIFO all have the same tag, and the order of arrival decides.
    ready: IndexedHeap<(Virtual, u64)>,
    /// Flows whose rate holds them, by the time until which.
    timed: IndexedHeap<Timestamp>,
    running: Running,
    load: Load,
    /// Places held, by flow and client network.
    clients: FxHashMap<(u32, u64), u32>,
    /// Those who wait, by the endpoint of their session.
    sessions: FxHashMap<EndpointId, List>,
    /// The next arrival's number.
    sequence: u64,
    service_time: ServiceTime,
    corrected: Timestamp,
}

impl<R> Default for FairQueue<R> {
    fn default() -> Self {
        Self {
            fair_by: FairBy::default(),
            virtual_time: Virtual::ZERO,
            flows: Flows::default(),
            tickets: Tickets::default(),
            ready: IndexedHeap::default(),
            timed: IndexedHeap::default(),
            running: Running::default(),
            load: Load::default(),
            clients: FxHashMap::default(),
            sessions: FxHashMap::default(),
            sequence: 0,
            service_time: ServiceTime::default(),
            corrected: Timestamp::default(),
        }
    }
}

impl<R: SharedRate> FairQueue<R> {
    /// The flow of an arrival, with its weight and limit as they are now.
    pub(crate) fn arrived(&mut self, key: FlowKey, inhabitants: u64, in_flight_max: u32) -> u32 {
        self.flows.forget(FORGET_PER_ARRIVAL, self.virtual_time);
        let index = self.flows.find_or_insert(key);
        let fair_by = self.fair_by;
        let known =
            |flow: &Flow<R>| flow.inhabitants == inhabitants && flow.in_flight_max == in_flight_max;
        if !self.flows.get(index).is_some_and(known) {
            self.change(index, |flow| {
                flow.inhabitants = inhabitants;
                flow.weight = fair_by.weight(inhabitants);
                flow.in_flight_max = in_flight_max;
            });
        }
        index
    }

    /// The flow of a request that was admitted before; its limit stays as it is.
    pub(crate) fn readmitted(&mut self, key: FlowKey, inhabitants: u64) -> u32 {
        let index = self.flows.find_or_insert(key);
        let limit = self.flows.get(index).map(|flow| flow.in_flight_max);
        self.arrived(key, inhabitants, limit.unwrap_or(u32::MAX))
    }

    /// Whether a request of this flow may go before all who wait: nobody of its own does, and it has fewer in flight
    /// than it may.
    pub(crate) fn unhindered(&self, index: u32) -> bool {
        let flow = self.flows.get(index);
        flow.is_some_and(|flow| flow.waiting == 0 && flow.in_flight < flow.in_flight_max)
    }

    /// Whether the flow has fewer in flight than it may.
    pub(crate) fn within_limit(&self, index: u32) -> bool {
        let flow = self.flows.get(index);
        flow.is_some_and(|flow| flow.in_flight < flow.in_flight_max)
    }

    /// Whether somebody misses nothing but a seat.
    pub(crate) fn somebody_ready(&mut self, now: Timestamp) -> bool {
        self.promote(now);
        !self.ready.is_empty()
    }

    /// A request got a seat without waiting.
    pub(crate) fn admit(&mut self, index: u32, cost: u32, seats: u32, now: Timestamp) -> RunId {
        let virtual_time = self.virtual_time;
        self.change(index, |flow| {
            if flow.waiting == 0 {
                flow.finish = flow.finish.max(virtual_time);
            }
        });
        self.charge(index, cost, seats, now)
    }

    /// A request waits; its flow's quota and rate from now on are these.
    pub(crate) fn enqueue(
        &mut self,
        waiter: Waiter,
        rate: Option<(Quota, R)>,
        now: Timestamp,
    ) -> Option<Ticket> {
        let (flow, class, work, bytes) = (waiter.flow, waiter.class, waiter.work, waiter.bytes);
        let (client, preferred) = (waiter.client, waiter.preferred);
        let ticket = self.tickets.insert(waiter);
        let index = self.tickets.index(ticket)?;
        let mut list = self.flows.get_mut(flow).map(|flow| *flow.list_mut(class))?;
        self.tickets.append(Line::Flow, &mut list, index);
        if let Some(session) = preferred {
            let line = self.sessions.entry(session).or_default();
            self.tickets.append(Line::Session, line, index);
        }
        *self.clients.entry((flow, client)).or_default() += 1;
        self.change(flow, |flow| {
            *flow.list_mut(class) = list;
            flow.waiting += 1;
            flow.work += work;
            flow.bytes += bytes;
            flow.rate = rate;
        });
        self.settle(flow, now);
        Some(ticket)
    }

    /// The next number in order of arrival.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Lets flows back in whose rate allows it by now.
    pub(crate) fn promote(&mut self, now: Timestamp) {
        while let Some((at, flow)) = self.timed.first()
            && at <= now
        {
            self.settle(flow, now);
        }
    }

    /// Whose turn it is; those who are too late are passed over and hold their place no longer.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Next> {
        loop {
            let (_, index) = self.ready.first()?;
            let flow = self.flows.get(index)?;
            let ticket = flow.next(self.fair_by, &self.tickets)?;
            let waiter = self.tickets.waiter(ticket)?;
            if waiter.until >= now {
                return Some(Next {
                    flow: index,
                    ticket,
                    preferred: waiter.preferred,
                });
            }
            self.unlink(ticket);
            self.settle(index, now);
        }
    }

    /// The first in line of an endpoint's sessions whose flow misses nothing but a seat.
    pub(crate) fn next_of_session(&self, session: EndpointId, now: Timestamp) -> Option<Next> {
        let mut waiting = self.sessions.get(&session)?.first();
        while let Some(ticket) = waiting {
            let waiter = self.tickets.waiter(ticket)?;
            let flow = self.flows.get(waiter.flow)?;
            if flow.standing == Standing::Ready && waiter.until >= now {
                return Some(Next {
                    flow: waiter.flow,
                    ticket,
                    preferred: waiter.preferred,
                });
            }
            waiting = self.tickets.next(Line::Session, ticket);
        }
        None
    }

    /// Takes a token of the flow's rate; when that is refused, the flow waits for it and false is returned.
    pub(crate) fn take_token(&mut self, index: u32, now: Timestamp) -> bool {
        let rate = self.flows.get(index).and_then(|flow| flow.rate.as_ref());
        let Some((quota, rate)) = rate else {
            return true;
        };
        let Err(at) = rate.with(|arrival_time| arrival_time.take(quota, now)) else {
            return true;
        };
        self.change(index, |flow| flow.standing = Standing::Rated(at));
        self.ready.remove(index);
        self.timed.set(index, at);
        false
    }

    /// When a flow's rate lets the next one through after those that wait.
    pub(crate) fn rate_allows(&self, index: u32, now: Timestamp) -> Option<Timestamp> {
        let flow = self.flows.get(index)?;
        flow.rate_allows(now, u64::from(flow.waiting))
    }

    /// Ends a ticket with a seat: its flow is charged.
    pub(crate) fn grant(
        &mut self,
        next: Next,
        seats: u32,
        now: Timestamp,
    ) -> Option<(Ticket, Waiter, RunId)> {
        let ticket = self.tickets.ticket(next.ticket)?;
        self.unlink(next.ticket);
        let waiter = self.tickets.remove(next.ticket)?;
        self.change(next.flow, |flow| flow.count_class(waiter.class));
        let run = self.charge(next.flow, waiter.cost, seats, now);
        Some((ticket, waiter, run))
    }

    /// Ends a ticket without a seat; where its flow stood is returned with it.
    pub(crate) fn remove(&mut self, ticket: Ticket, now: Timestamp) -> Option<(Waiter, Standing)> {
        let index = self.tickets.index(ticket)?;
        let flow = self.tickets.waiter(index)?.flow;
        let standing = self.flows.get(flow)?.standing;
        let linked = self.tickets.waiter(index)?.linked;
        self.unlink(index);
        self.settle(flow, now);
        let waiter = self.tickets.remove(index)?;
        // One that dispatch passed over was held by seats.
        Some((waiter, if linked { standing } else { Standing::Ready }))
    }

    /// A seat is free again; `learn`: how long it was held says how long the next one will be.
    pub(crate) fn finish(&mut self, id: RunId, learn: bool, seats: u32, now: Timestamp) {
        let Some(run) = self.running.remove(id) else {
            return;
        };
        let (held, limit) = (now - run.started, self.finish_max(seats));
        if learn {
            self.service_time.record(held, POOL_MEMORY);
        }
        self.change(run.flow, |flow| {
            flow.in_flight = flow.in_flight.saturating_sub(1);
            flow.finish = flow.finish.corrected(run.charged, run.used(now)).min(limit);
            if learn {
                flow.service_time.record(held, FLOW_MEMORY);
            }
        });
        self.settle(run.flow, now);
    }

    /// Charges those in flight that run longer than they were charged for.
    pub(crate) fn correct(&mut self, seats: u32, now: Timestamp) {
        self.corrected = now;
        let limit = self.finish_max(seats);
        for run in self.running.iter_mut() {
            let used = run.used(now);
            if used <= run.charged {
                continue;
            }
            if let Some(flow) = self.flows.get_mut(run.flow) {
                flow.finish = flow.finish.corrected(run.charged, used).min(limit);
                if flow.standing == Standing::Ready
                    && let Some(key) = key(self.fair_by, flow, &self.tickets)
                {
                    self.ready.set(run.flow, key);
                }
            }
            run.charged = used;
        }
        self.flows.forget(FORGET_PER_TICK, self.virtual_time);
    }

    /// Takes over what fairness follows; debts keep their worth in seat-seconds.
    pub(crate) fn set_fair_by(&mut self, fair_by: FairBy, now: Timestamp) {
        if self.fair_by == fair_by {
            return;
        }
        self.fair_by = fair_by;
        for run in self.running.iter_mut() {
            if let Some(flow) = self.flows.get(run.flow) {
                let (old, new) = (flow.weight, fair_by.weight(flow.inhabitants));
                run.charged = run.charged.rescaled(old, new);
                run.price = run.price.rescaled(old, new);
            }
        }
        let virtual_time = self.virtual_time;
        for index in self.flows.indices() {
            self.change(index, |flow| {
                let (old, new) = (flow.weight, fair_by.weight(flow.inhabitants));
                let debt = flow.finish.since(virtual_time).rescaled(old, new);
                flow.finish = flow.finish.min(virtual_time) + debt;
                flow.weight = new;
            });
            self.settle(index, now);
        }
    }
}

/// Where a flow stands among those that are ready.
fn key<R: SharedRate>(
    fair_by: FairBy,
    flow: &Flow<R>,
    tickets: &Tickets,
) -> Option<(Virtual, u64)> {
    let next = tickets.waiter(flow.next(fair_by, tickets)?)?;
    let tag = match fair_by {
        FairBy::None => Virtual::ZERO,
        _ => flow.finish,
    };
    Some((tag, next.sequence))
}

impl<R: SharedRate> FairQueue<R> {
    /// The only way to change what the sums are made of.
    fn change(&mut self, index: u32, change: impl FnOnce(&mut Flow<R>)) {
        let Some(flow) = self.flows.get_mut(index) else {
            return;
        };
        let before = Load::of(flow);
        change(flow);
        self.load.replace(before, Load::of(flow));
    }

    /// Puts a flow where it belongs after anything that may have changed that.
    fn settle(&mut self, index: u32, now: Timestamp) {
        let Some(flow) = self.flows.get(index) else {
            return;
        };
        let (old, new) = (flow.standing, flow.standing_at(now));
        if old != new {
            let virtual_time = self.virtual_time;
            self.change(index, |flow| {
                flow.standing = new;
                match new {
                    Standing::Ready => flow.finish = flow.finish.max(virtual_time),
                    Standing::Idle => flow.rate = None,
                    Standing::Limited | Standing::Rated(_) => {}
                }
            });
        }
        if new == Standing::Ready {
            let flow = self.flows.get(index);
            if let Some(key) = flow.and_then(|flow| key(self.fair_by, flow, &self.tickets)) {
                self.ready.set(index, key);
            }
        } else {
            self.ready.remove(index);
        }
        match new {
            Standing::Rated(at) => self.timed.set(index, at),
            _ => self.timed.remove(index),
        }
    }

    /// Takes a ticket out of all lists and counts; it still has its place, and its flow is to be settled.
    fn unlink(&mut self, index: u32) {
        let Some(waiter) = self
            .tickets
            .waiter_mut(index)
            .filter(|waiter| waiter.linked)
        else {
            return;
        };
        waiter.linked = false;
        let (flow, class, work, bytes) = (waiter.flow, waiter.class, waiter.work, waiter.bytes);
        let (client, preferred) = ((flow, waiter.client), waiter.preferred);
        if let Some(places) = self.clients.get_mut(&client) {
            *places -= 1;
            if *places == 0 {
                self.clients.remove(&client);
            }
        }
        if let Some(session) = preferred
            && let Some(line) = self.sessions.get_mut(&session)
        {
            self.tickets.unlink(Line::Session, line, index);
            if line.first().is_none() {
                self.sessions.remove(&session);
            }
        }
        let Some(mut list) = self.flows.get_mut(flow).map(|flow| *flow.list_mut(class)) else {
            return;
        };
        self.tickets.unlink(Line::Flow, &mut list, index);
        self.change(flow, |flow| {
            *flow.list_mut(class) = list;
            flow.waiting -= 1;
            flow.work -= work;
            flow.bytes -= bytes;
        });
    }

    /// V follows to the flow's F, and F grows by what the seat is expected to be held.
    fn charge(&mut self, index: u32, cost: u32, seats: u32, now: Timestamp) -> RunId {
        self.change(index, |flow| flow.in_flight += 1);
        let load = self.load;
        let prior = self.service_time.or(ServiceTime::UNKNOWN);
        let (mut price, mut charged) = (Weight::from_thousandths(0).price(), <_>::default());
        if let Some(flow) = self.flows.get(index) {
            let floor = load.active_weight / load.active.max(1) / WEIGHT_FLOOR_DIVISOR;
            let weight = flow.weight.thousandths().max(floor);
            price = Weight::from_thousandths(weight).price();
            let expected = flow.service_time.or(prior).micros();
            charged = price.of(expected.saturating_mul(u64::from(cost)));
            self.virtual_time = self.virtual_time.max(flow.finish);
        }
        let limit = self.finish_max(seats);
        self.change(index, |flow| {
            flow.finish = (flow.finish + charged).min(limit);
        });
        self.settle(index, now);
        self.running.insert(Run {
            flow: index,
            cost,
            price,
            charged,
            started: now,
        })
    }

    /// V + 15 s · C / W.
    fn finish_max(&self, seats: u32) -> Virtual {
        let weight = Weight::from_thousandths(self.load.active_weight);
        self.virtual_time + weight.price().of(DEBT_MAX_MICROS * u64::from(seats))
    }
}
