//! Citizens and pools in one order of events.
//!
//! A citizen expects one event at a time: the next request, or whatever comes first of answer, patience, time-out and the
//! end of a place in the queue. A seat that is given out meanwhile replaces it, and what was planned before comes to nothing.

mod requests;

use schleuse_config::Snapshot;
use schleuse_core::{ArrivalTime, Slot, Ticket, Timestamp};
use slab::Slab;

use super::{
    Model,
    agenda::{Agenda, Number},
    calendar::Calendar,
    networks::{Network, SharedRates},
    pool::Pool,
    routes::Routes,
};
use crate::{
    citizen::Citizen,
    clock::nanoseconds,
    draw::{Purpose, Stream},
    record::Record,
    results::{Latencies, PoolSecond, Second},
    schedule::{Arrival as Planned, Arrivals},
    verdict::abort::Watch,
    workload::{Load, Workload},
};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// Between two decisions of the recommender.
const TICK: u64 = 250_000_000;

/// What happens. Small, because a heap moves it about.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A second is over.
    Second,
    /// The citizens of a closed model set out.
    Open,
    /// The next citizen sets out.
    Arrive,
    /// In a closed model, the next one in place of another who is done.
    Replace,
    /// A citizen makes the planned request.
    Request(u32),
    /// The backend has done its work.
    Done(u32),
    /// A citizen has waited long enough.
    Leave(u32),
    /// A place in a queue ends.
    Expire(u32),
    /// A pool wants to be looked at.
    Due(u32),
    /// The recommender decides.
    Decide(u32),
    /// A replica of a pool serves.
    Ready(u32, u32),
}

/// A citizen on a journey.
struct Present {
    citizen: Citizen,
    network: Network,
    /// What the citizen's own network has used of its rate.
    used: ArrivalTime,
    /// The plan that counts; everything else that was planned comes to nothing.
    expected: Number,
    /// When the request at hand is given up, nanoseconds.
    leaves: u64,
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
    /// Why it was ended early.
    pub(super) aborted: Option<String>,
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
    calendar: Calendar,
    routes: Routes,
    shared_rates: SharedRates,
    pools: Vec<Pool>,
    arrivals: Option<Arrivals<'w>>,
    planned: Option<Planned>,
    agenda: Agenda<Event>,
    now: u64,
    /// Nobody sets out after it.
    until: u64,
    present: Slab<Present>,
    record: Record,
    /// Those that are over, and when the one at hand began.
    seconds: Vec<Second>,
    second_began: u64,
    citizens: u64,
    in_system: u64,
    presence: u64,
    counted: u64,
    waits: u64,
    cold_starts: u64,
}

const fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_micros(nanoseconds / 1_000)
}

/// A place in a table as an event holds it; there are fewer than 2^32 of anything.
fn small(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl<'w> World<'w> {
    /// `workload`'s warm-up includes the time ahead of the schedule.
    pub(super) fn new(
        workload: &'w Workload,
        config: &Snapshot,
        model: Model,
        (routes, calendar): (Routes, Calendar),
    ) -> Self {
        let arrivals = match &workload.load {
            Load::Open(schedule) => Some(schedule.arrivals(0, 1)),
            Load::Closed { .. } => None,
        };
        let pools = config.pools.iter().enumerate();
        let pools = pools.map(|(index, pool)| Pool::new(pool, config.plan(index)));
        let ahead = calendar.ahead();
        let mut world = Self {
            routes,
            shared_rates: SharedRates::default(),
            pools: pools.collect(),
            arrivals,
            planned: None,
            agenda: Agenda::new(),
            now: 0,
            until: nanoseconds(workload.load.duration()).saturating_add(ahead),
            present: Slab::new(),
            record: Record::new(workload),
            seconds: Vec::new(),
            second_began: 0,
            citizens: 0,
            in_system: 0,
            presence: 0,
            counted: 0,
            waits: 0,
            cold_starts: 0,
            workload,
            calendar,
            model,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.agenda.plan(SECOND, Event::Second);
        for (index, pool) in self.pools.iter().enumerate() {
            if pool.scaling.is_some() {
                self.agenda.plan(TICK, Event::Decide(small(index)));
            }
        }
        self.agenda.plan(self.calendar.ahead(), Event::Open);
    }

    /// Plays to the end of the drain, or until `watch` has seen a second after which it must not go on.
    pub(super) fn play(mut self, mut watch: Watch) -> Ended {
        let end = self.until.saturating_add(nanoseconds(self.workload.drain));
        let mut aborted = None;
        while let Some((at, number, event)) = self.agenda.pop() {
            if at > end || at > self.until && self.present.is_empty() {
                break;
            }
            self.pass(at);
            self.happen(number, event);
            if let (Event::Second, Some(second)) = (event, self.seconds.last()) {
                aborted = watch.see(second);
            }
            if aborted.is_some() {
                break;
            }
        }
        if aborted.is_none() && !self.present.is_empty() {
            self.pass(end);
        }
        self.finish();
        if self.now > self.second_began {
            self.close_second();
        }
        Ended {
            record: self.record,
            seconds: self.seconds,
            aborted,
            citizens: self.citizens,
            presence: self.presence,
            waits: self.waits,
        }
    }

    /// Time passes; who is in the system is counted on the way.
    fn pass(&mut self, at: u64) {
        let at = at.max(self.now);
        self.presence += self.in_system * (at - self.counted);
        self.counted = at;
        self.now = at;
    }

    fn happen(&mut self, number: Number, event: Event) {
        match event {
            Event::Second => {
                self.close_second();
                self.agenda.plan(self.now + SECOND, Event::Second);
            }
            Event::Open => self.open(),
            Event::Replace => {
                if self.now < self.until {
                    self.arrive(self.citizens);
                }
            }
            Event::Arrive => {
                if let Some(arrival) = self.planned.take() {
                    self.arrive(arrival.citizen);
                    self.plan_arrival();
                }
            }
            Event::Request(who) => self.when(who, number, Self::request),
            Event::Done(who) => self.when(who, number, Self::done),
            Event::Leave(who) => self.when(who, number, Self::leave),
            Event::Expire(who) => self.when(who, number, Self::expire),
            Event::Due(pool) => self.due(pool as usize),
            Event::Decide(pool) => {
                self.decide(pool as usize);
                self.agenda.plan(self.now + TICK, Event::Decide(pool));
            }
            Event::Ready(pool, number) => {
                let now = timestamp(self.now);
                if let Some(state) = self.pools.get_mut(pool as usize) {
                    state.ready(number, now);
                }
                self.dispatch(pool as usize);
            }
        }
    }

    fn open(&mut self) {
        if let Load::Closed { citizens, .. } = &self.workload.load {
            for number in 0..*citizens {
                self.arrive(number);
            }
        }
        self.plan_arrival();
    }

    /// Unless something else came first.
    fn when(&mut self, who: u32, number: Number, then: fn(&mut Self, usize)) {
        let who = who as usize;
        let present = self.present.get(who);
        if present.is_some_and(|present| present.expected == number) {
            then(self, who);
        }
    }
}

impl World<'_> {
    /// Seats go to those who are next, and the pool says when to look again.
    fn dispatch(&mut self, index: usize) {
        let now = timestamp(self.now);
        while let Some(pool) = self.pools.get_mut(index) {
            let Some(grant) = pool
                .state
                .dispatch(&pool.policy, now, self.agenda.planned())
            else {
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
                self.agenda.plan(due, Event::Due(small(index)));
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
        let ordered = pool.decide(now, self.calendar.wall(self.now));
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
            self.agenda.plan(ready, Event::Ready(small(index), number));
        }
    }

    /// The second at hand is over, or its part until the end.
    fn close_second(&mut self) {
        let from = std::mem::replace(&mut self.second_began, self.now);
        let now = timestamp(self.now);
        let mut sum = PoolSecond::default();
        for pool in &self.pools {
            let one = pool.second(now);
            sum.replicas_ready += one.replicas_ready;
            sum.replicas_wanted += one.replicas_wanted;
            sum.waiting += one.waiting;
            sum.in_flight += one.in_flight;
        }
        let record = self.record.seconds.hand_over(from);
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
            gave_up_after: record.gave_up,
            unanswered_after: Latencies::default(),
            own_lag_max_ns: 0,
            workers: Vec::new(),
            pool: Some(sum),
        });
    }
}
