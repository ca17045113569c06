//! A pool that is reported on slice by slice, and evidence to start from.

use std::time::Duration;

use schleuse_core::{
    Timestamp,
    scale::{
        arrivals::{ArrivalEvidence, SLICE, WINDOWS},
        decide::{Decision, Evidence},
        demand::{Counters, Gauges, Increment, Standing},
        policy::ScalePolicy,
        reason::Reason,
        recommender::{Recommender, Replicas},
    },
};

/// Twenty seats, 100 ms per request, ready after five seconds, up to a hundred replicas.
pub(crate) fn policy() -> ScalePolicy {
    ScalePolicy {
        cold_start: Duration::from_secs(5),
        max: 100,
        ..ScalePolicy::default()
    }
}

/// A steady rate that has always been there.
pub(crate) fn steady(rate: u32) -> ArrivalEvidence {
    let rate = u64::from(rate);
    ArrivalEvidence {
        counts: WINDOWS.map(|slices| rate * slices as u64 / 4),
        observed: 64.0,
        window: 10.0,
        in_window: rate * 10,
        slope: 0.0,
        recent_slope: 0.0,
    }
}

/// A pool in which nothing happens and nothing has happened for long.
pub(crate) fn asleep() -> Evidence {
    Evidence {
        seat_seconds: 0.1,
        cold_start_seconds: 5.0,
        idle: Duration::MAX,
        raised: Duration::MAX,
        ..Evidence::default()
    }
}

/// A pool with that many replicas, all of them ready and needed for a minute.
pub(crate) fn serving(rate: u32, replicas: u32) -> Evidence {
    Evidence {
        arrivals: steady(rate),
        ready: replicas,
        previous: replicas,
        held: replicas,
        descent_from: replicas,
        idle: Duration::ZERO,
        in_flight: u64::from(rate) / 10,
        ..asleep()
    }
}

/// The labels of a decision's reasons, in order.
pub(crate) fn labels(decision: &Decision) -> Vec<&'static str> {
    decision.reasons.iter().map(Reason::label).collect()
}

/// A recommender with a clock that goes on by a slice with each report.
pub(crate) struct Bench {
    pub(crate) recommender: Recommender,
    pub(crate) policy: ScalePolicy,
    pub(crate) now: Timestamp,
    pub(crate) ready: u32,
    pub(crate) failing_starts: u32,
    pub(crate) silence: Option<Duration>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            recommender: Recommender::default(),
            policy: policy(),
            now: Timestamp::default(),
            ready: 0,
            failing_starts: 0,
            silence: None,
        }
    }

    /// A slice in which so many arrived, and after which so many hold a seat and wait.
    pub(crate) fn slice(
        &mut self,
        arrivals: u64,
        in_flight: u64,
        waiting: u64,
    ) -> (Evidence, Decision) {
        let from = self.now;
        self.now = self.now + SLICE;
        if self.silence.is_none() {
            self.recommender.observe(Increment {
                from,
                to: self.now,
                counters: Counters {
                    arrivals,
                    // Nobody is served while no seat is held.
                    completions: arrivals * u64::from(in_flight > 0),
                    seat_micros: in_flight * 250_000,
                },
            });
        }
        let standing = Standing {
            gauges: Gauges { in_flight, waiting },
            silence: self.silence,
        };
        let replicas = Replicas {
            ready: self.ready,
            starting: &[],
            failing_starts: self.failing_starts,
        };
        self.recommender
            .decide(&self.policy, standing, replicas, 0, self.now)
    }

    /// The same slice again and again; the last decision.
    pub(crate) fn slices(
        &mut self,
        seconds: u64,
        arrivals: u64,
        in_flight: u64,
        waiting: u64,
    ) -> Decision {
        let mut last = self.slice(arrivals, in_flight, waiting).1;
        for _ in 1..seconds * 4 {
            last = self.slice(arrivals, in_flight, waiting).1;
        }
        last
    }
}
