//! `launchday compare A B`: is there a difference, how large, and how large would it have to be to be seen.
//!
//! Rounds are compared, not requests: requests of one run share its luck, and a target settles differently after each
//! restart (Treadmill, ISCA 2016). Each round plays A and B with the same seed, the order alternates (AB, BA, …) so that a
//! slow drift of the machine hits both alike, and the target is started afresh before each run by the command that the
//! operator named; without one the answer says so. What is claimed is the interval of the mean of the rounds' differences, by `BCa` bootstrap.
//!
//! One measure decides, the others stand beside it: of five intervals one in four runs of A against A would show something.

mod groups;
mod measure;
mod planned;
mod report;
mod rounds;
mod saved;
mod target;

pub(crate) use groups::end_all;
pub use measure::{Measure, Measured};
pub use planned::{DECISIVE, deciding};
pub(crate) use report::{HEADS, basis};
pub use report::{lines, markdown};
pub use rounds::{Plan, Side, Trial, compare};
pub use saved::compare_saved;
pub use target::{Started, restart, start};

use serde::Serialize;

use crate::results::{Machine, Results, ScenarioIdentity, Tool};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of A.
    pub a: String,
    /// Name of B.
    pub b: String,
    /// Pairs that the figures rest on.
    pub rounds: usize,
    /// Rounds that had to be played again, because the generator disturbed one of their runs.
    pub repeated: usize,
    /// Whether the pairs are blocks of two saved runs, so that what differs from start to start is not in the interval.
    pub is_of_saved: bool,
    /// Doubts that a reader must know: other seeds, other machines.
    pub doubts: Vec<String>,
    /// What was played where; of the first run of A, or of the saved A.
    pub provenance: Option<Provenance>,
    /// Rounds that were planned, when the operator ended it before.
    pub interrupted_of: Option<usize>,
    /// The deciding measure first.
    pub measured: Vec<Measured>,
}

/// What is needed to repeat a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// What measured.
    pub tool: Tool,
    /// Where.
    pub machine: Machine,
    /// What was played; seed and target are those of the first run.
    pub scenario: ScenarioIdentity,
    /// When the first run began, in UTC as RFC 3339.
    pub started: String,
    /// Requests scheduled in a run.
    pub scheduled: u64,
}

impl Provenance {
    /// That of one run.
    pub fn of(results: &Results) -> Self {
        Self {
            tool: results.tool.clone(),
            machine: results.machine.clone(),
            scenario: results.scenario.clone(),
            started: results.started.clone(),
            scheduled: results.counts.scheduled,
        }
    }
}

impl Comparison {
    /// What the process exits with.
    pub const fn exit_code(&self) -> u8 {
        if self.interrupted_of.is_some() {
            130
        } else {
            0
        }
    }

    /// The answer in one sentence, by the deciding measure.
    pub fn sentence(&self) -> String {
        if let Some(planned) = self.interrupted_of {
            let rounds = self.rounds;
            return format!("interrupted after {rounds} of {planned} rounds: no claim is made");
        }
        self.measured.first().map_or_else(
            || "nothing could be compared".to_owned(),
            |measured| measured.sentence(&self.a, &self.b),
        )
    }
}

/// Why there is no comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A run could not be made.
    #[error("{0}")]
    Run(String),
    /// Too many runs were invalid.
    #[error(
        "{0} runs were invalid, more than half of the rounds: the generator disturbs what it measures; {1}"
    )]
    Invalid(usize, String),
    /// A side answered nothing in a round.
    #[error("{0} answered nothing ({1}), so there is nothing to compare")]
    Dead(&'static str, String),
    /// A run has too few values for the deciding measure.
    #[error(
        "{measure} needs {needed} requests to rest on, {side} had {found}; play longer or at a higher rate, or let --measure p50 decide"
    )]
    NoFigure {
        /// Whose run.
        side: &'static str,
        /// The deciding measure.
        measure: String,
        /// Requests of the run.
        found: u64,
        /// Requests that it needs.
        needed: u64,
    },
    /// No run of the scenario can be relied on to have enough of them, so that none was played.
    #[error(
        "{measure} needs {needed} requests in each run, the scenario can be relied on for {planned}; {remedy}"
    )]
    TooFewPlanned {
        /// The deciding measure.
        measure: String,
        /// Requests that it needs.
        needed: u64,
        /// Requests that the schedule will have in all but the rarest of runs.
        planned: String,
        /// What to do.
        remedy: String,
    },
    /// A saved result does not hold the deciding measure by second.
    #[error(
        "{0} is not kept by second, so two saved results cannot be compared by it; use p50, p90, p99, answered or failed"
    )]
    NotKept(String),
    /// The operator ended it.
    #[error("interrupted after {0} of the rounds")]
    Interrupted(usize),
    /// Fewer pairs than an interval needs.
    #[error("only {found} pairs, {needed} are needed: {remedy}")]
    TooFew {
        /// Pairs there are.
        found: usize,
        /// Pairs needed.
        needed: usize,
        /// What to do.
        remedy: String,
    },
}

impl Problem {
    /// What the process exits with: 1 when a target is dead, 3 when the measurement is not valid, 130 when interrupted, else 2.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(..) => 3,
            Self::Interrupted(_) => 130,
            Self::Dead(..) => 1,
            Self::Run(_)
            | Self::TooFew { .. }
            | Self::TooFewPlanned { .. }
            | Self::NoFigure { .. }
            | Self::NotKept(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests;
