//! What a flow is charged: at dispatch by expectation, every 250 ms and at departure by what became of it.

use std::time::Duration;

use super::{
    FairQueue,
    flow::Standing,
    key,
    running::{Run, RunId},
    virtual_time::{Virtual, Weight},
};
use crate::{Timestamp, rate::SharedRate};

/// How often those in flight are corrected; a slot may run away from its charge that long.
pub(crate) const CORRECTION_INTERVAL: Duration = Duration::from_millis(250);
/// No flow owes more than it would get in this time if all active flows wanted seats: a long outage of one tenant's
/// requests must not lock it out for as long afterwards.
const DEBT_MAX_MICROS: u64 = 15_000_000;
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
}

impl<R: SharedRate> FairQueue<R> {
    /// V follows to the flow's F, and F grows by what the seat is expected to be held.
    pub(super) fn charge(&mut self, index: u32, cost: u32, seats: u32, now: Timestamp) -> RunId {
        self.change(index, |flow| flow.in_flight += 1);
        let load = self.load;
        let prior = self.service_time.or(self.expected);
        let (mut price, mut charged) = (Weight::from_thousandths(0).price(), <_>::default());
        if let Some(flow) = self.flows.get(index) {
            let weight = flow.weight.thousandths().max(load.weight_floor());
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

    /// V + 15 s · C / W. While no endpoint may be used, C is what it was: nobody's debt is forgiven because the endpoints
    /// are away for a moment.
    fn finish_max(&mut self, seats: u32) -> Virtual {
        if seats > 0 {
            self.seats_seen = seats;
        }
        let weight = Weight::from_thousandths(self.load.active_weight);
        self.virtual_time
            + weight
                .price()
                .of(DEBT_MAX_MICROS * u64::from(self.seats_seen))
    }
}
