//! The world that all autoscalers act in, in virtual time: pools with a queue, a cluster that takes so many orders and
//! creates so many replicas a second, clients that give up after ten seconds.
//!
//! Requests are not single objects: each tick of 50 ms has a Poisson number of arrivals and a binomial number of
//! completions (a service time without memory has no need for more), and the queue is a list of ticks with counts. So a
//! day of six million requests takes milliseconds, and is the same day for everybody. Release is ideal, which is kind to
//! those who release all at once.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;
use schleuse_core::{Timestamp, scale::order::Order};

use super::{
    random::{binomial, poisson, stream},
    replicas::Replicas,
    score::Score,
    trace::{LEAD_SECONDS, SEATS, SERVICE_SECONDS, Trace},
};

/// Length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const TICK_SECONDS: f64 = 0.05;
const TICKS_PER_SECOND: u64 = 20;
/// Clients give up after 10 s; who waited longer than 1 s waited too long. In ticks.
const PATIENCE: u64 = 200;
const LATE: u64 = 20;
/// Creations a second, over all pools.
const CREATED_PER_TICK: f64 = 1.0;
/// Orders a second that the cluster's API takes, and how many at once (a controller's default client, 20 and 30).
const ORDERS_PER_TICK: f64 = 1.0;
const ORDERS_AT_ONCE: f64 = 30.0;

/// What an autoscaler sees of its pool in a tick.
pub(crate) struct Seen<'a> {
    pub(crate) now: Timestamp,
    pub(crate) arrived: u64,
    pub(crate) completed: u64,
    pub(crate) busy: u64,
    pub(crate) waiting: u64,
    pub(crate) replicas: &'a Replicas,
    /// What the cluster was last told.
    pub(crate) target: u32,
}

/// One pool's autoscaler.
pub(crate) trait Autoscaler {
    /// Sees a tick, and may want another number of replicas.
    fn observe(&mut self, seen: &Seen<'_>) -> Option<u32>;
}

/// Sorts the orders that are due when not all can be written at once.
pub(crate) type Ordering = fn(&mut [Order]);

struct Pool {
    autoscaler: Box<dyn Autoscaler>,
    arrivals: Rng,
    service: Rng,
    /// (tick, how many of it still wait).
    queue: VecDeque<(u64, u64)>,
    waiting: u64,
    busy: u64,
    replicas: Replicas,
    target: u32,
    /// Wanted and not written yet, and since when.
    wanted: Option<u32>,
    upwards: Option<bool>,
    late_second: Option<u64>,
    needed: Vec<u32>,
}

/// Runs one trace with one seed.
pub(crate) fn run(
    trace: Trace,
    pools: usize,
    seed: u64,
    autoscaler: &dyn Fn(usize) -> Box<dyn Autoscaler>,
    ordering: Ordering,
) -> Score {
    let number = Trace::SEVEN
        .iter()
        .position(|one| *one == trace)
        .unwrap_or(7);
    let mut cluster = stream(seed, number, pools, 2);
    let broken = trace.broken_seconds();
    let mut world = World {
        trace,
        broken_until: broken.map_or(0, |range| LEAD_SECONDS + cluster.u32(range)),
        pools: (0..pools)
            .map(|pool| Pool {
                autoscaler: autoscaler(pool),
                arrivals: stream(seed, number, pool, 0),
                service: stream(seed, number, pool, 1),
                queue: VecDeque::new(),
                waiting: 0,
                busy: 0,
                replicas: Replicas::default(),
                target: 0,
                wanted: None,
                upwards: None,
                late_second: None,
                needed: trace.needed(pool),
            })
            .collect(),
        cluster,
        creations: VecDeque::new(),
        orders: ORDERS_AT_ONCE,
        creatable: 0.0,
        ordering,
        score: Score {
            runs: 1,
            ..Score::default()
        },
        most: (0, 0),
        due: Vec::new(),
    };
    let ticks = u64::from(LEAD_SECONDS + trace.seconds()) * TICKS_PER_SECOND;
    for tick in 0..ticks {
        world.tick(tick);
    }
    world.score()
}

struct World {
    trace: Trace,
    /// Starts fail until this second.
    broken_until: u32,
    pools: Vec<Pool>,
    cluster: Rng,
    /// Pools whose replicas are to be created, in order.
    creations: VecDeque<usize>,
    orders: f64,
    creatable: f64,
    ordering: Ordering,
    score: Score,
    /// The most replicas that existed, and that were needed.
    most: (u32, u32),
    /// Pools with an order that is not written yet, in the order in which they wanted it.
    due: Vec<u32>,
}

impl World {
    fn tick(&mut self, tick: u64) {
        let now = Timestamp::default() + TICK * u32::try_from(tick).unwrap_or(u32::MAX);
        let second = usize::try_from(tick / TICKS_PER_SECOND).unwrap_or(usize::MAX);
        let broken = second < self.broken_until as usize;
        let (mut existing, mut needed) = (0, 0);
        for (number, pool) in self.pools.iter_mut().enumerate() {
            pool.replicas.tick(&mut self.cluster, broken, now);
            let (arrived, completed) = pool.serve(self.trace, number, tick, &mut self.score);
            let seen = Seen {
                now: now + TICK,
                arrived,
                completed,
                busy: pool.busy,
                waiting: pool.waiting,
                replicas: &pool.replicas,
                target: pool.target,
            };
            if let Some(wanted) = pool.autoscaler.observe(&seen) {
                if pool.wanted.is_none() {
                    self.due.push(u32::try_from(number).unwrap_or(u32::MAX));
                }
                pool.wanted = Some(wanted);
            }
            let need = pool.needed.get(second).copied().unwrap_or(0);
            let created = pool.replicas.created();
            self.score.over += f64::from(created.saturating_sub(need)) * TICK_SECONDS;
            self.score.under += f64::from(need.saturating_sub(pool.replicas.ready)) * TICK_SECONDS;
            existing += created;
            needed += need;
        }
        self.most = (self.most.0.max(existing), self.most.1.max(needed));
        self.write(now + TICK);
        self.create(broken, now + TICK);
    }

    /// Writes as many orders as the API takes.
    fn write(&mut self, now: Timestamp) {
        self.orders = (self.orders + ORDERS_PER_TICK).min(ORDERS_AT_ONCE);
        if self.due.is_empty() || self.orders < 1.0 {
            return;
        }
        let mut orders: Vec<Order> = std::mem::take(&mut self.due)
            .into_iter()
            .filter_map(|number| {
                let pool = self.pools.get(number as usize)?;
                Some(Order {
                    pool: number,
                    replicas: pool.wanted?,
                    previous: pool.target,
                    waiting: pool.waiting,
                })
            })
            .filter(|order| order.replicas != order.previous)
            .collect();
        (self.ordering)(&mut orders);
        for order in orders {
            let Some(pool) = self.pools.get_mut(order.pool as usize) else {
                continue;
            };
            if self.orders < 1.0 {
                self.due.push(order.pool);
                continue;
            }
            self.orders -= 1.0;
            self.score.writes += 1;
            let upwards = order.replicas > order.previous;
            self.score.turns += u64::from(pool.upwards.is_some_and(|before| before != upwards));
            pool.upwards = Some(upwards);
            (pool.target, pool.wanted) = (order.replicas, None);
            let more = pool.replicas.set(order.replicas, now);
            self.creations
                .extend((0..more).map(|_| order.pool as usize));
        }
        // An order that was overtaken by its own reversal is none.
        for (number, pool) in self.pools.iter_mut().enumerate() {
            if pool.wanted == Some(pool.target) {
                pool.wanted = None;
                self.due.retain(|&due| due as usize != number);
            }
        }
    }

    /// Creates as many replicas as the cluster manages.
    fn create(&mut self, broken: bool, now: Timestamp) {
        self.creatable = (self.creatable + CREATED_PER_TICK).min(1.0);
        while self.creatable >= 1.0 {
            let Some(number) = self.creations.pop_front() else {
                return;
            };
            let created = self
                .pools
                .get_mut(number)
                .is_some_and(|pool| pool.replicas.create(&mut self.cluster, broken, now));
            self.creatable -= f64::from(u8::from(created));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a thousand pools")]
    fn score(mut self) -> Score {
        self.score.late_seconds /= self.pools.len().max(1) as f64;
        self.score.peak = f64::from(self.most.0) / f64::from(self.most.1.max(1));
        self.score
    }
}

impl Pool {
    /// Arrivals, completions, releases and departures of one tick; gives (arrived, completed).
    fn serve(&mut self, trace: Trace, number: usize, tick: u64, score: &mut Score) -> (u64, u64) {
        #[expect(clippy::cast_precision_loss, reason = "thousands of ticks")]
        let time = (tick as f64 + 0.5) * TICK_SECONDS - f64::from(LEAD_SECONDS);
        let arrived = poisson(&mut self.arrivals, trace.rate(number, time) * TICK_SECONDS);
        let completed = binomial(&mut self.service, self.busy, TICK_SECONDS / SERVICE_SECONDS);
        self.busy -= completed;
        score.arrived += arrived;
        if arrived > 0 {
            self.queue.push_back((tick, arrived));
            self.waiting += arrived;
        }
        let seats = u64::from(self.replicas.ready) * u64::from(SEATS);
        self.release(seats.saturating_sub(self.busy), tick, score);
        while let Some(&(since, count)) = self.queue.front()
            && tick - since >= PATIENCE
        {
            self.queue.pop_front();
            self.waiting -= count;
            score.lost += count;
            self.late(tick, score);
        }
        if self
            .queue
            .front()
            .is_some_and(|&(since, _)| tick - since > LATE)
        {
            self.late(tick, score);
        }
        (arrived, completed)
    }

    /// Gives `free` seats to those who wait, in order.
    fn release(&mut self, mut free: u64, tick: u64, score: &mut Score) {
        while free > 0
            && let Some((since, count)) = self.queue.front_mut()
        {
            let released = free.min(*count);
            let late = tick - *since > LATE;
            (free, *count) = (free - released, *count - released);
            self.busy += released;
            self.waiting -= released;
            if *count == 0 {
                self.queue.pop_front();
            }
            if late {
                self.late(tick, score);
            }
        }
    }

    /// Somebody has waited too long in this second; it counts once.
    fn late(&mut self, tick: u64, score: &mut Score) {
        let second = tick / TICKS_PER_SECOND;
        if self.late_second != Some(second) {
            self.late_second = Some(second);
            score.late_seconds += 1.0;
        }
    }
}
