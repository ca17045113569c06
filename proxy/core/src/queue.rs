//! The fair queue of a pool: whose turn it is when a seat comes free, and what each flow is charged for it.
//!
//! Start-time fair queueing with depth (Goyal, Vin and Cheng 1996; SFQ(D): Jin, Chase and Kaur 2004), cost in
//! seat-seconds. A flow has a finish tag F and a weight w, the pool a virtual time V. The eligible backlogged flow with
//! the least F goes next, V follows to its F, and F grows by what a seat is expected to be held, divided by w. What was
//! wrong with that is put right every 250 ms while the request runs, and when it departs. Charged is at dispatch and
//! never at arrival: who leaves the queue owes nothing, and nobody's tag is fixed before its time is known.
//!
//! A flow that becomes backlogged or eligible again starts at V, or at the least F of those who are ready if that is less:
//! being idle earns nothing (kubernetes/kubernetes#95979). A flow is in exactly one place: in `ready` by (F, order of arrival), in `timed` by the
//! time at which its rate lets the next one through, or in neither, waiting for one of its own to depart. In both is one
//! whose rate holds all but those who had a seat already.
//!
//! Who stands where is decided in this file, who is charged what in `charge`, what a config changes in `terms`. It knows no endpoints: the pool finds the
//! seat and asks here for whom. Every operation is O(log flows).

pub(crate) mod charge;
pub(crate) mod flow;
mod flows;
mod heap;
mod load;
pub(crate) mod outlook;
pub(crate) mod policy;
mod running;
mod service_time;
mod terms;
pub(crate) mod ticket;
pub(crate) mod view;
mod virtual_time;

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::{
    EndpointId, Timestamp,
    rate::{Quota, SharedRate},
};
use flow::{Flow, Standing};
use flows::Flows;
use heap::IndexedHeap;
use load::Load;
use policy::FairBy;
pub(crate) use running::RunId;
use running::Running;
use service_time::ServiceTime;
use ticket::{Line, List, Ticket, Tickets, Waiter};
use virtual_time::Virtual;

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
    /// Places held, by client network.
    networks: FxHashMap<u64, u32>,
    /// Those who wait, by the endpoint of their session.
    sessions: FxHashMap<EndpointId, List>,
    /// The next arrival's number.
    sequence: u64,
    service_time: ServiceTime,
    /// Counts until the first departure.
    expected: ServiceTime,
    corrected: Timestamp,
    /// How many seats there were when there were any.
    seats_seen: u32,
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
            networks: FxHashMap::default(),
            sessions: FxHashMap::default(),
            sequence: 0,
            service_time: ServiceTime::default(),
            expected: ServiceTime::UNKNOWN,
            corrected: Timestamp::default(),
            seats_seen: 1,
        }
    }
}

impl<R: SharedRate> FairQueue<R> {
    /// What counts as the time that a request holds its seat until the first one departs.
    pub(crate) fn expect_service_time(&mut self, expected: Duration) {
        self.expected = ServiceTime::default();
        self.expected.record(expected, 1);
    }

    /// Whether a request of this flow may go before all who wait: nobody of its own does, and it has fewer in flight
    /// than it may.
    pub(crate) fn unhindered(&self, index: u32) -> bool {
        let flow = self.flows.get(index);
        flow.is_some_and(|flow| flow.waiting == 0 && flow.within_limit())
    }

    /// Whether the flow has fewer in flight than it may.
    pub(crate) fn within_limit(&self, index: u32) -> bool {
        let flow = self.flows.get(index);
        flow.is_some_and(Flow::within_limit)
    }

    /// Whether somebody misses nothing but a seat.
    pub(crate) fn somebody_ready(&mut self, now: Timestamp) -> bool {
        self.promote(now);
        !self.ready.is_empty()
    }

    /// A request waits; its flow's quota and rate from now on are these, if they are `generation`'s and that is not older
    /// than what the others of it wait by.
    pub(crate) fn enqueue(
        &mut self,
        waiter: &Waiter,
        generation: u64,
        rate: Option<(Quota, R)>,
        now: Timestamp,
    ) -> Option<Ticket> {
        let (flow, work, bytes) = (waiter.flow, waiter.work, waiter.bytes);
        let (client, preferred) = (waiter.client, waiter.preferred);
        let ticket = self.tickets.insert(waiter.clone());
        let index = self.tickets.index(ticket)?;
        let mut list = self
            .flows
            .get_mut(flow)
            .map(|flow| *flow.list_mut(waiter))?;
        if waiter.readmitted {
            self.tickets.insert_in_order(Line::Flow, &mut list, index);
        } else {
            self.tickets.append(Line::Flow, &mut list, index);
        }
        if let Some(session) = preferred {
            let line = self.sessions.entry(session).or_default();
            self.tickets.insert_in_order(Line::Session, line, index);
        }
        *self.clients.entry((flow, client)).or_default() += 1;
        *self.networks.entry(client).or_default() += 1;
        self.change(flow, |flow| {
            *flow.list_mut(waiter) = list;
            let others = flow.waiting - flow.readmitted;
            flow.waiting += 1;
            flow.work += work;
            flow.bytes += bytes;
            if waiter.readmitted {
                flow.readmitted += 1;
                flow.work_again += work;
            } else if others == 0 || generation >= flow.terms.generation {
                flow.rate = rate;
            }
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
            let held = flow.readmitted > 0
                && !waiter.readmitted
                && flow.rate_allows(now, 0).is_some_and(|at| at > now);
            if flow.standing.is_ready() && waiter.until >= now && !held {
                return Some(Next {
                    flow: waiter.flow,
                    ticket: self.again_of_session(flow, session, now).unwrap_or(ticket),
                    preferred: waiter.preferred,
                });
            }
            waiting = self.tickets.next(Line::Session, ticket);
        }
        None
    }

    /// Of those of a flow who had a seat already, who go before all others of it, the first whose session is there.
    fn again_of_session(&self, flow: &Flow<R>, session: EndpointId, now: Timestamp) -> Option<u32> {
        let first = flow.again().first();
        let mut again =
            std::iter::successors(first, |ticket| self.tickets.next(Line::Flow, *ticket));
        again.find(|ticket| {
            let waiter = self.tickets.waiter(*ticket);
            waiter.is_some_and(|waiter| waiter.preferred == Some(session) && waiter.until >= now)
        })
    }

    /// Takes a token of the flow's rate, unless it let this one through before; when that is refused, the flow waits for it
    /// and false is returned.
    pub(crate) fn take_token(&mut self, next: Next, now: Timestamp) -> bool {
        let waiter = self.tickets.waiter(next.ticket);
        if waiter.is_some_and(|waiter| waiter.readmitted) {
            return true;
        }
        let index = next.flow;
        let rate = self.flows.get(index).and_then(|flow| flow.rate.as_ref());
        let Some((quota, rate)) = rate else {
            return true;
        };
        let Err(at) = rate.with(|arrival_time| arrival_time.take(quota, now)) else {
            return true;
        };
        self.change(index, |flow| {
            flow.standing = match flow.readmitted {
                0 => Standing::Rated(at),
                _ => Standing::Again(at),
            };
        });
        let flow = self.flows.get(index);
        if flow.is_some_and(|flow| !flow.standing.is_ready()) {
            self.ready.remove(index);
        }
        self.timed.set(index, at);
        false
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
        self.change(next.flow, |flow| flow.count_class(&waiter));
        let run = self.charge(next.flow, waiter.cost, seats, now);
        Some((ticket, waiter, run))
    }

    /// Ends a ticket without a seat; if nothing but its flow's rate held it, until when that would hold one more.
    pub(crate) fn remove(
        &mut self,
        ticket: Ticket,
        now: Timestamp,
    ) -> Option<(Waiter, Option<Timestamp>)> {
        let index = self.tickets.index(ticket)?;
        let waiter = self.tickets.waiter(index)?;
        let mut rated = None;
        // One that dispatch passed over was held by seats, and its flow may be forgotten by now.
        if waiter.linked {
            let number = waiter.flow;
            let flow = self.flows.get(number)?;
            if let Standing::Rated(_) = flow.standing {
                let others = u64::from(flow.waiting).saturating_sub(1); // none was let through before
                rated = flow.rate_allows(now, others).filter(|at| *at > now);
            }
            self.unlink(index);
            self.settle(number, now);
        }
        Some((self.tickets.remove(index)?, rated))
    }
}

/// One place fewer under this key.
fn give_back<K: std::hash::Hash + Eq>(held: &mut FxHashMap<K, u32>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut places) = held.entry(key) {
        *places.get_mut() -= 1;
        if *places.get() == 0 {
            places.remove();
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

    /// Where a flow begins that becomes backlogged or eligible: at V, but not behind those who wait already.
    ///
    /// A charge that turns out far too high (requests that hung, and are answered at once now) takes V along and is given
    /// back to its own flow alone. Whoever began at V then would wait until that flow has used all of it up. The least F of
    /// those who are ready is no credit for idleness: it is what the one has who is served next anyway.
    fn start(&self) -> Virtual {
        match self.ready.first() {
            Some(((least, _), _)) if self.fair_by != FairBy::None => least.min(self.virtual_time),
            _ => self.virtual_time,
        }
    }

    /// Puts a flow where it belongs after anything that may have changed that.
    fn settle(&mut self, index: u32, now: Timestamp) {
        let Some(flow) = self.flows.get(index) else {
            return;
        };
        let (old, new) = (flow.standing, flow.standing_at(now));
        if old != new {
            let start = self.start();
            self.change(index, |flow| {
                flow.standing = new;
                match new {
                    new if new.is_ready() && !old.is_ready() => {
                        flow.finish = flow.finish.max(start);
                    }
                    Standing::Idle => flow.rate = None,
                    _ => {}
                }
            });
        }
        if new.is_ready() {
            let (reach, virtual_time) = (self.reach(), self.virtual_time);
            if let Some(flow) = self.flows.get_mut(index) {
                let least = virtual_time.before(reach);
                flow.finish = flow.finish.max(least).min(virtual_time + reach);
                if let Some(key) = key(self.fair_by, flow, &self.tickets) {
                    self.ready.set(index, key);
                }
            }
        } else {
            self.ready.remove(index);
        }
        match new {
            Standing::Rated(at) | Standing::Again(at) => self.timed.set(index, at),
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
        let waiter = waiter.clone();
        let flow = waiter.flow;
        let (client, preferred) = ((flow, waiter.client), waiter.preferred);
        give_back(&mut self.clients, client);
        give_back(&mut self.networks, client.1);
        if let Some(session) = preferred
            && let Some(line) = self.sessions.get_mut(&session)
        {
            self.tickets.unlink(Line::Session, line, index);
            if line.first().is_none() {
                self.sessions.remove(&session);
            }
        }
        let Some(mut list) = self.flows.get_mut(flow).map(|flow| *flow.list_mut(&waiter)) else {
            return;
        };
        self.tickets.unlink(Line::Flow, &mut list, index);
        self.change(flow, |flow| {
            *flow.list_mut(&waiter) = list;
            flow.waiting -= 1;
            flow.work -= waiter.work;
            if waiter.readmitted {
                flow.readmitted -= 1;
                flow.work_again -= waiter.work;
            }
            flow.bytes -= waiter.bytes;
        });
    }
}
