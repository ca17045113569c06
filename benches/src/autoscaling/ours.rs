//! Our recommender in this world: it sees a tick as the proxy's shell would, and decides every 250 ms.

use std::{rc::Rc, time::Duration};

use schleuse_core::{
    Timestamp,
    scale::{
        demand::{Counters, Gauges, Increment, Standing},
        learnt::Learnt,
        plan::{Capacity, Launch, WallTime, need},
        policy::ScalePolicy,
        recommender::{Recommender, Replicas},
    },
};

use super::{
    trace::{LEAD_SECONDS, SEATS, Trace},
    world::{Autoscaler, Seen, TICK},
};

/// 250 ms in ticks.
const PERIOD: u64 = 5;

/// One pool's recommender.
pub(crate) struct Ours {
    policy: ScalePolicy,
    recommender: Recommender,
    /// What the launch plan asks for in each second of the run.
    plan: Option<Rc<Vec<u32>>>,
    tick: u64,
    counters: Counters,
    counted_until: Timestamp,
}

impl Ours {
    pub(crate) fn new(policy: ScalePolicy, learnt: Learnt, plan: Option<Rc<Vec<u32>>>) -> Self {
        Self {
            policy,
            recommender: Recommender::new(learnt, 0, Timestamp::default()),
            plan,
            tick: 0,
            counters: Counters::default(),
            counted_until: Timestamp::default(),
        }
    }
}

/// The policy of the comparison: its bounds and its patience with idle pools are the opponents'.
pub(crate) fn policy(max: u32) -> ScalePolicy {
    ScalePolicy {
        seats_per_replica: SEATS,
        max,
        idle_after: Duration::from_mins(1),
        ..ScalePolicy::default()
    }
}

/// What a pool knows that has started a few times before: its cold start. The prior of the service time happens to be
/// right.
pub(crate) fn experienced() -> Learnt {
    let mut learnt = Learnt::default();
    for tenth in 0..=20 {
        learnt
            .cold_starts
            .record(Duration::from_millis(4_000 + tenth * 100));
    }
    learnt
}

/// What a plan that announces the whole trace asks for, per second of the run.
pub(crate) fn announced(trace: Trace, pool: usize, max: u32) -> Vec<u32> {
    let launch = Launch {
        name: trace.name().to_owned(),
        at: WallTime::from_unix_millis(0),
        arrivals: trace.profile(pool),
        wait_p99: Duration::from_secs(1),
        duration: Duration::from_secs(u64::from(trace.busy_seconds())),
    };
    let capacity = Capacity {
        seats_per_replica: SEATS,
        seat_time: Duration::from_millis(100),
        cold_start_p99: Some(Duration::from_secs(6)),
        replicas_per_second: 20.0,
        margin: Duration::ZERO,
        max,
        utilisation_max: 0.9,
    };
    let launches = [launch];
    (0..LEAD_SECONDS + trace.seconds())
        .map(|second| {
            let millis = (i64::from(second) - i64::from(LEAD_SECONDS)) * 1_000;
            need(&launches, &capacity, WallTime::from_unix_millis(millis)).replicas
        })
        .collect()
}

impl Autoscaler for Ours {
    fn observe(&mut self, seen: &Seen<'_>) -> Option<u32> {
        self.tick += 1;
        let tick_micros = u64::try_from(TICK.as_micros()).unwrap_or(0);
        self.counters.arrivals += seen.arrived;
        self.counters.completions += seen.completed;
        self.counters.seat_micros += seen.busy * tick_micros;
        for &took in &seen.replicas.became_ready {
            self.recommender.learnt.cold_starts.record(took);
        }
        if !self.tick.is_multiple_of(PERIOD) {
            return None;
        }
        let second = usize::try_from(seen.now.as_micros() / 1_000_000).unwrap_or(usize::MAX);
        let plan = self
            .plan
            .as_deref()
            .and_then(|plan| plan.get(second).copied());
        self.recommender.observe(Increment {
            from: self.counted_until,
            to: seen.now,
            counters: std::mem::take(&mut self.counters),
        });
        self.counted_until = seen.now;
        let standing = Standing {
            gauges: Gauges {
                in_flight: seen.busy,
                waiting: seen.waiting,
            },
            silence: None,
        };
        let ages = seen.replicas.starting_ages(seen.now);
        let replicas = Replicas {
            ready: seen.replicas.ready,
            starting: &ages,
            failing_starts: seen.replicas.failing_starts,
        };
        let (_, decision) = self.recommender.decide(
            &self.policy,
            standing,
            replicas,
            plan.unwrap_or(0),
            seen.now,
        );
        (decision.replicas != seen.target).then_some(decision.replicas)
    }
}
