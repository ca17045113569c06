//! The recommender beside Knative's autoscaler and KEDA with Kubernetes' autoscaler, in virtual time: seven traces with
//! Poisson arrivals, the same seeds for all.
//!
//! Read [`world`] first, then the opponents in `knative` and `keda`. Everything is seeded; two runs print the same.

mod keda;
mod knative;
mod ours;
mod random;
mod replicas;
mod score;
#[cfg(test)]
mod tests;
mod trace;
mod world;

use std::rc::Rc;

use schleuse_core::scale::{
    order::{self, Order},
    policy::ScalePolicy,
};

use self::{
    keda::Keda,
    knative::Knative,
    ours::Ours,
    score::Score,
    trace::Trace,
    world::{Autoscaler, Ordering},
};
use crate::{
    Outcome,
    figure::{Figure, Unit},
};

/// Replicas that any pool may have.
const MAX: u32 = 1_000;

/// Who scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    /// The recommender alone.
    Alone,
    /// With half of the step's need ordered at every wake.
    Floor,
    /// With the trace announced.
    Plan,
    Knative,
    /// KEDA with Kubernetes' autoscaler at its defaults.
    Keda,
    /// The same with `behavior.scaleUp` that lets everything through.
    KedaUnlimited,
}

impl Contender {
    const ALL: [Self; 6] = [
        Self::Alone,
        Self::Floor,
        Self::Plan,
        Self::Knative,
        Self::Keda,
        Self::KedaUnlimited,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Alone => "recommender",
            Self::Floor => "recommender, floor",
            Self::Plan => "recommender, plan",
            Self::Knative => "Knative",
            Self::Keda => "KEDA and HPA",
            Self::KedaUnlimited => "KEDA and HPA, unlimited",
        }
    }

    /// Runs a trace with one seed.
    fn run(self, trace: Trace, pools: usize, seed: u64, policy: &ScalePolicy) -> Score {
        let floor = if pools > 1 { 1 } else { 6 };
        let make = |pool: usize| -> Box<dyn Autoscaler> {
            let ours = |policy, plan| Box::new(Ours::new(policy, ours::experienced(), plan));
            match self {
                Self::Alone => ours(policy.clone(), None),
                Self::Floor => ours(
                    ScalePolicy {
                        wake_floor: floor,
                        ..policy.clone()
                    },
                    None,
                ),
                Self::Plan => {
                    let plan = Rc::new(ours::announced(trace, pool, MAX));
                    ours(policy.clone(), Some(plan))
                }
                Self::Knative => Box::new(Knative::new(MAX)),
                Self::Keda | Self::KedaUnlimited => {
                    let phase = seed.wrapping_mul(97) + pool as u64 * 7;
                    Box::new(Keda::new(MAX, self == Self::KedaUnlimited, phase))
                }
            }
        };
        let ordering: Ordering = match self {
            Self::Alone | Self::Floor | Self::Plan => order::by_backlog,
            _ => |_: &mut [Order]| {},
        };
        world::run(trace, pools, seed, &make, ordering)
    }
}

/// What one contender did: each trace's sum over the seeds.
type Scores = Vec<(Trace, Score)>;

/// Runs everybody over everything, `seeds` days of each trace, and says what came of it, trace by trace, in `say`.
///
/// # Errors
///
/// When `say` fails.
pub(crate) fn measure(seeds: u32, say: &dyn Fn(&str) -> Outcome<()>) -> Outcome<Vec<Figure>> {
    let policy = ours::policy(MAX);
    say(HEAD)?;
    let mut all: Vec<(Contender, Scores)> = Vec::new();
    for contender in Contender::ALL {
        let mut scores = Scores::new();
        for trace in Trace::SEVEN {
            let score = summed(contender, trace, trace.pools(), seeds, &policy);
            say(&row(trace.name(), contender, &score, seeds))?;
            scores.push((trace, score));
        }
        say(&row("all seven", contender, &total(&scores), seeds))?;
        all.push((contender, scores));
    }
    Ok(figures(&all))
}

const HEAD: &str = "\
| trace | who | lost | seconds with waits > 1 s | over | under | peak | turns | writes |
|---|---|---|---|---|---|---|---|---|";

fn row(trace: &str, contender: Contender, score: &Score, seeds: u32) -> String {
    let cells = score.cells(seeds).join(" | ");
    format!("| {trace} | {} | {cells} |", contender.name())
}

/// A trace with many seeds.
fn summed(
    contender: Contender,
    trace: Trace,
    pools: usize,
    seeds: u32,
    policy: &ScalePolicy,
) -> Score {
    let mut sum = Score::default();
    for seed in 1..=u64::from(seeds) {
        sum += contender.run(trace, pools, seed, policy);
    }
    sum
}

fn total(scores: &Scores) -> Score {
    let mut sum = Score::default();
    for (_, score) in scores {
        sum += *score;
    }
    sum
}

/// The goals, as ratios of sums over the seven traces.
fn figures(all: &[(Contender, Scores)]) -> Vec<Figure> {
    let of = |wanted: Contender| {
        all.iter()
            .find(|(contender, _)| *contender == wanted)
            .map(|(_, scores)| total(scores))
            .unwrap_or_default()
    };
    let knative = of(Contender::Knative);
    let alone = of(Contender::Alone);
    let lost = |score: Score| real(score.lost);
    let late = |score: Score| score.late_seconds;
    let over = |score: Score| score.over;
    let ratio = |what: &str, ours: f64, theirs: f64, goal: f64| {
        let beside = format!("{ours:.0} against {theirs:.0}");
        Figure::value(what, Unit::Times, ours / theirs)
            .at_most(goal)
            .beside(beside)
    };
    let mut figures = vec![
        ratio(
            "Recommender: lost, against Knative",
            lost(alone),
            lost(knative),
            1.0,
        ),
        ratio(
            "Recommender: seconds with waits > 1 s, against Knative",
            late(alone),
            late(knative),
            1.1,
        ),
    ];
    for (words, contender) in [
        ("with floor", Contender::Floor),
        ("with plan", Contender::Plan),
    ] {
        let what = format!("Recommender {words}: seconds with waits > 1 s, against Knative");
        figures.push(ratio(&what, late(of(contender)), late(knative), 0.9));
    }
    figures.extend([
        ratio(
            "Recommender: over-provision, against Knative",
            over(alone),
            over(knative),
            0.15,
        ),
        ratio(
            "Recommender: over-provision, against KEDA and HPA",
            over(alone),
            over(of(Contender::Keda)),
            0.05,
        ),
    ]);
    figures
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests, for people")]
fn real(count: u64) -> f64 {
    count as f64
}
