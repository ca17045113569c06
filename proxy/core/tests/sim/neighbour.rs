//! A tenant whose requests take forty times as long, always with more of them than seats, beside tenants that ask now
//! and then: how long those wait. Arrivals and service times are drawn, so that no two things keep step.
//!
//! A limit in flight is what keeps that short. Rules that need no limit were tried here and left out: decision 0022.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    time::Duration,
};

use schleuse_core::{
    Admission, Arrival, Class, Outcome, PoolPolicy, PoolState, Slot, Ticket, Timestamp,
};

use crate::{
    random::Random,
    scene::{Rate, address, flow},
};

const SEATS: u32 = 40;
/// The number of the slow tenant; the quiet ones follow.
const THE_SLOW: u64 = 0;
const QUIET: u64 = 50;
const SLOW: Duration = Duration::from_secs(2);
const QUICK: Duration = Duration::from_millis(50);
/// Of the slow tenant's, waiting or in flight, at any time.
const BACKLOG: u32 = 100;
const UNTIL: Timestamp = Timestamp::from_micros(60_000_000);

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Quiet,
    Departs(u64),
}

/// The pool they share.
struct Neighbours {
    pool: PoolState<Rate>,
    policy: PoolPolicy,
    random: Random,
    now: Timestamp,
    /// Of the slow one.
    in_flight_max: u32,
    /// Seats that the quiet ones need on average.
    load: f64,
    events: BinaryHeap<Reverse<(Timestamp, Event)>>,
    tickets: HashMap<Ticket, (u64, Timestamp)>,
    held: BTreeMap<u64, (u64, Slot)>,
    present: u32,
    number: u64,
    waits: Vec<Duration>,
}

impl Neighbours {
    fn new(in_flight_max: u32, load: f64) -> Self {
        let mut policy = PoolPolicy {
            concurrency: SEATS,
            ..PoolPolicy::default()
        };
        policy.queue.wait_max = Duration::from_secs(1_000);
        policy.queue.client_share = 100;
        let mut pool = PoolState::new();
        pool.set_endpoints(&policy, &[address(0)], Timestamp::default());
        Self {
            pool,
            policy,
            random: Random::new(7),
            now: Timestamp::default(),
            in_flight_max,
            load,
            events: BinaryHeap::from([Reverse((Timestamp::default(), Event::Quiet))]),
            tickets: HashMap::new(),
            held: BTreeMap::new(),
            present: 0,
            number: 0,
            waits: Vec::new(),
        }
    }

    /// An exponential time of this mean.
    fn draw(&mut self, mean: Duration) -> Duration {
        let part = (f64::from(self.random.small(0..1 << 30)) + 0.5) / f64::from(1 << 30);
        mean.mul_f64(-part.ln())
    }

    fn run(&mut self) {
        while let Some(Reverse((at, event))) = self.events.pop()
            && at < UNTIL
        {
            while let Some(due) = self.pool.due(&self.policy, self.now)
                && due < at
            {
                self.now = due;
                self.pool.tick(&self.policy, due);
                self.dispatch();
            }
            self.now = at;
            match event {
                Event::Quiet => {
                    let tenant = self.random.within(1..QUIET + 1);
                    self.arrive(tenant);
                    let next = self.draw(QUICK.div_f64(self.load));
                    self.events.push(Reverse((self.now + next, Event::Quiet)));
                }
                Event::Departs(number) => self.depart(number),
            }
            while self.present < BACKLOG {
                self.present += 1;
                self.arrive(THE_SLOW);
            }
            self.dispatch();
        }
    }

    fn arrive(&mut self, tenant: u64) {
        let arrival = Arrival {
            flow: flow(tenant),
            generation: 0,
            inhabitants: 1_000,
            class: Class::New,
            client: 0,
            cost: 1,
            bytes: 0,
            in_flight_max: if tenant == THE_SLOW {
                self.in_flight_max
            } else {
                u32::MAX
            },
            rate: None,
            preferred: None,
            draw: self.random.next(),
        };
        match self.pool.arrive(&self.policy, self.now, &arrival) {
            Admission::Go(slot) => self.hold(tenant, self.now, slot),
            Admission::Wait(waiting) => {
                self.tickets.insert(waiting.ticket, (tenant, self.now));
            }
            Admission::Refuse(refused) => panic!("{refused:?}"),
        }
    }

    fn dispatch(&mut self) {
        let draw = self.random.next();
        while let Some(grant) = self.pool.dispatch(&self.policy, self.now, draw) {
            let (tenant, arrived) = self.tickets.remove(&grant.ticket).unwrap();
            self.hold(tenant, arrived, grant.slot);
        }
    }

    fn hold(&mut self, tenant: u64, arrived: Timestamp, slot: Slot) {
        let mean = if tenant == THE_SLOW {
            SLOW
        } else {
            self.waits.push(self.now - arrived);
            QUICK
        };
        let end = self.now + self.draw(mean);
        self.number += 1;
        self.held.insert(self.number, (tenant, slot));
        self.events
            .push(Reverse((end, Event::Departs(self.number))));
    }

    fn depart(&mut self, number: u64) {
        let (tenant, slot) = self.held.remove(&number).unwrap();
        self.present -= u32::from(tenant == THE_SLOW);
        let outcome = Outcome::Answered {
            status: 200,
            first_byte: Duration::from_millis(1),
        };
        self.pool.depart(&self.policy, slot, outcome, self.now);
    }
}

/// The 99th percentile of what the quiet ones wait.
fn wait(in_flight_max: u32, load: f64) -> Duration {
    let mut neighbours = Neighbours::new(in_flight_max, load);
    neighbours.run();
    let waits = &mut neighbours.waits;
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[test]
fn beside_long_requests_with_a_limit_in_flight_quick_ones_wait_less_than_five_service_times_per_seat()
 {
    for load in [2.0, 10.0, 16.0] {
        let wait = wait(SEATS / 4, load);
        assert!(wait <= 5 * QUICK / SEATS, "{load} seats: {wait:?}");
    }
}

/// What `docs/operations.md` advises a limit for.
#[test]
fn beside_long_requests_without_a_limit_quick_ones_wait_for_their_ends() {
    for load in [2.0, 10.0] {
        let wait = wait(u32::MAX, load);
        assert!(wait >= 2 * QUICK, "{load} seats: {wait:?}");
    }
}
