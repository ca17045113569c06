//! One pool between two decisions: it turns what the pool shows into what the recommender is told, and the decision into
//! the signal for others.
//!
//! Nothing here reads a clock or acts: the same samples at the same times give the same decisions, however late they come.

use std::time::Duration;

use schleuse_core::{
    Timestamp,
    scale::{
        decide::{Decision, Evidence},
        demand::{Instances, Report},
        learnt::Learnt,
        policy::ScalePolicy,
        recommender::{Recommender, Replicas},
    },
};

use super::{Shown, record::Record, sample::Sample, starts::Starts};
use crate::signals::Signal;

/// This process, among those that report on a pool: the only one.
const INSTANCE: u64 = 0;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct ScaledPool {
    recommender: Recommender,
    instances: Instances,
    starts: Starts,
    /// Requests that were answered, or left, when the pool was woken; none: it sleeps, or has answered since.
    unanswered_since: Option<Unanswered>,
    cold_starts: u64,
    has_served: bool,
    last: Option<(Sample, bool)>,
}

#[derive(Debug, Clone, Copy)]
struct Unanswered {
    completions: u64,
    at: Timestamp,
}

/// What one look at a pool leads to.
#[derive(Debug)]
pub(super) struct Decided {
    /// On what it was decided.
    pub(super) evidence: Evidence,
    /// How many, and why.
    pub(super) decision: Decision,
    /// For those who scale from outside.
    pub(super) signal: Signal,
    /// A cold start has ended and was learnt.
    pub(super) has_started: bool,
}

impl Decided {
    /// Whether the number is another one than before.
    pub(super) fn changed(&self) -> bool {
        self.decision.replicas != self.evidence.previous
    }
}

impl ScaledPool {
    /// With what an earlier process learnt, and the endpoints that are there now.
    pub(super) fn new(learnt: Learnt, sample: &Sample, now: Timestamp) -> Self {
        let listed = sample.endpoints.as_ref().map_or(0, Vec::len);
        let replicas = u32::try_from(listed).unwrap_or(u32::MAX);
        Self {
            has_served: learnt != Learnt::default(),
            recommender: Recommender::new(learnt, replicas, now),
            instances: Instances::default(),
            starts: Starts::new(sample),
            unanswered_since: None,
            cold_starts: 0,
            last: None,
        }
    }

    /// What it has learnt, to be kept.
    pub(super) fn learnt(&self) -> &Learnt {
        &self.recommender.learnt
    }

    /// Its state as operators see it, after the decision that `record` holds.
    pub(super) fn shown(&self, record: Record, now: Timestamp) -> Shown {
        let cold_starts = &self.learnt().cold_starts;
        let quantile = |q| cold_starts.quantile(q).unwrap_or_default();
        let cold_start = [quantile(0.5), quantile(0.9), quantile(0.99)];
        Shown {
            record,
            starting: self.starts.ages(now),
            cold_start: (cold_starts.weight() > 0).then_some(cold_start),
        }
    }

    /// Whether the pool sleeps (or has the least it may have), nothing has happened since the last look, and so nothing
    /// else would be decided now.
    pub(super) fn rests(&self, sample: &Sample) -> bool {
        let is_same = |(last, resting): &(Sample, bool)| *resting && last == sample;
        self.last.as_ref().is_some_and(is_same)
    }

    /// What it is decided by has changed.
    pub(super) fn stop_resting(&mut self) {
        self.last = None;
    }

    /// Decides at `now`. `plan` is what a launch plan asks for, or 0.
    pub(super) fn decide(
        &mut self,
        policy: &ScalePolicy,
        sample: Sample,
        plan: u32,
        now: Timestamp,
    ) -> Decided {
        let increment = self.instances.report(report(&sample, now), now);
        self.recommender.observe(increment);
        let cold_starts = self.starts.look(&sample, now);
        for cold_start in &cold_starts {
            self.recommender.learnt.cold_starts.record(*cold_start);
        }
        let starting = self.starts.ages(now);
        let serving = sample.endpoints.iter().flatten().filter(|each| each.serves);
        let (ready, seats) = serving.fold((0, 0), |(ready, seats), each| {
            (ready + 1, seats + each.seats)
        });
        let replicas = Replicas {
            ready,
            starting: &starting,
            failing_starts: self.starts.failing(),
        };
        let standing = self.instances.standing(now);
        let (evidence, decision) = self
            .recommender
            .decide(policy, standing, replicas, plan, now);
        self.starts.order(decision.replicas, now);
        self.note_wake(&evidence, &decision, &sample, now);
        let signal = self.signal(policy, &evidence, &decision, seats);
        let at_rest = evidence.is_idle(policy)
            && decision.replicas == decision.wanted
            && decision.replicas == evidence.previous
            && ready == decision.replicas;
        self.last = Some((sample, at_rest));
        Decided {
            evidence,
            decision,
            signal,
            has_started: !cold_starts.is_empty(),
        }
    }

    /// A wake lasts until the first request was answered: who scales by activity may be slow to look. Should nobody be
    /// left to be answered it ends with the time after which the pool would sleep again.
    fn note_wake(
        &mut self,
        evidence: &Evidence,
        decision: &Decision,
        sample: &Sample,
        now: Timestamp,
    ) {
        self.has_served |= sample.counters.completions > 0;
        if evidence.previous == 0 && decision.replicas > 0 {
            self.cold_starts += 1;
            self.unanswered_since = Some(Unanswered {
                completions: sample.counters.completions,
                at: now,
            });
        }
        let patience = Duration::try_from_secs_f64(evidence.cold_start_seconds * 3.0);
        let patience = patience.unwrap_or(Duration::MAX);
        self.unanswered_since = self.unanswered_since.filter(|wake| {
            let answered = sample.counters.completions > wake.completions;
            let abandoned = evidence.waiting == 0 && now - wake.at > patience;
            !answered && !abandoned
        });
    }

    fn signal(
        &self,
        policy: &ScalePolicy,
        evidence: &Evidence,
        decision: &Decision,
        seats: u32,
    ) -> Signal {
        let seat_seconds = Duration::try_from_secs_f64(evidence.seat_seconds);
        Signal {
            desired: decision.replicas,
            ready: evidence.ready,
            active: decision.replicas > 0 || self.unanswered_since.is_some(),
            waiting: evidence.waiting,
            in_flight: evidence.in_flight,
            arrivals_per_second: evidence.rate_now(policy),
            seats,
            cold_starts: self.cold_starts,
            service_time: seat_seconds.ok().filter(|_| self.has_served),
        }
    }
}

fn report(sample: &Sample, now: Timestamp) -> Report {
    Report {
        instance: INSTANCE,
        epoch: sample.born.as_micros(),
        uptime: now - sample.born,
        counters: sample.counters,
        gauges: sample.gauges,
    }
}
