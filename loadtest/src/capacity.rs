//! `launchday capacity`: the highest rate that a target bears within the thresholds, and what it does beyond.
//!
//! Doubles until a step fails, halves the gap to 2 %, then proves the answer: three of three passes there and three of three
//! failures 5 % above it. A rate near the edge passes or fails by luck, so anything less would print luck as capacity. After
//! each failure the target gets a light load until it is well again: a queue that a previous step left behind must not fail
//! the next. When the generator comes to its own end first, the answer is a lower bound and says so.

mod report;
mod search;
mod steps;

pub use report::lines;
pub(crate) use report::sentence;
pub use search::{Plan, Purpose, Trial, search};
pub use steps::spacing_of_steps;

use serde::Serialize;

use crate::results::Outcome;

/// What was found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// The answer.
    pub answer: Answer,
    /// Every step in the order of play.
    pub steps: Vec<Step>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Passed three of three times here, failed three of three times 5 % above.
    Bears {
        /// Per second.
        rate_per_second: f64,
        /// Where it failed.
        fails_at_per_second: f64,
    },
    /// The generator's limit came first.
    AtLeast {
        /// Highest rate that passed; 0 when none did.
        rate_per_second: f64,
        /// Lowest rate that failed, if one did before.
        failed_per_second: Option<f64>,
        /// What limited the generator.
        why: String,
    },
    /// It passed at the highest rate that was allowed to be tried.
    AtLeastTheMaximum {
        /// That rate.
        rate_per_second: f64,
    },
    /// Not even the lowest rate tried passed.
    Below {
        /// That rate.
        rate_per_second: f64,
    },
    /// It did not become well again after a failure.
    NeverRecovered {
        /// Highest rate that had passed; 0 when none did.
        rate_per_second: f64,
        /// Rate of the step after which it stayed broken.
        broken_at_per_second: f64,
    },
    /// Passes and failures did not separate within the steps allowed: its capacity changes.
    Unsettled {
        /// Highest rate at which every step passed.
        passed_per_second: f64,
        /// Lowest rate at which every step failed.
        failed_per_second: f64,
    },
    /// The operator ended it.
    Interrupted {
        /// Highest rate that had passed; 0 when none did.
        rate_per_second: f64,
    },
}

impl Answer {
    /// What the process exits with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Bears { .. } | Self::AtLeastTheMaximum { .. } => 0,
            Self::Below { .. } | Self::NeverRecovered { .. } | Self::Unsettled { .. } => 1,
            Self::AtLeast { .. } => 3,
            Self::Interrupted { .. } => 130,
        }
    }
}

/// One step of the curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Why it was played.
    pub purpose: Purpose,
    /// Offered per second.
    pub rate_per_second: f64,
    /// How it was judged.
    pub outcome: Outcome,
    /// Answered per second.
    pub answered_per_second: f64,
    /// Failed or unanswered.
    pub failed_share: f64,
    /// Median of the response; none without enough answers.
    pub p50_ns: Option<u64>,
    /// 99th percentile; none without enough answers.
    pub p99_ns: Option<u64>,
    /// Whether the p99 is only a lower bound.
    pub p99_is_bound: bool,
}

#[cfg(test)]
mod tests;
