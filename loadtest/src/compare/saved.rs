//! Two results that were saved earlier: the same stretches of the same schedule are the pairs.
//!
//! Weaker than rounds, and said so: whatever differs from start to start (where memory lies, which connections met which
//! worker) is in each run once and cannot be told from a difference.

use crate::{
    results::{Counts, Latencies, Results, Second, counts::ratio},
    statistics::percentile::Sample,
};

use super::{Comparison, Measure, Plan, Problem, Provenance, rounds::measured};

/// Stretches to cut the runs into; with more of them each holds too few answers.
const BLOCKS: usize = 20;
/// Fewer give no interval worth the name.
const BLOCKS_MIN: usize = 10;

/// Compares stretch by stretch. Percentiles come from the seconds' histograms, which keep one or two digits.
///
/// # Errors
/// When they have fewer than ten common seconds, or too few requests in a stretch for the deciding measure.
pub fn compare_saved(plan: &Plan, a: &Results, b: &Results) -> Result<Comparison, Problem> {
    if matches!(plan.measure, Measure::Service(_)) {
        return Err(Problem::NotKept(plan.measure.label()));
    }
    let (a_seconds, b_seconds) = (counted(a), counted(b));
    let common = a_seconds.len().min(b_seconds.len());
    if common < BLOCKS_MIN {
        return Err(Problem::TooFew {
            found: common,
            needed: BLOCKS_MIN,
            remedy: "compare runs of at least ten seconds, or let compare play rounds itself"
                .to_owned(),
        });
    }
    let cut = |count: usize| -> Vec<(Block, Block)> {
        let length = (common / count).max(1);
        a_seconds
            .chunks_exact(length)
            .zip(b_seconds.chunks_exact(length))
            .map(|(a, b)| (Block::of(a), Block::of(b)))
            .collect()
    };
    let can_decide = |(a, b): &(Block, Block)| {
        a.figure(plan.measure).is_some() && b.figure(plan.measure).is_some()
    };
    let mut blocks = cut(BLOCKS);
    if !blocks.iter().all(can_decide) {
        blocks = cut(BLOCKS_MIN);
    }
    if !blocks.iter().all(can_decide) {
        return Err(Problem::NoFigure {
            side: "the poorest of ten stretches",
            measure: plan.measure.label(),
            found: blocks
                .iter()
                .map(|(a, b)| a.counts.answered.min(b.counts.answered))
                .min()
                .unwrap_or(0),
            needed: plan.measure.count_needed(),
        });
    }
    Ok(Comparison {
        a: plan.a.clone(),
        b: plan.b.clone(),
        rounds: blocks.len(),
        repeated: 0,
        is_of_saved: true,
        provenance: Some(Provenance::of(a)),
        interrupted_of: None,
        doubts: doubts(a, b),
        measured: measured(plan, |measure| {
            let figures = |(a, b): &(Block, Block)| Some((a.figure(measure)?, b.figure(measure)?));
            let bounds = (
                blocks.iter().any(|(a, _)| a.is_bound(measure)),
                blocks.iter().any(|(_, b)| b.is_bound(measure)),
            );
            (blocks.iter().filter_map(figures).collect(), bounds)
        }),
    })
}

/// Seconds of the schedule, without warm-up.
fn counted(results: &Results) -> Vec<&Second> {
    results
        .seconds
        .iter()
        .filter(|second| second.at_seconds >= 0 && second.offered > 0)
        .collect()
}

/// Some seconds as one.
struct Block {
    seconds: u64,
    offered: u64,
    counts: Counts,
    response: Latencies,
    censored: Latencies,
}

impl Block {
    fn of(seconds: &[&Second]) -> Self {
        let mut block = Self {
            seconds: seconds.len() as u64,
            offered: 0,
            counts: Counts::default(),
            response: Latencies::default(),
            censored: Latencies::default(),
        };
        for second in seconds {
            block.offered += second.offered;
            block.counts.answered += second.answered;
            block.counts.failed += second.failed;
            block.counts.abandoned += second.abandoned;
            block.counts.unanswered += second.unanswered_after.count;
            block.response.merge(&second.response);
            block.censored.merge(&second.gave_up_after);
            block.censored.merge(&second.unanswered_after);
        }
        block
    }

    fn sample(&self) -> Sample {
        Sample::of(&self.counts, &self.response, &self.censored)
    }

    fn is_bound(&self, measure: Measure) -> bool {
        matches!(measure, Measure::Response(quantile)
            if self.sample().at(quantile).is_some_and(|found| found.is_bound))
    }

    fn figure(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Response(quantile) => self
                .sample()
                .shown(quantile)
                .map(|found| ratio(found.value_ns, 1_000_000_000)),
            Measure::Service(_) => None,
            Measure::AnsweredPerSecond => Some(ratio(self.counts.answered, self.seconds)),
            Measure::FailedShare => (self.offered > 0)
                .then(|| ratio(self.counts.failed + self.counts.unanswered, self.offered)),
        }
    }
}

/// What makes the two less comparable.
fn doubts(a: &Results, b: &Results) -> Vec<String> {
    let mut doubts = Vec::new();
    if a.scenario.sha256 != b.scenario.sha256 {
        doubts.push("they played different scenarios".to_owned());
    }
    if a.scenario.seed != b.scenario.seed {
        doubts.push(format!(
            "they had different seeds ({} and {}): chance is in the difference",
            a.scenario.seed, b.scenario.seed
        ));
    }
    if a.scenario.mode != b.scenario.mode {
        doubts.push("one is open, closed or simulated and the other is not".to_owned());
    }
    if a.machine != b.machine {
        doubts.push("they ran on different machines or processors".to_owned());
    }
    for (name, results) in [("A", a), ("B", b)] {
        if results.counts.unanswered > 0 || results.counts.failed > 0 {
            doubts.push(format!(
                "{name} has {} requests that were never answered and {} that failed: of its percentiles some are the least that \
                 they can be",
                results.counts.unanswered, results.counts.failed
            ));
        }
        let word = results
            .verdict
            .as_ref()
            .map(|verdict| verdict.outcome.label());
        if let Some(word @ ("invalid" | "interrupted")) = word {
            doubts.push(format!("{name} is {word}"));
        }
    }
    doubts
}
