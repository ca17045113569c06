//! The search: which rate to play next, from what the steps before it showed.

use serde::Serialize;

use crate::{
    results::{Outcome, Results},
    trial::Run,
};

use super::{Answer, Capacity, Step};

/// Gap between a pass and a failure at which bisecting ends.
const GAP_MAX: f64 = 1.02;
/// How far above the answer it must fail.
const ABOVE: f64 = 1.05;
/// Passes and failures that prove an answer.
const PROOFS: usize = 3;
/// Steps of light load after a failure before the target is given up.
const RESTS_MAX: usize = 20;
/// The same while no step has passed yet, but something was answered.
const RESTS_UNKNOWN_MAX: usize = 2;
/// Times that a step is played whose every time was invalid, before the generator is held to be at its limit: one hiccup of
/// this machine is no limit.
const INVALID_MAX: usize = 3;
/// Part of the first rate that is a light load.
const LIGHT: f64 = 0.1;
/// Steps in all, light ones excluded.
const STEPS_MAX: usize = 80;
/// Lower than this nobody searches, per second.
const RATE_MIN: f64 = 0.5;

/// What to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// First rate, per second.
    pub start_per_second: f64,
    /// Highest rate to try, per second.
    pub max_per_second: f64,
    /// Seed of the first step; each next has the next number.
    pub seed: u64,
}

/// Why a step is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To find a rate that fails.
    Double,
    /// To find one that passes.
    Halve,
    /// To narrow the gap.
    Bisect,
    /// To prove the answer.
    Prove,
    /// To let the target become well again.
    Rest,
}

impl Purpose {
    /// For a line while it goes on.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Halve => "halve",
            Self::Bisect => "bisect",
            Self::Prove => "prove",
            Self::Rest => "rest",
        }
    }
}

/// A step that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Offered per second.
    pub rate_per_second: f64,
    /// Seed of schedule and draws.
    pub seed: u64,
    /// Why.
    pub purpose: Purpose,
}

/// Searches until there is an answer.
///
/// # Errors
/// When a step cannot be played at all.
pub fn search(plan: &Plan, runner: &mut impl Run<Trial>) -> Result<Capacity, String> {
    let mut search = Search {
        plan: *plan,
        runner,
        steps: Vec::new(),
        passed: 0.0,
        failed: f64::INFINITY,
    };
    let answer = match search.find()? {
        Ok(answer) | Err(answer) => answer,
    };
    Ok(Capacity {
        answer,
        steps: search.steps,
    })
}

struct Search<'r, R> {
    plan: Plan,
    runner: &'r mut R,
    steps: Vec<Step>,
    /// Highest rate that passed and was not refuted since.
    passed: f64,
    /// Lowest rate above it that failed.
    failed: f64,
}

/// An answer, or (as the error) one that ends the search early; the outer error is a runner that cannot run.
type Found<T> = Result<Result<T, Answer>, String>;

/// `?` for [`Found`]: hands an early answer on.
macro_rules! or_answer {
    ($found:expr) => {
        match $found? {
            Ok(value) => value,
            Err(answer) => return Ok(Err(answer)),
        }
    };
}

impl<R: Run<Trial>> Search<'_, R> {
    fn find(&mut self) -> Found<Answer> {
        or_answer!(self.bracket());
        loop {
            or_answer!(self.bisect());
            if let Some(answer) = or_answer!(self.prove()) {
                return Ok(Ok(answer));
            }
        }
    }

    /// Finds a rate that passes and a higher one that fails.
    fn bracket(&mut self) -> Found<()> {
        let mut rate = self.plan.start_per_second.max(RATE_MIN);
        if !or_answer!(self.play(rate, Purpose::Double)) {
            while self.passed <= 0.0 {
                if rate <= RATE_MIN || self.is_dead() {
                    return Ok(Err(Answer::Below {
                        rate_per_second: rate,
                    }));
                }
                rate = (rate / 2.0).max(RATE_MIN);
                or_answer!(self.play(rate, Purpose::Halve));
            }
        }
        while self.failed.is_infinite() {
            if self.passed >= self.plan.max_per_second {
                return Ok(Err(Answer::AtLeastTheMaximum {
                    rate_per_second: self.passed,
                }));
            }
            rate = (self.passed * 2.0).min(self.plan.max_per_second);
            or_answer!(self.play(rate, Purpose::Double));
        }
        Ok(Ok(()))
    }

    /// Whether nothing was ever answered: a target that is not there needs no lower rate.
    fn is_dead(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.answered_per_second <= 0.0)
    }

    /// Narrows the gap to 2 %.
    fn bisect(&mut self) -> Found<()> {
        while self.failed / self.passed > GAP_MAX {
            let middle = (self.failed * self.passed).sqrt();
            or_answer!(self.play(middle, Purpose::Bisect));
        }
        Ok(Ok(()))
    }

    /// Proves the answer; none when a proof went the other way, and the search goes on from what it showed.
    fn prove(&mut self) -> Found<Option<Answer>> {
        let rate = self.passed;
        // The step that found it was the first pass.
        for _ in 1..PROOFS {
            if !or_answer!(self.play(rate, Purpose::Prove)) {
                // Passed by luck. What passed below is the floor from which it goes on.
                self.passed = self.highest_clean_pass_below(rate);
                if self.passed <= 0.0 {
                    or_answer!(self.find_floor(rate));
                }
                return Ok(Ok(None));
            }
        }
        let above = rate * ABOVE;
        for _ in 0..PROOFS {
            if or_answer!(self.play(above, Purpose::Prove)) {
                self.failed = self.lowest_clean_failure_above(above);
                if self.failed.is_infinite() {
                    or_answer!(self.find_ceiling());
                }
                return Ok(Ok(None));
            }
        }
        Ok(Ok(Some(Answer::Bears {
            rate_per_second: rate,
            fails_at_per_second: above,
        })))
    }

    /// Steps down by 5 % from a refuted rate until one passes.
    fn find_floor(&mut self, from: f64) -> Found<()> {
        let mut rate = from / ABOVE;
        while !or_answer!(self.play(rate, Purpose::Halve)) {
            rate /= ABOVE;
            if rate < RATE_MIN {
                return Ok(Err(Answer::Below {
                    rate_per_second: rate,
                }));
            }
        }
        Ok(Ok(()))
    }

    /// Steps up by 5 % until one fails.
    fn find_ceiling(&mut self) -> Found<()> {
        while or_answer!(self.play(self.passed * ABOVE, Purpose::Double)) {}
        Ok(Ok(()))
    }

    /// Plays a step and rests after a failure. True when it passed.
    fn play(&mut self, rate: f64, purpose: Purpose) -> Found<bool> {
        let played = self
            .steps
            .iter()
            .filter(|step| step.purpose != Purpose::Rest);
        if played.count() >= STEPS_MAX {
            return Ok(Err(Answer::Unsettled {
                passed_per_second: self.highest_clean_pass_below(f64::INFINITY),
                failed_per_second: self.lowest_clean_failure_above(0.0),
            }));
        }
        let has_passed = or_answer!(self.step(rate, purpose)) == Outcome::Passed;
        if has_passed {
            self.passed = self.passed.max(rate);
        } else {
            self.failed = self.failed.min(rate);
            or_answer!(self.rest(rate));
        }
        Ok(Ok(has_passed))
    }

    /// One step; interrupted or invalid time after time it is an answer.
    fn step(&mut self, rate: f64, purpose: Purpose) -> Found<Outcome> {
        let mut why = String::new();
        for _ in 0..INVALID_MAX {
            let results = self.run(rate, purpose)?;
            let outcome = results
                .verdict
                .as_ref()
                .map_or(Outcome::Invalid, |verdict| verdict.outcome);
            match outcome {
                Outcome::Invalid => why = first_finding(&results),
                Outcome::Interrupted => {
                    return Ok(Err(Answer::Interrupted {
                        rate_per_second: self.passed,
                    }));
                }
                judged => return Ok(Ok(judged)),
            }
        }
        Ok(Err(Answer::AtLeast {
            rate_per_second: self.passed,
            failed_per_second: Some(self.failed).filter(|rate| rate.is_finite()),
            why,
        }))
    }

    /// One run, noted as a step of the curve.
    fn run(&mut self, rate: f64, purpose: Purpose) -> Result<Results, String> {
        let trial = Trial {
            rate_per_second: rate,
            seed: self.plan.seed.wrapping_add(self.steps.len() as u64),
            purpose,
        };
        let results = self.runner.run(&trial)?;
        let outcome = results
            .verdict
            .as_ref()
            .map_or(Outcome::Invalid, |verdict| verdict.outcome);
        self.steps.push(summarise(&results, rate, purpose, outcome));
        Ok(results)
    }

    /// Light load until a step passes.
    fn rest(&mut self, broken_at: f64) -> Found<()> {
        let light = (self.plan.start_per_second.min(broken_at) * LIGHT).max(RATE_MIN);
        // Before anything passed nobody knows whether a light load would: a dead target is not waited for.
        let is_known_to_work = self.passed > 0.0;
        if self.is_dead() {
            return Ok(Ok(()));
        }
        let rests = if is_known_to_work {
            RESTS_MAX
        } else {
            RESTS_UNKNOWN_MAX
        };
        for _ in 0..rests {
            if or_answer!(self.step(light, Purpose::Rest)) == Outcome::Passed {
                return Ok(Ok(()));
            }
        }
        if !is_known_to_work {
            return Ok(Ok(()));
        }
        Ok(Err(Answer::NeverRecovered {
            rate_per_second: self.passed,
            broken_at_per_second: broken_at,
        }))
    }

    /// Highest rate below `limit` at which no step failed and one passed; 0 without.
    fn highest_clean_pass_below(&self, limit: f64) -> f64 {
        let lowest_failure = self
            .rates(|outcome| outcome == Outcome::Failed)
            .fold(limit, f64::min);
        self.rates(|outcome| outcome == Outcome::Passed)
            .filter(|rate| *rate < lowest_failure)
            .fold(0.0, f64::max)
    }

    /// Lowest rate above `limit` at which no step passed and one failed; infinite without.
    fn lowest_clean_failure_above(&self, limit: f64) -> f64 {
        let highest_pass = self
            .rates(|outcome| outcome == Outcome::Passed)
            .fold(limit, f64::max);
        self.rates(|outcome| outcome == Outcome::Failed)
            .filter(|rate| *rate > highest_pass)
            .fold(f64::INFINITY, f64::min)
    }

    fn rates(&self, of: impl Fn(Outcome) -> bool) -> impl Iterator<Item = f64> {
        self.steps
            .iter()
            .filter(|step| step.purpose != Purpose::Rest)
            .filter(move |step| of(step.outcome))
            .map(|step| step.rate_per_second)
    }
}

fn first_finding(results: &Results) -> String {
    results
        .verdict
        .as_ref()
        .and_then(|verdict| verdict.findings.first())
        .map_or_else(
            || "the run was not judged".to_owned(),
            |finding| {
                format!(
                    "{} ({}, limit {})",
                    finding.what, finding.number, finding.limit
                )
            },
        )
}

fn summarise(results: &Results, rate: f64, purpose: Purpose, outcome: Outcome) -> Step {
    let sample = results.sample();
    let p99 = sample.shown(0.99);
    Step {
        purpose,
        rate_per_second: rate,
        outcome,
        answered_per_second: results.answered_per_second().unwrap_or(0.0),
        failed_share: results.counts.failed_share().unwrap_or(0.0),
        p50_ns: sample.shown(0.5).map(|found| found.value_ns),
        p99_ns: p99.map(|found| found.value_ns),
        p99_is_bound: p99.is_some_and(|found| found.is_bound),
    }
}
