//! Playing the rounds: ABBA order, equal seeds, a round again when the generator disturbed it.

use crate::{
    results::{Outcome, Results},
    trial::Run,
};

use super::{Comparison, Measure, Measured, Problem, Provenance};

/// Fewer rounds give no interval worth the name.
pub(super) const ROUNDS_MIN: usize = 10;

/// Fewer pairs have no interval at all.
const PAIRS_MIN: usize = 3;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Its letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// A run that is asked for; the runner restarts the target before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Whose.
    pub side: Side,
    /// Number of the round, from 0.
    pub round: usize,
    /// Seed of schedule and draws, the same for both sides of a round.
    pub seed: u64,
}

/// What is to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of A.
    pub a: String,
    /// Name of B.
    pub b: String,
    /// Pairs to play; fewer than ten are raised to ten.
    pub rounds: usize,
    /// The deciding measure.
    pub measure: Measure,
    /// Seed of the first round; each next has the next number.
    pub seed: u64,
    /// Whether the runner starts both targets afresh before each run.
    pub is_restarted: bool,
}

/// Plays all rounds and compares.
///
/// # Errors
/// When a run cannot be made, lacks the deciding figure, too many are invalid, or the operator ends it.
pub fn compare(plan: &Plan, runner: &mut impl Run<Trial>) -> Result<Comparison, Problem> {
    let rounds = plan.rounds.max(ROUNDS_MIN);
    let mut pairs: Vec<(Results, Results)> = Vec::with_capacity(rounds);
    let mut repeated = 0;
    while pairs.len() < rounds {
        let round = pairs.len();
        match play(plan, round, runner)? {
            Round::Valid(pair) => {
                decides(plan.measure, Side::A, &pair.0)?;
                decides(plan.measure, Side::B, &pair.1)?;
                pairs.push(*pair);
            }
            // An interval of fewer would say nothing.
            Round::Interrupted if pairs.len() < PAIRS_MIN => {
                return Err(Problem::Interrupted(round));
            }
            Round::Interrupted => break,
            Round::Invalid(why) => {
                repeated += 1;
                if repeated > rounds / 2 {
                    return Err(Problem::Invalid(repeated, why));
                }
            }
        }
    }
    Ok(Comparison {
        a: plan.a.clone(),
        b: plan.b.clone(),
        rounds: pairs.len(),
        repeated,
        is_of_saved: false,
        provenance: pairs.first().map(|(a, _)| Provenance::of(a)),
        interrupted_of: (pairs.len() < rounds).then_some(rounds),
        doubts: doubts(plan, &pairs),
        measured: measured(plan, |measure| {
            let figures = |(a, b): &(Results, Results)| Some((measure.of(a)?, measure.of(b)?));
            let bounds = (
                pairs.iter().any(|(a, _)| measure.is_bound(a)),
                pairs.iter().any(|(_, b)| measure.is_bound(b)),
            );
            (pairs.iter().filter_map(figures).collect(), bounds)
        }),
    })
}

/// A round without the deciding figure ends the comparison: leaving out the rounds in which a side did worst would flatter it.
pub(super) fn decides(measure: Measure, side: Side, results: &Results) -> Result<(), Problem> {
    if results.counts.answered == 0 && measure != Measure::FailedShare {
        let reason = results.reasons.first();
        let reason = reason.map_or("it said nothing", |entry| entry.reason.label());
        return Err(Problem::Dead(side.name(), reason.to_owned()));
    }
    if measure.of(results).is_some() {
        return Ok(());
    }
    Err(Problem::NoFigure {
        side: side.name(),
        measure: measure.label(),
        found: results.counts.scheduled,
        needed: measure.count_needed(),
    })
}

/// What makes the answer less certain than its interval says.
fn doubts(plan: &Plan, pairs: &[(Results, Results)]) -> Vec<String> {
    let mut doubts = Vec::new();
    if !plan.is_restarted {
        doubts.push(
            "the targets were not restarted between runs: how they settled is in all rounds alike (--start-a, --restart-a)"
                .to_owned(),
        );
    }
    for side in [Side::A, Side::B] {
        let runs = pairs.iter().map(|(a, b)| match side {
            Side::A => a,
            Side::B => b,
        });
        let (mut failed, mut why, mut bounds) = (0_usize, None, 0_usize);
        for run in runs {
            let verdict = run.verdict.as_ref();
            if let Some(verdict) = verdict.filter(|verdict| verdict.outcome == Outcome::Failed) {
                failed += 1;
                why = why.or_else(|| verdict.findings.first());
            }
            bounds += usize::from(plan.measure.is_bound(run));
        }
        if let Some(why) = why {
            let (name, rounds, why) = (side.name(), pairs.len(), &why.what);
            doubts.push(format!(
                "{name} failed in {failed} of {rounds} rounds: {why}"
            ));
        }
        if bounds > 0 {
            doubts.push(format!(
                "{}'s {} is only known from below in {bounds} rounds, since some answers never came; it is taken as the least \
                 that it can be",
                side.name(),
                plan.measure.label()
            ));
        }
    }
    doubts
}

/// The deciding measure first, then the others that can be compared.
pub(super) fn measured(
    plan: &Plan,
    pairs: impl Fn(Measure) -> (Vec<(f64, f64)>, (bool, bool)),
) -> Vec<Measured> {
    let others = Measure::SHOWN
        .into_iter()
        .filter(|measure| *measure != plan.measure);
    std::iter::once(plan.measure)
        .chain(others)
        .filter_map(|measure| {
            let (pairs, bounds) = pairs(measure);
            Measured::from_pairs(measure, &pairs, bounds, plan.seed)
        })
        .collect()
}

enum Round {
    Valid(Box<(Results, Results)>),
    Invalid(String),
    Interrupted,
}

/// Both sides with one seed; A first in even rounds, B first in odd ones.
fn play(plan: &Plan, round: usize, runner: &mut impl Run<Trial>) -> Result<Round, Problem> {
    let seed = plan.seed.wrapping_add(round as u64);
    let mut run = |side| {
        runner
            .run(&Trial { side, round, seed })
            .map_err(Problem::Run)
    };
    let (a, b) = if round.is_multiple_of(2) {
        let a = run(Side::A)?;
        (a, run(Side::B)?)
    } else {
        let b = run(Side::B)?;
        (run(Side::A)?, b)
    };
    for results in [&a, &b] {
        match &results.verdict {
            Some(verdict) if verdict.outcome == Outcome::Interrupted => {
                return Ok(Round::Interrupted);
            }
            Some(verdict) if verdict.outcome == Outcome::Invalid => {
                let why = verdict
                    .findings
                    .first()
                    .map_or_else(String::new, |finding| finding.what.clone());
                return Ok(Round::Invalid(why));
            }
            _ => {}
        }
    }
    Ok(Round::Valid(Box::new((a, b))))
}
