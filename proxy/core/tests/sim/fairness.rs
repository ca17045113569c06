//! Who got how much: virtual service, measured by what seats were held and not by the queue's own tags.
//!
//! While two flows stay backlogged and eligible, what they were served per weight differs by at most twice the largest
//! (charge + requests in flight · correction) per weight.

use std::collections::BTreeMap;

use schleuse_core::{FlowKey, PoolState, SharedRate, Timestamp};

/// One request in flight, in seconds of one seat at the weight of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) flow: FlowKey,
    pub(crate) weight: f64,
    /// What it was charged when it was dispatched.
    expected: f64,
    cost: f64,
    started: Timestamp,
}

impl Charge {
    /// What a request that was just dispatched was charged: the average of its flow (as of before) divided by its
    /// weight, of which the floor counts in the one that was dispatched.
    pub(crate) fn of<R: SharedRate>(
        pool: &PoolState<R>,
        flow: FlowKey,
        seconds: f64,
        cost: u32,
        now: Timestamp,
    ) -> Self {
        let active = pool
            .flows()
            .filter(|(_, view)| view.waiting + view.in_flight > 0);
        let (weights, count) = active.fold((0.0, 0.0), |(weights, count), (_, view)| {
            (weights + view.weight, count + 1.0)
        });
        let own = pool.flow(flow).map_or(1.0, |view| view.weight);
        let weight = own.max(0.1 * weights / count);
        let cost = f64::from(cost.max(1));
        Self {
            flow,
            weight,
            expected: seconds * cost / weight,
            cost,
            started: now,
        }
    }

    fn used(&self, now: Timestamp) -> f64 {
        (now - self.started).as_secs_f64() * self.cost / self.weight
    }

    /// How much more it has used than it was charged at first.
    fn excess(&self, now: Timestamp) -> f64 {
        self.used(now) - self.expected
    }
}

/// The meter of one pool.
#[derive(Default)]
pub(crate) struct Meter {
    /// Served per flow by requests that departed, since the start.
    departed: BTreeMap<FlowKey, f64>,
    running: BTreeMap<u64, Charge>,
    /// For two flows: the difference of what they had been served when both had become ready.
    pairs: BTreeMap<(FlowKey, FlowKey), f64>,
    /// What each flow counted at the last look.
    weights: BTreeMap<FlowKey, f64>,
    charge_max: f64,
    correction_max: f64,
    in_flight_max: usize,
    pub(crate) compared: u64,
}

impl Meter {
    pub(crate) fn dispatched(&mut self, number: u64, charge: Charge) {
        self.charge_max = self.charge_max.max(charge.expected);
        self.running.insert(number, charge);
        self.in_flight_max = self.in_flight_max.max(self.running.len());
    }

    pub(crate) fn departed(&mut self, number: u64, now: Timestamp) {
        let Some(charge) = self.running.remove(&number) else {
            return;
        };
        self.correction_max = self.correction_max.max(charge.excess(now).abs());
        *self.departed.entry(charge.flow).or_default() += charge.used(now);
    }

    /// Something happened that the bound does not cover: periods begin anew.
    pub(crate) fn restart(&mut self) {
        self.pairs.clear();
    }

    /// A weight that changed gives what is owed another size in virtual time: it counts as one charge then.
    pub(crate) fn weigh(&mut self, flow: FlowKey, weight: f64, ahead: f64) {
        let before = self.weights.insert(flow, weight);
        if before.is_some_and(|before| (before - weight).abs() > f64::EPSILON) {
            self.charge_max = self.charge_max.max(ahead.abs());
            self.restart();
        }
    }

    /// What every flow has been served until now; one in flight counts with at least what it was charged.
    fn served(&mut self, now: Timestamp) -> BTreeMap<FlowKey, f64> {
        let mut served = self.departed.clone();
        for charge in self.running.values() {
            self.correction_max = self.correction_max.max(charge.excess(now));
            *served.entry(charge.flow).or_default() += charge.used(now).max(charge.expected);
        }
        served
    }

    /// Compares all flows that are ready now and were at every look since.
    pub(crate) fn look(&mut self, ready: &[FlowKey], now: Timestamp) {
        let served = self.served(now);
        let of = |flow: &FlowKey| served.get(flow).copied().unwrap_or(0.0);
        self.pairs
            .retain(|(one, other), _| ready.contains(one) && ready.contains(other));
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let in_flight = self.in_flight_max as f64;
        let bound = 2.0 * (self.charge_max + in_flight * self.correction_max) + 1e-9;
        for (place, one) in ready.iter().enumerate() {
            for other in &ready[place + 1..] {
                let pair = (*one.min(other), *one.max(other));
                let difference = of(&pair.0) - of(&pair.1);
                let began = *self.pairs.entry(pair).or_insert(difference);
                self.compared += 1;
                let apart = (difference - began).abs();
                assert!(apart <= bound, "{pair:?} are {apart} apart, bound {bound}");
            }
        }
    }
}
