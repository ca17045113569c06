//! The memory of one pool between two decisions: it turns what was reported into [`Evidence`] and keeps what later
//! decisions are held by.
//!
//! The split is what makes decisions explainable: all history is here, all judgement in [`decide`], and what passes
//! between them is one plain value that a log line can hold.

use std::time::Duration;

use super::{
    arrivals::Arrivals,
    decide::{Decision, Evidence, decide},
    demand::{Counters, FORGOTTEN_AFTER, Increment, Standing},
    learnt::Learnt,
    peaks::Peaks,
    policy::ScalePolicy,
};
use crate::Timestamp;

/// A descent is bounded per minute; the sliding maximum may forget a sixteenth early.
const MINUTE: Duration = Duration::from_secs(64);
/// Lines through arrivals cover twice the cold start, within these bounds.
const LINE_MIN: Duration = Duration::from_secs(5);
const LINE_MAX: Duration = Duration::from_mins(1);

/// The replicas of a pool as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicas<'a> {
    /// Those that serve.
    pub ready: u32,
    /// Those that were ordered and do not serve yet: how long ago each was.
    pub starting: &'a [Duration],
    /// Starts that failed since the last one that succeeded.
    pub failing_starts: u32,
}

/// Recommends for one pool.
#[derive(Clone, Debug, Default)]
pub struct Recommender {
    /// What it has learnt; persisted by the shell.
    pub learnt: Learnt,
    arrivals: Arrivals,
    /// Counted since the last decision: completions and seat time.
    counted: Counters,
    wanted: Peaks,
    decided: Peaks,
    previous: u32,
    raised_at: Option<Timestamp>,
    trials: u32,
    active_at: Option<Timestamp>,
    woken_at: Option<Timestamp>,
    decided_at: Option<Timestamp>,
}

impl Recommender {
    /// One that starts with what an earlier process learnt, and with the replicas that are there.
    pub fn new(learnt: Learnt, replicas: u32, now: Timestamp) -> Self {
        let mut recommender = Self {
            learnt,
            previous: replicas,
            // Replicas that are there were wanted by somebody; a sleeping pool stays asleep.
            active_at: (replicas > 0).then_some(now),
            ..Self::default()
        };
        recommender.decided.record(MINUTE, now, replicas);
        recommender.wanted.record(MINUTE, now, replicas);
        recommender
    }

    /// Takes what an instance counted.
    pub fn observe(&mut self, increment: Increment) {
        let counters = increment.counters;
        self.arrivals
            .add(counters.arrivals, increment.from, increment.to);
        self.counted += counters;
        if counters.arrivals > 0 {
            self.active_at = self.active_at.max(Some(increment.to));
        }
    }

    /// Decides at `now`: due after every slice, and at once when a sleeping pool gets its first request. `plan` is what
    /// a launch plan asks for now, or 0.
    ///
    /// Returns the evidence beside the decision, for the log: [`decide`] gives the same decision for it again.
    pub fn decide(
        &mut self,
        policy: &ScalePolicy,
        standing: Standing,
        replicas: Replicas<'_>,
        plan: u32,
        now: Timestamp,
    ) -> (Evidence, Decision) {
        self.learn(policy, standing, replicas.ready, now);
        if standing.gauges.waiting > 0 || standing.gauges.in_flight > 0 {
            self.active_at = self.active_at.max(Some(now));
        }
        if standing
            .silence
            .is_some_and(|silence| silence >= FORGOTTEN_AFTER)
        {
            self.arrivals.interrupt();
        }
        let evidence = self.evidence(policy, standing, replicas, plan, now);
        let decision = decide(policy, &evidence);
        self.remember(policy, &evidence, &decision, now);
        (evidence, decision)
    }

    /// The last decision.
    pub fn replicas(&self) -> u32 {
        self.previous
    }

    fn learn(&mut self, policy: &ScalePolicy, standing: Standing, ready: u32, now: Timestamp) {
        let elapsed = self
            .decided_at
            .map_or(Duration::ZERO, |before| now - before);
        let seats = u64::from(ready) * u64::from(policy.seats_per_replica.max(1));
        let loaded = ready > 0 && standing.gauges.in_flight.saturating_mul(2) >= seats;
        let counted = std::mem::take(&mut self.counted);
        self.learnt.count(counted, elapsed, loaded);
        self.decided_at = Some(now);
    }

    fn evidence(
        &mut self,
        policy: &ScalePolicy,
        standing: Standing,
        replicas: Replicas<'_>,
        plan: u32,
        now: Timestamp,
    ) -> Evidence {
        let cold_start = self.learnt.cold_start(0.9, policy.cold_start);
        let window = (cold_start * 2).clamp(LINE_MIN, LINE_MAX);
        let starting_seconds = replicas
            .starting
            .iter()
            .map(|&age| age.min(cold_start).as_secs_f64())
            .sum();
        Evidence {
            arrivals: self.arrivals.evidence(window, now),
            seat_seconds: self.learnt.seat_seconds(policy.seat_time),
            cold_start_seconds: cold_start.as_secs_f64(),
            waiting: standing.gauges.waiting,
            in_flight: standing.gauges.in_flight,
            ready: replicas.ready,
            starting: count(replicas.starting.iter()),
            stuck: count(
                replicas
                    .starting
                    .iter()
                    .filter(|&&age| age > cold_start * 2),
            ),
            starting_seconds,
            failing_starts: replicas.failing_starts,
            trials: self.trials,
            raised: self.raised_at.map_or(Duration::MAX, |raised| now - raised),
            silence: standing.silence,
            idle: self.active_at.map_or(Duration::MAX, |active| now - active),
            awake: self.woken_at.map(|woken| now - woken),
            plan,
            previous: self.previous,
            held: self.wanted.greatest(policy.hold_down, now),
            descent_from: self.decided.greatest(MINUTE, now),
        }
    }

    fn remember(
        &mut self,
        policy: &ScalePolicy,
        evidence: &Evidence,
        decision: &Decision,
        now: Timestamp,
    ) {
        // While somebody is missing, what is wanted is too little: it must not be what a later descent goes by.
        let wanted = if evidence.silence.is_some() {
            decision.wanted.max(decision.replicas)
        } else {
            decision.wanted
        };
        self.wanted.record(policy.hold_down, now, wanted);
        self.decided.record(MINUTE, now, decision.replicas);
        match (self.previous, decision.replicas) {
            (_, 0) => self.woken_at = None,
            (0, _) => self.woken_at = Some(now),
            _ => {}
        }
        if !policy.failing(evidence.failing_starts) {
            self.trials = 0;
        }
        if decision.replicas > self.previous {
            self.raised_at = Some(now);
            self.trials += u32::from(policy.failing(evidence.failing_starts));
        }
        self.previous = decision.replicas;
    }
}

fn count<'a>(ages: impl Iterator<Item = &'a Duration>) -> u32 {
    u32::try_from(ages.count()).unwrap_or(u32::MAX)
}
