//! One pool between two decisions: it turns what the pool shows into what the recommender is told, and the decision into
//! the signal for others.
//!
//! Nothing here reads a clock or acts: the same samples at the same times give the same decisions, however late they come.

use std::time::Duration;

use schleuse_core::{
    SeatTimes, Timestamp,
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
    /// With what an earlier process learnt, and the endpoints that serve now: what stands in a list and does not answer may
    /// be where replicas of a pool that sleeps come to be. To be called once the sample is settled.
    pub(super) fn new(learnt: Learnt, sample: &Sample, now: Timestamp) -> Self {
        Self {
            has_served: learnt != Learnt::default(),
            recommender: Recommender::new(learnt, sample.ready(), now),
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
        Shown {
            record,
            starting: self.starts.ages(now),
            seat_time: self.learnt().seat_time_quantiles(),
            cold_start: self.learnt().cold_start_quantiles(),
        }
    }

    /// Learns how long single requests held their seats.
    pub(super) fn learn_seat_times(&mut self, times: &SeatTimes) {
        let learnt = &mut self.recommender.learnt.seat_times;
        times.iter().for_each(|time| learnt.record(time));
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use schleuse_core::scale::demand::{Counters, Gauges};

    use super::*;
    use crate::autoscale::sample::Endpoint;

    /// A pool in time, with one seat of 100 ms in each replica unless a test says otherwise.
    struct Scene {
        pool: ScaledPool,
        policy: ScalePolicy,
        sample: Sample,
        now: Timestamp,
    }

    impl Scene {
        /// With this many replicas that serve.
        fn new(replicas: u16) -> Self {
            let sample = Sample {
                endpoints: Some(Vec::new()),
                ..Sample::default()
            };
            let mut scene = Self {
                pool: ScaledPool::new(Learnt::default(), &sample, Timestamp::default()),
                policy: ScalePolicy {
                    seats_per_replica: 1,
                    ..ScalePolicy::default()
                },
                sample,
                now: Timestamp::default(),
            };
            scene.serve_with(replicas);
            scene.pool = ScaledPool::new(Learnt::default(), &scene.sample, scene.now);
            scene
        }

        fn serve_with(&mut self, replicas: u16) {
            let endpoint = |port| Endpoint {
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                serves: true,
                pending: false,
                seats: 1,
            };
            self.sample.endpoints = Some((1..=replicas).map(endpoint).collect());
        }

        fn pass(&mut self, time: Duration) -> Decided {
            self.now = self.now + time;
            let sample = self.sample.clone();
            self.pool.decide(&self.policy, sample, 0, self.now)
        }

        /// A quarter of a second in which so many arrive and are answered.
        fn slice(&mut self, requests: u64) -> Decided {
            let counters = &mut self.sample.counters;
            *counters = Counters {
                arrivals: counters.arrivals + requests,
                completions: counters.completions + requests,
                seat_micros: counters.seat_micros + requests * 100_000,
            };
            self.pass(Duration::from_millis(250))
        }
    }

    #[test]
    fn a_wake_is_active_until_its_first_request_was_answered() {
        let mut scene = Scene::new(0);
        assert!(!scene.slice(0).signal.active);
        scene.sample.counters.arrivals += 1;
        scene.sample.gauges = Gauges {
            waiting: 1,
            in_flight: 0,
        };
        let woken = scene.pass(Duration::from_millis(1));
        assert_eq!((woken.signal.desired, woken.signal.cold_starts), (1, 1));
        scene.sample.gauges = Gauges::default(); // the client left; the wake is not answered yet
        scene.policy.idle_after = Duration::ZERO;
        scene.policy.hold_down = Duration::ZERO;
        scene.policy.descent_per_minute = 1.0;
        let abandoned = scene.pass(Duration::from_secs(20));
        assert!(abandoned.signal.active);
        scene.serve_with(1);
        scene.sample.counters.completions += 1;
        let answered = scene.pass(Duration::from_secs(80));
        assert_eq!(
            (answered.signal.desired, answered.signal.active),
            (0, false)
        );
    }

    #[test]
    fn a_look_that_comes_a_minute_late_sees_no_burst_and_lets_nothing_go() {
        let mut scene = Scene::new(10);
        scene.policy.hold_down = Duration::from_mins(2);
        let before = (0..80).map(|_| scene.slice(20)).last().unwrap();
        let counters = &mut scene.sample.counters;
        counters.arrivals += 240 * 20;
        counters.completions += 240 * 20;
        counters.seat_micros += 240 * 20 * 100_000;
        let late = scene.pass(Duration::from_mins(1));
        assert_eq!(late.decision.replicas, before.decision.replicas);
        assert!((late.signal.arrivals_per_second - 80.0).abs() < 8.0);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut scene = Scene::new(10);
        let before = (0..80).map(|_| scene.slice(20)).last().unwrap();
        let then = scene.now;
        scene.now = Timestamp::from_micros(then.as_micros() - 5_000_000);
        let back = scene.pass(Duration::ZERO);
        assert_eq!(back.decision.replicas, before.decision.replicas);
        scene.now = then;
        let after = scene.slice(20);
        assert_eq!(after.decision.replicas, before.decision.replicas);
    }

    #[test]
    fn a_pool_that_begins_anew_counts_from_its_beginning() {
        let mut scene = Scene::new(10);
        (0..80).for_each(|_| drop(scene.slice(20)));
        scene.sample.born = scene.now;
        scene.sample.counters = Counters::default();
        let anew = (0..8).map(|_| scene.slice(20)).last().unwrap();
        assert!((anew.signal.arrivals_per_second - 80.0).abs() < 20.0);
    }

    #[test]
    fn a_restart_beside_running_replicas_lets_none_go_for_a_while() {
        let mut scene = Scene::new(10);
        let first = scene.slice(1);
        assert_eq!(first.decision.replicas, 10, "{:?}", first.decision.reasons);
    }

    #[test]
    fn a_restart_beside_addresses_at_which_nobody_answers_leaves_the_pool_asleep() {
        let mut scene = Scene::new(3);
        for endpoint in scene.sample.endpoints.iter_mut().flatten() {
            endpoint.serves = false;
        }
        scene.pool = ScaledPool::new(Learnt::default(), &scene.sample, scene.now);
        let first = scene.slice(0);
        assert_eq!(first.decision.replicas, 0, "{:?}", first.decision.reasons);
        assert!(!first.signal.active);
        scene.sample.counters.arrivals += 1;
        assert_eq!(scene.slice(0).decision.replicas, 1, "it wakes as any other");
    }

    #[test]
    fn a_sleeping_pool_rests_until_something_happens() {
        let mut scene = Scene::new(0);
        scene.slice(0);
        assert!(scene.pool.rests(&scene.sample));
        scene.sample.counters.arrivals += 1;
        assert!(!scene.pool.rests(&scene.sample));
        scene.slice(0);
        assert!(
            !scene.pool.rests(&scene.sample),
            "it is not idle long enough"
        );
    }

    #[test]
    fn what_was_decided_can_be_decided_again() {
        let mut scene = Scene::new(1);
        for requests in [0, 3, 40, 200, 7, 0, 0, 90] {
            let decided = scene.slice(requests);
            let record = Record::new(&scene.policy, &decided.evidence, &decided.decision);
            assert_eq!(record.decided_again(), record);
        }
    }
}
