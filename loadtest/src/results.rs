//! The result of one run as data: what `run` and `simulate` fill, what every report, `compare` and `capacity` read.
//!
//! One type for real and simulated runs, so that no report can treat them differently. Every number has its unit in its
//! name, counts are complete (`Counts::is_complete`), and a saved result is judged again from its raw figures: the verdict
//! in the file is a copy for readers, never an input.
//!
//! | module | holds |
//! |---|---|
//! | [`counts`] | how each scheduled request ended, and why |
//! | [`latencies`] | a distribution of durations as sparse buckets |
//! | [`breakdown`] | the same by second, step, tenant, journey and worker |
//! | [`origin`] | which tool, machine, scenario and simulation it came from |
//! | [`judgement`] | thresholds, validity, the verdict |
//! | [`mod@file`] | reading and writing; the JSON Schema |

pub mod breakdown;
pub mod counts;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
pub mod judgement;
pub mod latencies;
pub mod origin;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::percentile::Sample;

pub use breakdown::{
    JourneyResult, PoolSecond, Second, SizeClass, StepResult, TenantResult, WorkerResult,
    WorkerSecond,
};
use counts::ratio;
pub use counts::{Blame, Counts, Reason, ReasonCount, StatusCount};
pub use file::{FileProblem, SCHEMA_VERSION, schema};
pub use judgement::{Finding, Judged, Outcome, Struck, Verdict};
pub use latencies::Latencies;
pub use origin::{
    Calibration, Connections, Ending, Machine, Mode, ScenarioIdentity, Simulation, Tool,
};

/// One run: where it came from, what happened, how it is judged.
///
/// Everything outside `warm_up` is about requests planned after the warm-up; all times are nanoseconds on one monotonic
/// clock, or virtual ones in a simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`SCHEMA_VERSION`] at the time of writing. Another major number is refused when reading.
    pub schema_version: u32,
    /// What wrote this.
    pub tool: Tool,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked for.
    pub scenario: ScenarioIdentity,
    /// Start in UTC as RFC 3339 with seconds, `2026-11-25T08:00:00Z`; of the simulating process in a simulation.
    pub started: String,
    /// From the start of the schedule after the warm-up to the last planned arrival's end of phase; without the drain.
    pub duration_seconds: f64,
    /// How it came to its end.
    pub ending: Ending,

    /// Requests planned in the warm-up; they are in no other figure but the seconds before 0.
    pub warm_up: Counts,
    /// Every request planned after the warm-up, by how it ended.
    pub counts: Counts,
    /// Why requests failed or were not sent, most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Answers by status, in order of status; failures by status (5xx) included.
    pub statuses: Vec<StatusCount>,
    /// Bytes of answers' bodies that arrived.
    pub received_bytes: u64,
    /// Bytes of requests' bodies that were written.
    pub sent_bytes: u64,

    /// Plan to last byte, of the answered. Three digits, as the four below.
    pub response: Latencies,
    /// First byte written to last byte read, of the answered: the target without any waiting before it.
    pub service: Latencies,
    /// Plan to ready to send: the generator's own fault. One value per request that was taken up.
    pub own_lag: Latencies,
    /// Ready to first byte written: no connection or stream was free, which is the target's fault in the open model.
    pub connection_wait: Latencies,
    /// Arrival in the kernel to handled, at most: an answer came after the last look at which it was not there. The
    /// generator's own fault. One value per answer; empty in a simulation.
    pub read_lag: Latencies,

    /// Plan to end of the drain, of the unanswered: each would have taken longer than this.
    pub unanswered_after: Latencies,
    /// Plan to giving up, of those that failed by time-out or deadline: each would have taken longer than this.
    pub timed_out_after: Latencies,
    /// Plan to leaving, of the abandoned: the patience that ran out.
    pub abandoned_after: Latencies,

    /// In order, from the first second of the warm-up (negative) to the last of the drain; no gaps.
    pub seconds: Vec<Second>,
    /// By journey, step and size class of the tenant; two digits.
    pub steps: Vec<StepResult>,
    /// Every tenant that the schedule could have drawn, in order of its key; empty when the scenario has none.
    pub tenants: Vec<TenantResult>,
    /// By journey, in the scenario's order.
    pub journeys: Vec<JourneyResult>,
    /// By worker, in order of number.
    pub workers: Vec<WorkerResult>,
    /// Connections, handshakes and look-ups of names; absent in a simulation.
    pub connections: Option<Connections>,
    /// What only a simulation knows about itself; absent in a real run.
    pub simulation: Option<Simulation>,

    /// Each threshold of the scenario, in its order; empty before the run was judged.
    pub thresholds: Vec<Judged>,
    /// Absent before the run was judged ([`crate::verdict::judge`]).
    pub verdict: Option<Verdict>,
}

impl Results {
    /// Whether the operator ended it (Ctrl-C), so that thresholds are not judged.
    pub fn is_interrupted(&self) -> bool {
        self.ending == Ending::Interrupted
    }

    /// Durations of requests whose answer may still have been on its way: each is a lower bound (right-censored), by whatever
    /// it ended.
    ///
    /// Other failures (a refused connection) are not among them: the moment that they took says nothing. They rank behind
    /// every duration ([`Sample::of`]).
    pub fn censored(&self) -> Latencies {
        let mut all = self.unanswered_after.clone();
        all.merge(&self.timed_out_after);
        all.merge(&self.abandoned_after);
        all
    }

    /// All requests, to ask for percentiles of the response.
    pub fn sample(&self) -> Sample {
        Sample::of(&self.counts, &self.response, &self.censored())
    }

    /// Answers per second of the schedule, over its whole seconds; of all answers where it is shorter than one. What came in
    /// the drain was not answered at that rate. None when nothing was played.
    pub fn answered_per_second(&self) -> Option<f64> {
        let mut answered = 0_u64;
        let mut seconds = 0_u32;
        for second in &self.seconds {
            let is_whole = second.at_seconds >= 0
                && i32::try_from(second.at_seconds)
                    .is_ok_and(|at| f64::from(at) + 1.0 <= self.duration_seconds);
            if is_whole {
                answered = answered.saturating_add(second.answered);
                seconds += 1;
            }
        }
        if seconds > 0 {
            return Some(ratio(answered, 1) / f64::from(seconds));
        }
        (self.duration_seconds > 0.0)
            .then(|| ratio(self.counts.answered, 1) / self.duration_seconds)
    }

    /// How many requests ended for `reason`.
    pub fn count_of(&self, reason: Reason) -> u64 {
        self.reasons
            .iter()
            .filter(|entry| entry.reason == reason)
            .map(|entry| entry.count)
            .sum()
    }
}
