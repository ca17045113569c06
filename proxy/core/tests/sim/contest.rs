//! A pool whose flows have demands and service times that a test decides: who gets how much of it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    time::Duration,
};

use schleuse_core::{
    Admission, Arrival, Class, FairBy, FlowKey, FlowView, Outcome, PoolPolicy, PoolState, Slot,
    Ticket, Timestamp,
};

use crate::{
    fairness::{Charge, Meter},
    scene::{Rate, address, flow},
};

/// What one flow wants, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) inhabitants: u64,
    pub(crate) cost: u32,
    /// How long each of its requests holds a seat.
    pub(crate) service: Duration,
    pub(crate) in_flight_max: u32,
    /// By second, and then over again: how many of its requests are there at once, waiting or in flight.
    pub(crate) demand: Vec<u32>,
}

impl Contestant {
    /// Always a hundred requests.
    pub(crate) fn flood(inhabitants: u64, service: Duration) -> Self {
        Self {
            inhabitants,
            cost: 1,
            service,
            in_flight_max: u32::MAX,
            demand: vec![100],
        }
    }
}

/// What a flow got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    /// Seconds of seats.
    pub(crate) seconds: f64,
    pub(crate) waits: Vec<Duration>,
}

/// The contest.
pub(crate) struct Contest {
    pool: PoolState<Rate>,
    pub(crate) policy: PoolPolicy,
    contestants: Vec<Contestant>,
    now: Timestamp,
    tickets: HashMap<Ticket, (usize, Timestamp)>,
    ends: BinaryHeap<Reverse<(Timestamp, u64)>>,
    held: BTreeMap<u64, (usize, Slot)>,
    present: Vec<u32>,
    number: u64,
    pub(crate) meter: Meter,
    pub(crate) got: Vec<Got>,
}

impl Contest {
    pub(crate) fn new(seats: u32, fair_by: FairBy, contestants: Vec<Contestant>) -> Self {
        let mut policy = PoolPolicy {
            concurrency: seats,
            ..PoolPolicy::default()
        };
        policy.queue.fair_by = fair_by;
        policy.queue.wait_max = Duration::from_secs(1_000_000);
        policy.queue.client_share = 100;
        let mut pool = PoolState::new();
        pool.set_endpoints(&policy, &[address(0)], Timestamp::default());
        Self {
            pool,
            policy,
            now: Timestamp::default(),
            tickets: HashMap::new(),
            ends: BinaryHeap::new(),
            held: BTreeMap::new(),
            present: vec![0; contestants.len()],
            number: 0,
            meter: Meter::default(),
            got: vec![Got::default(); contestants.len()],
            contestants,
        }
    }

    /// Runs until then, comparing all flows that stay ready at each event.
    pub(crate) fn run(&mut self, until: Timestamp) {
        while self.now < until {
            self.arrive();
            self.dispatch();
            let departure = self.ends.peek().map(|Reverse((end, _))| *end);
            let due = self.pool.due(&self.policy, self.now);
            let second = Timestamp::from_micros((self.now.as_micros() / 1_000_000 + 1) * 1_000_000);
            let next = [departure, due].into_iter().flatten().min();
            self.now = next.unwrap_or(second).min(second).max(self.now);
            if due.is_some_and(|due| due <= self.now) {
                self.pool.tick(&self.policy, self.now);
            }
            self.depart();
        }
    }

    fn arrive(&mut self) {
        let second = usize::try_from(self.now.as_micros() / 1_000_000).unwrap();
        for index in 0..self.contestants.len() {
            let demand = &self.contestants[index].demand;
            let wanted = demand[second % demand.len()];
            for _ in self.present[index]..wanted {
                self.arrive_one(index);
            }
        }
    }

    fn arrive_one(&mut self, index: usize) {
        self.present[index] += 1;
        self.number += 1;
        let contestant = &self.contestants[index];
        let arrival = Arrival {
            flow: flow(index as u64),
            generation: 0,
            inhabitants: contestant.inhabitants,
            class: Class::New,
            client: 0,
            cost: contestant.cost,
            bytes: 0,
            in_flight_max: contestant.in_flight_max,
            rate: None,
            preferred: None,
            draw: self.number,
        };
        let seconds = self.expected_seconds(index);
        match self.pool.arrive(&self.policy, self.now, &arrival) {
            Admission::Go(slot) => {
                self.hold(index, self.now, seconds, slot);
                self.look();
            }
            Admission::Wait(waiting) => {
                self.tickets.insert(waiting.ticket, (index, self.now));
            }
            Admission::Refuse(refused) => panic!("{refused:?}"),
        }
    }

    fn dispatch(&mut self) {
        loop {
            let seconds: Vec<f64> = (0..self.contestants.len())
                .map(|index| self.expected_seconds(index))
                .collect();
            let Some(grant) = self.pool.dispatch(&self.policy, self.now, self.number) else {
                return;
            };
            let (index, arrived) = self.tickets.remove(&grant.ticket).unwrap();
            self.hold(index, arrived, seconds[index], grant.slot);
            self.look();
        }
    }

    fn hold(&mut self, index: usize, arrived: Timestamp, seconds: f64, slot: Slot) {
        self.number += 1;
        let contestant = &self.contestants[index];
        let key = flow(index as u64);
        let charge = Charge::of(&self.pool, key, seconds, contestant.cost, self.now);
        self.meter.dispatched(self.number, charge);
        self.got[index].waits.push(self.now - arrived);
        let end = self.now + contestant.service;
        self.ends.push(Reverse((end, self.number)));
        self.held.insert(self.number, (index, slot));
    }

    fn depart(&mut self) {
        while let Some(Reverse((end, number))) = self.ends.peek().copied()
            && end <= self.now
        {
            self.ends.pop();
            let (index, slot) = self.held.remove(&number).unwrap();
            self.got[index].seconds += (self.now - slot.started).as_secs_f64();
            self.present[index] -= 1;
            self.meter.departed(number, self.now);
            let outcome = Outcome::Answered {
                status: 200,
                first_byte: Duration::from_millis(1),
            };
            self.pool.depart(&self.policy, slot, outcome, self.now);
        }
    }

    fn look(&mut self) {
        if self.policy.queue.fair_by == FairBy::None {
            return;
        }
        let ready: Vec<FlowKey> = self
            .pool
            .flows()
            .filter(|(_, view)| view.waiting > 0 && !view.limited)
            .map(|(key, _)| key)
            .collect();
        let weights = self
            .pool
            .flows()
            .filter(|(_, view)| view.waiting + view.in_flight > 0);
        let weights: f64 = weights.map(|(_, view)| view.weight).sum();
        let cap = 15.0 * f64::from(self.policy.concurrency) / weights;
        let far = |(key, view): &(FlowKey, FlowView)| {
            view.ahead > 0.5 * cap || view.ahead < -0.5 * cap && ready.contains(key)
        };
        if self.pool.flows().any(|flow| far(&flow)) {
            self.meter.restart();
        } else {
            self.meter.look(&ready, self.now);
        }
    }

    fn expected_seconds(&self, index: usize) -> f64 {
        let own = self
            .pool
            .flow(flow(index as u64))
            .map(|view| view.service_time);
        let own = own.filter(|own| !own.is_zero());
        let prior = || self.pool.queue(&self.policy, self.now).service_time;
        own.unwrap_or_else(prior).as_secs_f64()
    }
}
