//! What a flow is charged: at dispatch by expectation, every 250 ms and at departure by what became of it.

use std::time::Duration;

use super::{
    FairQueue,
    flow::Flow,
    key,
    policy::FairBy,
    running::{Run, RunId},
    virtual_time::{Price, Span, Virtual, Weight},
};
use crate::{Timestamp, rate::SharedRate};

/// How often those in flight are corrected; a slot may run away from its charge that long.
pub(crate) const CORRECTION_INTERVAL: Duration = Duration::from_millis(250);
/// Nobody who waits is further ahead of V, or behind it, than what it would get in this time if all active flows wanted
/// seats. A long outage of one tenant's requests must not lock it out for as long afterwards, and what it is given back
/// must not lock out the others. Both were counted by weights, and V by the sum of them, that may be others by now.
const REACH_MICROS: u64 = 15_000_000;
/// Departures that the average service time of a flow, and of a pool, remembers.
const FLOW_MEMORY: u64 = 8;
const POOL_MEMORY: u64 = 64;
/// Flows looked at for forgetting with each correction.
const FORGET_PER_TICK: usize = 64;

impl<R: SharedRate> FairQueue<R> {
    /// A request got a seat without waiting.
    pub(crate) fn admit(&mut self, index: u32, cost: u32, seats: u32, now: Timestamp) -> RunId {
        let start = self.start();
        self.change(index, |flow| {
            if flow.waiting == 0 {
                flow.finish = flow.finish.max(start);
            }
        });
        self.charge(index, cost, seats, now)
    }

    /// A seat is free again; `learn`: how long it was held says how long the next one will be.
    pub(crate) fn finish(&mut self, id: RunId, learn: bool, seats: u32, now: Timestamp) {
        let Some(mut run) = self.running.remove(id) else {
            return;
        };
        let (held, limit) = (now - run.started, self.finish_max(seats));
        if learn {
            self.service_time.record(held, POOL_MEMORY);
        }
        if let Some(flow) = self.flows.get(run.flow) {
            run.cheapen(self.price(flow));
        }
        self.change(run.flow, |flow| {
            flow.in_flight = flow.in_flight.saturating_sub(1);
            flow.finish = run.settle(flow.finish, now).min(limit);
            if learn {
                flow.service_time.record(held, FLOW_MEMORY);
            }
        });
        self.settle(run.flow, now);
    }

    /// Charges those in flight that run longer than they were charged for, and keeps those who wait in reach.
    pub(crate) fn correct(&mut self, seats: u32, now: Timestamp) {
        self.corrected = now;
        let limit = self.finish_max(seats);
        let floor = self.load.weight_floor();
        for run in self.running.iter_mut() {
            let Some(flow) = self.flows.get_mut(run.flow) else {
                continue;
            };
            run.cheapen(flow.weight.at_least(floor).price());
            let used = run.used(now);
            if used <= run.charged {
                continue;
            }
            flow.finish = (flow.finish + used.beyond(run.charged)).min(limit);
            run.charged = used;
            if flow.standing.is_ready()
                && let Some(key) = key(self.fair_by, flow, &self.tickets)
            {
                self.ready.set(run.flow, key);
            }
        }
        self.keep_in_reach();
        self.flows.forget(FORGET_PER_TICK, self.virtual_time);
    }

    /// For those to whom nothing happened since V or the sum of the weights moved: one who came while a village was alone
    /// in the pool would else be months behind with the first citizen of a city.
    fn keep_in_reach(&mut self) {
        if self.fair_by == FairBy::None {
            return;
        }
        let (reach, virtual_time) = (self.reach(), self.virtual_time);
        let (least, most) = (virtual_time.before(reach), virtual_time + reach);
        while let Some(((tag, sequence), index)) = self.ready.first()
            && tag < least
        {
            self.retag(index, (least, sequence));
        }
        // One that moves to the front changes places with others that were looked at before.
        for place in 0..self.ready.len() {
            if let Some(((tag, sequence), index)) = self.ready.at(place)
                && tag > most
            {
                self.retag(index, (most, sequence));
            }
        }
    }

    fn retag(&mut self, index: u32, key: (Virtual, u64)) {
        if let Some(flow) = self.flows.get_mut(index) {
            flow.finish = key.0;
        }
        self.ready.set(index, key);
    }
}

impl<R: SharedRate> FairQueue<R> {
    /// V follows to the flow's F, and F grows by what the seat is expected to be held.
    pub(super) fn charge(&mut self, index: u32, cost: u32, seats: u32, now: Timestamp) -> RunId {
        self.change(index, |flow| flow.in_flight += 1);
        let prior = self.service_time.or(self.expected);
        let reach = self.reach_with(seats);
        let (mut price, mut charged) = (Weight::from_thousandths(0).price(), Span::default());
        let mut applied = Span::default();
        let floor = self.load.weight_floor();
        if let Some(flow) = self.flows.get_mut(index) {
            price = flow.weight.at_least(floor).price();
            let expected = flow.service_time.or(prior).micros();
            charged = price.of(expected.saturating_mul(u64::from(cost)));
            // One that did not wait may owe from when the sum of the weights was another one: V must not follow to that.
            let before = flow.finish.min(self.virtual_time + reach);
            self.virtual_time = self.virtual_time.max(before);
            flow.finish = (before + charged).min(self.virtual_time + reach);
            applied = flow.finish.since(before);
        }
        self.settle(index, now);
        self.running.insert(Run {
            flow: index,
            cost,
            price,
            charged,
            applied,
            started: now,
        })
    }

    /// What a seat-microsecond costs a flow now: by its weight, but not by less than the floor.
    fn price(&self, flow: &Flow<R>) -> Price {
        flow.weight.at_least(self.load.weight_floor()).price()
    }

    /// The greatest F, with so many seats.
    fn finish_max(&mut self, seats: u32) -> Virtual {
        self.virtual_time + self.reach_with(seats)
    }

    fn reach_with(&mut self, seats: u32) -> Span {
        if seats > 0 {
            self.seats_seen = seats;
        }
        self.reach()
    }

    /// How far from V one who waits may be: 15 s · C / W. While no endpoint may be used, C is what it was: nobody's debt is
    /// forgiven because the endpoints are away for a moment.
    pub(super) fn reach(&self) -> Span {
        let weight = Weight::from_thousandths(self.load.active_weight);
        (weight.price()).of(REACH_MICROS * u64::from(self.seats_seen))
    }
}
