//! What the verdict says, as data: thresholds held or not, figures struck out, reasons with number, limit and remedy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run is judged; in order of what a reader must know first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Valid, and every threshold held.
    Passed,
    /// Valid, and a threshold did not hold, had no data, or an abort condition ended the run.
    Failed,
    /// The generator disturbed its own measurement: the figures say nothing about the target.
    Invalid,
    /// Ended by the operator: thresholds were not judged.
    Interrupted,
}

impl Outcome {
    /// The process's exit code. 2 is wrong usage and never a verdict.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Invalid => 3,
            Self::Interrupted => 130,
        }
    }

    /// One word for reports.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// `true` exactly when the run passed: true is good.
    pub ok: bool,
    /// Passed, failed, invalid or interrupted.
    pub outcome: Outcome,
    /// What the process exits with.
    pub exit_code: u8,
    /// Why, the weightiest first; empty when it passed.
    pub findings: Vec<Finding>,
    /// Percentiles that must not be used, whether or not the run is valid.
    pub struck: Vec<Struck>,
}

/// One reason for a verdict: the number, its limit, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What was wrong, in words that need no manual.
    pub what: String,
    /// The number found, with its unit.
    pub number: String,
    /// The limit it broke, with its unit.
    pub limit: String,
    /// What to change.
    pub remedy: String,
}

/// A percentile of the response that is struck out, because the generator's own lag is too large a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Struck {
    /// 0–1; 1 is the maximum.
    pub quantile: f64,
    /// The response there.
    pub response_ns: u64,
    /// The own or read lag there, whichever is larger.
    pub lag_ns: u64,
    /// What the lag may be: the larger of 1 ms and 2 % of the response.
    pub limit_ns: u64,
}

/// One threshold, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// As written in the scenario.
    pub threshold: String,
    /// Whether it held. No data, a struck figure or a number of which only a bound is known on the wrong side: no.
    pub held: bool,
    /// The number with its unit, `≥` before a bound, or why there is none.
    pub found: String,
    /// Why it did not hold, in words; empty when it did.
    pub why: String,
}
