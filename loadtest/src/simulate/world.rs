//! Citizens and pools in one order of events.
//!
//! An event is a time and a small value in one heap; those of one moment happen in the order in which they were planned, so
//! that a seed is a run. What a citizen waits for may end in several ways (answer, patience, time-out, the end of a place in
//! the queue): whichever comes first moves the citizen's `turn` on, and the others find that they are too late.

mod requests;

use std::{cmp::Reverse, collections::BinaryHeap};

use schleuse_config::Snapshot;
use schleuse_core::{Slot, Ticket, Timestamp};
use slab::Slab;

use super::{
    Model,
    pool::Pool,
    routes::{self, Route},
};
use crate::{
    citizen::Citizen,
    clock::nanoseconds,
    draw::{Purpose, Stream},
    record::Record,
    results::{PoolSecond, Second},
    schedule::{Arrival as Planned, Arrivals},
    workload::{Load, Workload},
};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// Between two decisions of the recommender.
const TICK: u64 = 250_000_000;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A second is over.
    Second,
    /// The next citizen sets out.
    Arrive,
    /// A citizen makes the planned request.
    Request { who: usize, turn: u64 },
    /// The backend has done its work.
    Done { who: usize, turn: u64 },
    /// A citizen has waited long enough.
    Leave { who: usize, turn: u64 },
    /// A place in a queue ends.
    Expire { who: usize, turn: u64 },
    /// A pool wants to be looked at.
    Due { pool: usize },
    /// The recommender decides.
    Decide { pool: usize },
    /// A replica serves.
    Ready { pool: usize, number: u32 },
}

/// A citizen on a journey.
struct Present {
    citizen: Citizen,
    turn: u64,
    place: Place,
}

enum Place {
    Thinking,
    Waiting { pool: usize, ticket: Ticket },
    Served { pool: usize, slot: Slot },
}

/// What is left when it is over.
pub(super) struct Ended {
    pub(super) record: Record,
    pub(super) seconds: Vec<Second>,
    pub(super) citizens: u64,
    /// ∫N dt, N requests in the system.
    pub(super) presence: u64,
    /// Σ time of each request in the system.
    pub(super) waits: u64,
}

/// See the head of this file.
pub(super) struct World<'w> {
    workload: &'w Workload,
    model: Model,
    routes: Vec<Route>,
    pools: Vec<Pool>,
    arrivals: Option<Arrivals<'w>>,
    planned: Option<Planned>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    now: u64,
    /// No request is planned after it.
    until: u64,
    present: Slab<Present>,
    record: Record,
    seconds: Vec<Second>,
    citizens: u64,
    in_system: u64,
    presence: u64,
    counted: u64,
    waits: u64,
    cold_starts: u64,
    /// Numbers of turns; places of those who left are used again, turns are not.
    turns: u64,
}

const fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_micros(nanoseconds / 1_000)
}

impl<'w> World<'w> {
    pub(super) fn new(
        workload: &'w Workload,
        config: &Snapshot,
        model: Model,
    ) -> Result<Self, String> {
        let arrivals = match &workload.load {
            Load::Open(schedule) => Some(schedule.arrivals(0, 1)),
            Load::Closed { .. } => None,
        };
        let mut world = Self {
            routes: routes::of_tenants(workload, config)?,
            pools: config.pools.iter().map(|pool| Pool::new(pool)).collect(),
            arrivals,
            planned: None,
            events: BinaryHeap::new(),
            order: 0,
            now: 0,
            until: nanoseconds(workload.load.duration()),
            present: Slab::new(),
            record: Record::new(workload),
            seconds: Vec::new(),
            citizens: 0,
            in_system: 0,
            presence: 0,
            counted: 0,
            waits: 0,
            cold_starts: 0,
            turns: 0,
            workload,
            model,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.plan(SECOND, Event::Second);
        for pool in 0..self.pools.len() {
            if self
                .pools
                .get(pool)
                .is_some_and(|pool| pool.scaling.is_some())
            {
                self.plan(TICK, Event::Decide { pool });
            }
        }
        if let Load::Closed { citizens, .. } = &self.workload.load {
            for number in 0..*citizens {
                self.arrive(number);
            }
        }
        self.plan_arrival();
    }

    /// Plays to the end of the drain.
    pub(super) fn play(mut self) -> Ended {
        let end = self.until.saturating_add(nanoseconds(self.workload.drain));
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > end || at > self.until && self.present.is_empty() {
                break;
            }
            self.pass(at);
            self.happen(event);
        }
        if !self.present.is_empty() {
            self.pass(end);
        }
        self.finish();
        Ended {
            record: self.record,
            seconds: self.seconds,
            citizens: self.citizens,
            presence: self.presence,
            waits: self.waits,
        }
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Time passes; who is in the system is counted on the way.
    fn pass(&mut self, at: u64) {
        let at = at.max(self.now);
        self.presence += self.in_system * (at - self.counted);
        self.counted = at;
        self.now = at;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Second => self.end_second(),
            Event::Arrive => {
                if let Some(arrival) = self.planned.take() {
                    self.arrive(arrival.citizen);
                    self.plan_arrival();
                }
            }
            Event::Request { who, turn } => self.when(who, turn, Self::request),
            Event::Done { who, turn } => self.when(who, turn, Self::done),
            Event::Leave { who, turn } => self.when(who, turn, Self::leave),
            Event::Expire { who, turn } => self.when(who, turn, Self::expire),
            Event::Due { pool } => self.due(pool),
            Event::Decide { pool } => {
                self.decide(pool);
                self.plan(self.now + TICK, Event::Decide { pool });
            }
            Event::Ready { pool, number } => {
                let now = timestamp(self.now);
                if let Some(state) = self.pools.get_mut(pool) {
                    state.ready(number, now);
                }
                self.dispatch(pool);
            }
        }
    }

    /// Unless something else came first.
    fn when(&mut self, who: usize, turn: u64, then: fn(&mut Self, usize)) {
        if self
            .present
            .get(who)
            .is_some_and(|present| present.turn == turn)
        {
            then(self, who);
        }
    }
}

impl World<'_> {
    /// Seats go to those who are next, and the pool says when to look again.
    fn dispatch(&mut self, index: usize) {
        let now = timestamp(self.now);
        while let Some(pool) = self.pools.get_mut(index) {
            let Some(grant) = pool.state.dispatch(&pool.policy, now, self.order) else {
                break;
            };
            if let Some(who) = pool.tickets.remove(&grant.ticket) {
                self.serve(who, index, grant.slot);
            }
        }
        self.look_at(index);
    }

    /// After every event of a pool: whoever waits in vain is told so, a wake is heard, the next look is planned.
    fn look_at(&mut self, index: usize) {
        let now = timestamp(self.now);
        while let Some(pool) = self.pools.get_mut(index) {
            let Some((ticket, refused)) = pool.state.turn_away(&pool.policy, now) else {
                break;
            };
            if let Some(who) = pool.tickets.remove(&ticket) {
                self.refused(who, refused);
            }
        }
        let Some(pool) = self.pools.get_mut(index) else {
            return;
        };
        let mut woken = false;
        while pool.state.take_news().is_some() {
            woken = true;
        }
        if let Some(due) = pool.state.due(&pool.policy, now) {
            let due = due.as_micros().saturating_mul(1_000).max(self.now + 1);
            if pool
                .armed
                .is_none_or(|armed| armed > due || armed <= self.now)
            {
                pool.armed = Some(due);
                self.plan(due, Event::Due { pool: index });
            }
        }
        if woken {
            self.decide(index);
        }
    }

    fn due(&mut self, index: usize) {
        let now = timestamp(self.now);
        if let Some(pool) = self.pools.get_mut(index)
            && pool.armed == Some(self.now)
        {
            pool.armed = None;
            pool.state.tick(&pool.policy, now);
            self.dispatch(index);
        }
    }

    /// The recommender decides, and replicas begin to start.
    fn decide(&mut self, index: usize) {
        let now = timestamp(self.now);
        let Some(pool) = self.pools.get_mut(index) else {
            return;
        };
        let usual = pool
            .scaling
            .as_ref()
            .map(|scaling| scaling.policy.cold_start);
        let ordered = pool.decide(now);
        for number in ordered {
            let took = match &self.model.cold_start {
                Some(distribution) => {
                    self.cold_starts += 1;
                    let purpose = Purpose::Service(u16::MAX);
                    let mut stream = Stream::new(self.workload.seed, self.cold_starts, purpose);
                    distribution.draw(&mut stream)
                }
                None => usual.unwrap_or_default(),
            };
            let ready = self.now.saturating_add(nanoseconds(took));
            self.plan(
                ready,
                Event::Ready {
                    pool: index,
                    number,
                },
            );
        }
    }

    fn end_second(&mut self) {
        let from = self.now.saturating_sub(SECOND);
        let now = timestamp(self.now);
        let mut sum = PoolSecond::default();
        for pool in &self.pools {
            let one = pool.second(now);
            sum.replicas_ready += one.replicas_ready;
            sum.replicas_wanted += one.replicas_wanted;
            sum.waiting += one.waiting;
            sum.in_flight += one.in_flight;
        }
        let record = self.record.seconds.close(from, 0, (0, 0), SECOND);
        let warm_up = i64::try_from(self.workload.warm_up.as_secs()).unwrap_or(i64::MAX);
        let number = i64::try_from(from / SECOND).unwrap_or(i64::MAX);
        self.seconds.push(Second {
            at_seconds: number.saturating_sub(warm_up),
            offered: record.offered,
            sent: record.sent,
            answered: record.answered,
            failed: record.failed,
            abandoned: record.abandoned,
            not_sent: record.not_sent,
            in_flight: record.in_flight,
            waiting: sum.waiting,
            response: record.response,
            own_lag_max_ns: 0,
            workers: Vec::new(),
            pool: Some(sum),
        });
        self.plan(self.now + SECOND, Event::Second);
    }
}
