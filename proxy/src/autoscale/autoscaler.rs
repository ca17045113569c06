//! The loop's own state: one [`ScaledPool`] per pool that is scaled, and what follows from its decisions.
//!
//! Within a tick all pools are decided about first and the orders are given afterwards, the greatest backlog first: where
//! orders are scarce, they serve the most people. Between some pools the thread is given back, so that a
//! thousand pools delay neither probes nor wakes. Pools that were woken meanwhile are ordered for at once, together with
//! what the tick has found so far, lest a small backlog of theirs goes before a great one that was known.

use std::{collections::HashMap, sync::Arc};

use rustc_hash::FxHashSet;
use schleuse_config::{Pool as PoolConfig, PoolPlan};
use schleuse_core::{
    Timestamp,
    scale::{order, policy::ScalePolicy, reason::Reason},
};
use tokio::task::yield_now;

use super::{
    launches::{LaunchStatus, Launches},
    learnt_store::LearntStore,
    record::Record,
    sample::Sample,
    scaled::{Decided, ScaledPool},
};
use crate::{
    clock,
    edge::{Edge, Live},
    log::{self, Level},
    provision::Order,
    reference::Reference,
    registry::Pool,
    sources::Offered,
};

/// Pools between two moments in which others may have the thread.
const POOLS_PER_TURN: usize = 32;
/// A pool that rests is decided about once in so many ticks, so that its signal stays fresh: every 4 s.
const RESTING_TICKS: usize = 16;
/// A decision that changes nothing is in the log once in so many microseconds.
const REPEATED_AFTER: u64 = 10 * 60 * 1_000_000;
/// Ticks between two looks whether what was learnt has to be written: a minute.
const TICKS_PER_WRITE: usize = 240;
/// The same after a cold start, the rarest thing that there is to learn: two seconds.
const TICKS_PER_COLD_START: usize = 8;

/// See the head of this file.
pub(super) struct Autoscaler {
    edge: Arc<Edge>,
    pools: HashMap<String, Entry>,
    /// The launches of pools that are not decided about, because nobody knows yet which replicas they have.
    undecided: HashMap<String, Launches>,
    generation: u64,
    ticks: usize,
    /// Orders of this process are numbered through.
    attempts: u64,
    learnt: LearntStore,
    /// A cold start was learnt since the last look at that.
    has_started: bool,
}

/// A pool and what was last done about it.
struct Entry {
    scaled: ScaledPool,
    launches: Launches,
    /// The number of who carried out the last order; none: nobody was there to.
    ordered: Option<u64>,
    logged_at: Option<Timestamp>,
}

/// An order that is due, for whom, and who carries it out.
struct Due {
    pool: Arc<Pool>,
    line: order::Order,
    offered: Offered,
    order: Order,
}

impl Autoscaler {
    /// Reads what earlier processes learnt.
    pub(super) async fn new(edge: Arc<Edge>) -> Self {
        let learnt = LearntStore::read(&edge.live()).await;
        Self {
            edge,
            pools: HashMap::new(),
            undecided: HashMap::new(),
            generation: 0,
            ticks: 0,
            attempts: 0,
            learnt,
            has_started: false,
        }
    }

    /// One tick over all pools.
    pub(super) async fn look_at_all(&mut self) {
        let live = self.edge.live();
        self.ticks = self.ticks.wrapping_add(1);
        if live.generation != self.generation {
            self.follow_config(&live);
        }
        self.look_at_woken();
        let mut due = Vec::new();
        for (index, (pool, config)) in live.pools.iter().zip(&live.snapshot.pools).enumerate() {
            let may_rest = !(self.ticks + index).is_multiple_of(RESTING_TICKS);
            due.extend(self.look_at((pool, config), live.snapshot.plan(index), may_rest));
            if index % POOLS_PER_TURN == POOLS_PER_TURN - 1 {
                yield_now().await;
                due = self.look_at_woken_beside(due);
            }
        }
        self.order_all(due);
        log::flush();
        self.keep_learnt(&live);
    }

    /// The pools that do not want to wait for the tick.
    pub(super) fn look_at_woken(&mut self) {
        self.look_at_woken_beside(Vec::new());
    }

    /// The same while other orders are due: they are given with those of the woken. Returns what is due still.
    fn look_at_woken_beside(&mut self, mut due: Vec<Due>) -> Vec<Due> {
        let woken = self.edge.registry.wakes().take();
        if woken.is_empty() {
            return due;
        }
        let live = self.edge.live();
        for (index, (pool, config)) in live.pools.iter().zip(&live.snapshot.pools).enumerate() {
            if woken.contains(pool.name()) {
                due.extend(self.look_at((pool, config), live.snapshot.plan(index), false));
            }
        }
        self.order_all(due);
        log::flush();
        Vec::new()
    }

    /// Pools that are no longer scaled end here; what they have learnt is kept.
    fn follow_config(&mut self, live: &Live) {
        self.generation = live.generation;
        let pools = live.snapshot.pools.iter();
        let names: FxHashSet<_> = pools
            .filter(|pool| pool.scale.is_some())
            .map(|pool| &*pool.name)
            .collect();
        let scaled = |name: &str| names.contains(name);
        let gone = self.pools.extract_if(|name, _| !scaled(name));
        for (name, entry) in gone {
            self.edge.autoscale.hide(&name);
            end(&self.edge, &name, entry.launches);
            self.learnt.keep(&name, entry.scaled.learnt());
        }
        for (name, launches) in self.undecided.extract_if(|name, _| !scaled(name)) {
            self.edge.autoscale.hide(&name);
            end(&self.edge, &name, launches);
        }
        for (name, launches) in &mut self.undecided {
            launches.note_config();
            self.edge.autoscale.show_launches(name, None);
        }
        for (name, entry) in &mut self.pools {
            entry.scaled.stop_resting();
            entry.launches.note_config();
            self.edge.autoscale.show_launches(name, None);
        }
    }

    /// Decides about one pool; the order that follows.
    fn look_at(
        &mut self,
        (pool, config): (&Arc<Pool>, &PoolConfig),
        plan: Option<&PoolPlan>,
        may_rest: bool,
    ) -> Option<Due> {
        let policy = &config.scale.as_ref()?.policy;
        let now = clock::now();
        let sample = pool.sample(now);
        if !self.pools.contains_key(pool.name()) {
            // Who does not know how many there are must not say how many there should be. An address that stands in a
            // list is none yet: of a pool that sleeps it would be one, and wake it.
            if !sample.is_settled() {
                self.verify_undecided(pool.name(), plan, policy, sample.ready());
                return None;
            }
            self.begin(pool, policy, &sample, now);
        }
        let entry = self.pools.get_mut(pool.name())?;
        let offered = self.edge.sources.provisioner(pool.name());
        let number = offered.as_ref().map(|offered| offered.number);
        let is_served = entry.ordered == number;
        let planned = plan.map(|plan| entry.plan(plan, policy, sample.ready()));
        let asked = planned
            .as_ref()
            .map(|status| status.need)
            .unwrap_or_default();
        let verified = planned
            .as_ref()
            .map(|status| status.verified.clone())
            .unwrap_or_default();
        if plan.is_some() {
            self.edge.autoscale.show_launches(pool.name(), planned);
        }
        let has_launch = asked.in_window || entry.launches.is_judging();
        if may_rest && !has_launch && is_served && entry.scaled.rests(&sample) {
            return None;
        }
        let is_first = entry.logged_at.is_none();
        entry.scaled.learn_seat_times(&pool.take_seat_times());
        let decided = entry.scaled.decide(policy, sample, asked.replicas, now);
        self.edge.signals.publish(pool.name(), decided.signal, now);
        self.has_started |= decided.has_started;
        if decided.evidence.previous == 0 && decided.changed() {
            pool.expect_answers();
        }
        let reasons = &decided.decision.reasons;
        let alarms = entry.launches.judge(pool.name(), plan, &verified, reasons);
        self.edge.alarms.tell(alarms);
        let record = Record::new(policy, &decided.evidence, &decided.decision);
        entry.log(pool.name(), &decided, &record, now);
        let shown = entry.scaled.shown(record, now);
        if let Some(cold_start) = shown.cold_start.filter(|_| decided.has_started || is_first) {
            pool.learn_cold_start(cold_start);
        }
        self.edge.autoscale.show(pool.name(), shown);
        if is_served && !decided.changed() && !pool.is_woken_again() {
            return None;
        }
        entry.ordered = number;
        Some(Due::new(pool.clone(), &decided, offered?))
    }

    /// A pool is decided about from now on.
    fn begin(&mut self, pool: &Pool, policy: &ScalePolicy, sample: &Sample, now: Timestamp) {
        let learnt = self.learnt.of(pool.name());
        if learnt.knows_seat_time() {
            pool.expect_seat_time(learnt.seat_seconds(policy.seat_time));
        }
        let scaled = ScaledPool::new(learnt, sample, now);
        let launches = self.undecided.remove(pool.name()).unwrap_or_default();
        let entry = Entry::new(scaled, launches);
        self.pools.insert(pool.name().to_owned(), entry);
    }

    /// The launches of a pool that is not decided about are verified all the same, by what is known to serve.
    fn verify_undecided(
        &mut self,
        pool: &str,
        plan: Option<&PoolPlan>,
        policy: &ScalePolicy,
        ready: u32,
    ) {
        let Some(plan) = plan else {
            if let Some(launches) = self.undecided.remove(pool) {
                end(&self.edge, pool, launches);
            }
            return;
        };
        let learnt = self.learnt.of(pool);
        let launches = self.undecided.entry(pool.to_owned()).or_default();
        let status = launches.look(plan, policy, &learnt, ready, clock::wall());
        let alarms = launches.judge(pool, Some(plan), &status.verified, &[]);
        self.edge.alarms.tell(alarms);
        self.edge.autoscale.show_launches(pool, Some(status));
    }

    /// Gives orders, those first that serve the most people. They are numbered in this order, so that whoever takes them
    /// can tell which one was given first.
    fn order_all(&mut self, due: Vec<Due>) {
        let mut lines: Vec<_> = (0_u32..)
            .zip(&due)
            .map(|(pool, due)| order::Order { pool, ..due.line })
            .collect();
        order::by_backlog(&mut lines);
        let mut due: Vec<_> = due.into_iter().map(Some).collect();
        for line in lines {
            let place = usize::try_from(line.pool).ok();
            let next = place.and_then(|place| due.get_mut(place)?.take());
            if let Some(next) = next {
                self.attempts += 1;
                next.give(self.attempts);
            }
        }
    }

    fn keep_learnt(&mut self, live: &Live) {
        let every = if self.has_started {
            TICKS_PER_COLD_START
        } else {
            TICKS_PER_WRITE
        };
        if self.ticks.is_multiple_of(every) {
            self.has_started = false;
            self.collect_learnt();
            self.learnt.write(live);
        }
    }

    fn collect_learnt(&mut self) {
        for (name, entry) in &self.pools {
            self.learnt.keep(name, entry.scaled.learnt());
        }
    }

    /// Writes down what was learnt, for the last time.
    pub(super) async fn write_learnt(&mut self) {
        self.collect_learnt();
        self.learnt.finish(&self.edge.live()).await;
    }
}

/// Whoever was told that a launch of the pool is short hears that it is over.
fn end(edge: &Edge, pool: &str, mut launches: Launches) {
    let alarms = launches.judge(pool, None, &[], &[]);
    edge.alarms.tell(alarms);
}

impl Entry {
    fn new(scaled: ScaledPool, launches: Launches) -> Self {
        Self {
            scaled,
            launches,
            ordered: None,
            logged_at: None,
        }
    }

    /// What the launches ask for now.
    fn plan(&mut self, plan: &PoolPlan, policy: &ScalePolicy, ready: u32) -> LaunchStatus {
        let learnt = self.scaled.learnt();
        self.launches
            .look(plan, policy, learnt, ready, clock::wall())
    }

    fn log(&mut self, pool: &str, decided: &Decided, record: &Record, now: Timestamp) {
        let is_old =
            |at: Timestamp| now.as_micros() - at.as_micros().min(now.as_micros()) >= REPEATED_AFTER;
        if decided.changed() || self.logged_at.is_none_or(is_old) {
            self.logged_at = Some(now);
            log::record(
                Level::Info,
                "scale_decided",
                &[("pool", pool)],
                ("decision", record),
            );
        }
    }
}

impl Due {
    fn new(pool: Arc<Pool>, decided: &Decided, offered: Offered) -> Self {
        let (evidence, decision) = (&decided.evidence, &decided.decision);
        // The same number once more: what was ordered before has not come.
        let previous = if decided.changed() {
            evidence.previous
        } else {
            evidence.ready
        };
        Self {
            pool,
            line: order::Order {
                pool: 0,
                replicas: decision.replicas,
                previous,
                waiting: evidence.waiting,
            },
            offered,
            order: Order {
                attempt: 0,
                desired: decision.replicas,
                current: evidence.ready,
                reasons: decision.reasons.iter().map(Reason::label).collect(),
                idempotency_key: Reference::new().as_str().to_owned(),
            },
        }
    }

    fn give(mut self, attempt: u64) {
        self.pool.note_order(attempt);
        self.order.attempt = attempt;
        self.offered.provisioner.scale(self.order);
    }
}
