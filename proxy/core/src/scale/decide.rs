//! How many replicas a pool should have: a function of plain numbers, each of which can stand in a log line.
//!
//! Arrivals, not held concurrency, are the measure: while replicas start, what waits looks like load to whoever counts
//! requests in the house, and he builds for it (Knative's autoscaler asks for 629 replicas where 12 are needed). What
//! waits is counted apart, as work to be done once.
//!
//! First what is wanted: the most of what arrives, what will arrive, what waits, one overwhelming slice, the floor and
//! the plan. Then what becomes of it: held up against descending too early or too fast, frozen
//! while data is missing or starts fail, cut to the configured bounds, and left alone when it is about the same.

use std::time::Duration;

use super::{
    arrivals::ArrivalEvidence,
    number::{ceil, floor, real},
    policy::ScalePolicy,
    reason::Reason,
    staffing,
};

/// The floor of a wake holds for the cold start and so long beyond it.
const WAKE_FLOOR_AFTER: f64 = 30.0;

/// While starts fail, one replica may try each quarter of a minute, four times, and then at doubling distances.
const TRIAL_AFTER: Duration = Duration::from_secs(15);
const TRIALS_SOON: u32 = 4;
const TRIAL_AFTER_MAX: Duration = Duration::from_mins(1);

/// Everything a decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// What arrives.
    pub arrivals: ArrivalEvidence,
    /// Seconds that a request holds a seat.
    pub seat_seconds: f64,
    /// Seconds from order to readiness, nine of ten times.
    pub cold_start_seconds: f64,
    /// Requests that wait for a seat.
    pub waiting: u64,
    /// Requests, tunnels and streams that are in flight.
    pub in_flight: u64,
    /// Replicas that serve.
    pub ready: u32,
    /// Replicas that start.
    pub starting: u32,
    /// Those of them that have been starting for more than twice the cold start.
    pub stuck: u32,
    /// How long they have been starting, as a sum; each at most the cold start.
    pub starting_seconds: f64,
    /// Starts that failed in a row.
    pub failing_starts: u32,
    /// Replicas that were added as trials since starts began to fail.
    pub trials: u32,
    /// Since replicas were last added.
    pub raised: Duration,
    /// Somebody has not reported for so long; none: all have.
    pub silence: Option<Duration>,
    /// Since the last arrival, waiting request or request in flight.
    pub idle: Duration,
    /// Since the pool was woken from zero; none: it sleeps, or has never slept.
    pub awake: Option<Duration>,
    /// What a launch plan asks for.
    pub plan: u32,
    /// The decision before.
    pub previous: u32,
    /// The most that was wanted within [`ScalePolicy::hold_down`].
    pub held: u32,
    /// The most that was decided within a minute.
    pub descent_from: u32,
}

/// How many, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Replicas to have.
    pub replicas: u32,
    /// What was wanted before anything held it; becomes part of later evidence.
    pub wanted: u32,
    /// What asked for the most, then whatever changed that, in order.
    pub reasons: Vec<Reason>,
}

/// Decides. The same evidence gives the same decision.
pub fn decide(policy: &ScalePolicy, evidence: &Evidence) -> Decision {
    let causes = evidence.causes(policy);
    let wanted = causes.iter().map(Reason::replicas).max().unwrap_or(0);
    let mut reasons: Vec<Reason> = causes
        .into_iter()
        .filter(|cause| wanted > 0 && cause.replicas() == wanted)
        .collect();
    let mut replicas = wanted;
    for hold in [hold_down, failing, stale, limit, dead_band] {
        if let Some(reason) = hold(policy, evidence, replicas) {
            replicas = reason.replicas();
            reasons.push(reason);
        }
    }
    Decision {
        replicas,
        wanted,
        reasons,
    }
}

impl Evidence {
    /// Nothing arrives, nothing waits, nothing is in flight, and that for long enough. Finished requests say nothing: a
    /// long one may be in the middle.
    pub fn is_idle(&self, policy: &ScalePolicy) -> bool {
        self.waiting == 0 && self.in_flight == 0 && self.idle >= policy.idle_after
    }

    /// Arrivals per second now: what is certain by the counts or by the line through them, or the mean when that is more.
    pub fn rate_now(&self, policy: &ScalePolicy) -> f64 {
        let z = policy.tuning.rate_evidence;
        self.arrivals
            .certain_rate(z)
            .max(self.arrivals.certain_level(z))
            .max(self.arrivals.mean_rate())
    }

    fn slope(&self, policy: &ScalePolicy, rate: f64) -> f64 {
        self.arrivals
            .certain_slope(policy.tuning.slope_evidence, rate)
    }

    /// All that asks for replicas.
    fn causes(&self, policy: &ScalePolicy) -> [Reason; 6] {
        let rate = self.rate_now(policy);
        let slope = self.slope(policy, rate);
        let horizon = self.cold_start_seconds + policy.signal_delay.as_secs_f64();
        let then = (rate + slope * horizon).min(rate * policy.tuning.growth_max);
        [
            Reason::Arrivals {
                rate,
                seat_seconds: self.seat_seconds,
                replicas: self.staffed(policy, rate),
            },
            Reason::Forecast {
                rate: then,
                slope,
                replicas: self.staffed(policy, then),
            },
            Reason::Backlog {
                waiting: self.waiting,
                at_ready: self.waiting_at_ready(policy, rate, slope),
                replicas: self.drained(policy, rate, then, slope),
            },
            self.panic(policy, slope),
            self.floor(policy),
            Reason::Plan {
                replicas: self.plan,
            },
        ]
    }

    /// Replicas for a lasting rate.
    fn staffed(&self, policy: &ScalePolicy, rate: f64) -> u32 {
        let load = staffing::load(rate, self.seat_seconds);
        let seats = staffing::seats(load, policy.tuning.staffing, policy.tuning.utilisation_max);
        staffing::replicas(seats, policy.seats_per_replica)
    }

    /// Requests that will wait when replicas that are ordered now become ready.
    fn waiting_at_ready(&self, policy: &ScalePolicy, rate: f64, slope: f64) -> f64 {
        let cold = self.cold_start_seconds;
        // Ready ones serve for the whole time, a starting one for as long as it has already been starting.
        let serving_seconds = f64::from(self.ready) * cold + self.starting_seconds;
        let arriving = rate * cold + slope * cold * cold / 2.0;
        let served = serving_seconds * self.served_per_replica(policy);
        (real(self.waiting) + arriving - served).max(0.0)
    }

    /// Replicas that serve the lasting rate `then` and clear in time what will wait; none when nothing is due.
    fn drained(&self, policy: &ScalePolicy, rate: f64, then: f64, slope: f64) -> u32 {
        if self.waiting == 0 && (self.ready > 0 || self.is_idle(policy)) {
            return 0;
        }
        let drain = policy.drain.as_secs_f64().max(0.1);
        let backlog = self.waiting_at_ready(policy, rate, slope);
        ceil((then + backlog / drain) / self.served_per_replica(policy))
    }

    /// Requests per second that one replica serves.
    fn served_per_replica(&self, policy: &ScalePolicy) -> f64 {
        f64::from(policy.seats_per_replica.max(1)) / self.seat_seconds.max(1e-6)
    }

    /// A slice that asks for a multiple of what was ordered is taken at its word, without waiting for evidence.
    fn panic(&self, policy: &ScalePolicy, slope: f64) -> Reason {
        let rate = self.arrivals.newest_rate();
        let asked = staffing::load(rate, self.seat_seconds);
        let ordered = staffing::seats_of(self.previous, policy.seats_per_replica);
        let panics = self.arrivals.counts[0] >= policy.tuning.panic_arrivals
            && asked > policy.tuning.panic_ratio * ordered;
        let replicas = if panics {
            let drained = self.drained(policy, rate, rate, slope);
            self.staffed(policy, rate).max(drained)
        } else {
            0
        };
        Reason::Panic { rate, replicas }
    }

    fn floor(&self, policy: &ScalePolicy) -> Reason {
        let waking = self.previous == 0
            || self.awake.is_some_and(|awake| {
                awake.as_secs_f64() < self.cold_start_seconds + WAKE_FLOOR_AFTER
            });
        let floor = match (self.is_idle(policy), waking) {
            (true, _) => 0,
            (false, true) => policy.wake_floor.max(1),
            (false, false) => 1,
        };
        Reason::Floor {
            replicas: floor.max(policy.min),
        }
    }
}

type Hold = Option<Reason>;

/// Not below what was wanted lately, not faster than allowed, not below what is in flight.
fn hold_down(policy: &ScalePolicy, evidence: &Evidence, wanted: u32) -> Hold {
    let kept = 1.0 - policy.descent_per_minute.clamp(0.0, 1.0);
    let slowest = floor(f64::from(evidence.descent_from) * kept);
    let busy = ceil(real(evidence.in_flight) / f64::from(policy.seats_per_replica.max(1)));
    // What is in flight may exceed what was ordered when others scale the pool; then it asks for no more than that.
    let busy = busy.min(evidence.previous.max(wanted));
    let replicas = wanted
        .max(evidence.held.min(evidence.previous))
        .max(slowest.min(evidence.previous))
        .max(busy);
    (replicas > wanted).then_some(Reason::HoldDown { wanted, replicas })
}

/// Missing data is not zero: nothing goes.
fn stale(_: &ScalePolicy, evidence: &Evidence, wanted: u32) -> Hold {
    let silence = evidence.silence?;
    (evidence.previous > wanted).then_some(Reason::Stale {
        silence,
        replicas: evidence.previous,
    })
}

/// More of what cannot start helps nobody, and what has failed to start is let go. One fresh start may try now and
/// then: a platform makes what crashed wait for up to five minutes, and without one nobody would notice for as long
/// that starts succeed again.
fn failing(policy: &ScalePolicy, evidence: &Evidence, wanted: u32) -> Hold {
    let starts = evidence.failing_starts;
    if !policy.failing(starts) {
        return None;
    }
    let trial = evidence.raised >= trial_after(evidence.trials);
    let sound = evidence.previous.saturating_sub(evidence.stuck);
    let kept = sound.max(evidence.ready).max(policy.min).max(1);
    let replicas = kept.saturating_add(u32::from(trial));
    (wanted > replicas || (trial && wanted == replicas))
        .then_some(Reason::Failing { starts, replicas })
}

/// Time until the next trial: the first few follow soon, later ones ever more slowly.
fn trial_after(trials: u32) -> Duration {
    let doublings = trials.saturating_sub(TRIALS_SOON).min(5);
    (TRIAL_AFTER * 2_u32.pow(doublings)).min(TRIAL_AFTER_MAX)
}

fn limit(policy: &ScalePolicy, _: &Evidence, wanted: u32) -> Hold {
    (wanted > policy.max).then_some(Reason::Limit {
        wanted,
        replicas: policy.max,
    })
}

/// Every order costs a write, and replicas that come and go: about the same is the same. From and to zero never is, nor
/// what is less than was announced: a launch is verified to the last replica.
fn dead_band(policy: &ScalePolicy, evidence: &Evidence, wanted: u32) -> Hold {
    let previous = evidence.previous;
    let band = if wanted > previous {
        policy.tuning.dead_band_up
    } else {
        policy.tuning.dead_band_down
    };
    let change = f64::from(wanted.abs_diff(previous));
    let small = change > 0.0 && change <= f64::from(previous) * band.clamp(0.0, 1.0);
    let allowed =
        previous <= policy.max && previous >= policy.min.max(evidence.plan.min(policy.max));
    (small && wanted > 0 && allowed).then_some(Reason::DeadBand {
        wanted,
        replicas: previous,
    })
}
