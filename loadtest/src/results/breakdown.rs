//! The same figures by second, step, tenant, journey and worker.
//!
//! Bounded by construction: seconds by the run's length, steps by scenario × [`SizeClass`], tenants by the register with
//! counts, sum and maximum only (a histogram for each of 10,751 would take gigabytes).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Latencies};

/// One second of the run. Counts are events that happened in it, not the fate of what was planned in it; `offered` and
/// `unanswered_after` alone go by the plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// Start of this second, counted from the end of the warm-up; negative within it.
    pub at_seconds: i64,
    /// Requests whose plan fell into this second: the rate offered.
    pub offered: u64,
    /// Requests whose first byte was written.
    pub sent: u64,
    /// Answers completed.
    pub answered: u64,
    /// Failures.
    pub failed: u64,
    /// Citizens who left.
    pub abandoned: u64,
    /// Arrivals given up as not sent.
    pub not_sent: u64,
    /// Requests planned and not ended at the end of this second, waiting ones included.
    pub in_flight: u64,
    /// Of these, ready to send and without a connection or stream.
    pub waiting: u64,
    /// Plan to last byte, of the answers completed in this second; one or two digits.
    pub response: Latencies,
    /// Plan to giving up, of those who left, timed out or passed their deadline in this second: each would have taken longer.
    #[serde(default, skip_serializing_if = "Latencies::is_empty")]
    pub gave_up_after: Latencies,
    /// Plan to end of the drain, of what was planned in this second and never answered: each would have taken longer.
    #[serde(default, skip_serializing_if = "Latencies::is_empty")]
    pub unanswered_after: Latencies,
    /// Largest own lag of the requests taken up in this second.
    pub own_lag_max_ns: u64,
    /// By worker, in order of number; empty in a simulation.
    pub workers: Vec<WorkerSecond>,
    /// What the target's own side said; absent when nobody was asked.
    pub pool: Option<PoolSecond>,
}

/// How busy one worker was in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerSecond {
    /// Share of the second on the processor, 0–1. Deliberate spinning for precision does not count.
    pub busy_share: f64,
    /// Share of the second runnable without a core (`/proc/…/schedstat`), 0–1; absent: the kernel does not tell.
    pub run_delay_share: Option<f64>,
}

/// Replicas and queue under the latency plot, from Schleuse's admin API or from the simulated core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSecond {
    /// Ready to serve.
    pub replicas_ready: u64,
    /// Wanted by the recommender or the plan.
    pub replicas_wanted: u64,
    /// Requests held in the target's queue.
    pub waiting: u64,
    /// Requests that occupy a slot.
    pub in_flight: u64,
}

/// Size of a Gemeinde by inhabitants; the classes that thresholds and fairness are told by.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SizeClass {
    /// Below 1,000 inhabitants.
    Tiny,
    /// 1,000 to 9,999.
    Small,
    /// 10,000 to 99,999.
    Medium,
    /// 100,000 and more.
    Large,
    /// A tenant without inhabitants (a Kreis, a Land, a name from a weights file), or a run without tenants.
    Other,
}

impl SizeClass {
    /// Every class, smallest first.
    pub const ALL: [Self; 5] = [
        Self::Tiny,
        Self::Small,
        Self::Medium,
        Self::Large,
        Self::Other,
    ];

    /// The class of a Gemeinde with that many inhabitants.
    pub const fn of(population: Option<u64>) -> Self {
        match population {
            None => Self::Other,
            Some(0..1_000) => Self::Tiny,
            Some(1_000..10_000) => Self::Small,
            Some(10_000..100_000) => Self::Medium,
            Some(_) => Self::Large,
        }
    }

    /// The name in JSON and in thresholds (`small: p99 < 1s`).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Other => "other",
        }
    }

    /// What it means, for a table's head.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Tiny => "below 1,000 inhabitants",
            Self::Small => "1,000 to 9,999",
            Self::Medium => "10,000 to 99,999",
            Self::Large => "100,000 and more",
            Self::Other => "no inhabitants known",
        }
    }
}

/// One step of one journey for one size class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepResult {
    /// The journey's name.
    pub journey: String,
    /// The step's name.
    pub step: String,
    /// The size class of the tenants asked.
    pub class: SizeClass,
    /// How these requests ended.
    pub counts: Counts,
    /// Plan to last byte, of the answered; two digits.
    pub response: Latencies,
    /// Plan to giving up, of those whose answer was never seen (unanswered, timed out, abandoned); two digits.
    pub censored: Latencies,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantResult {
    /// Its key: an ARS prefix, or the name in the weights file.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The Land (first two digits of the ARS) by name; empty when unknown.
    pub land: String,
    /// Inhabitants, if known.
    pub population: Option<u64>,
    /// Its part of the demand that the scenario draws, relative to the others; the noisy one's factor included.
    pub weight: f64,
    /// Its part of the capacity that it is entitled to, relative to the others; the noisy one's factor excluded.
    pub entitlement: f64,
    /// How its requests ended.
    pub counts: Counts,
    /// Sum of plan to last byte, of the answered.
    pub response_sum_ns: u64,
    /// Largest plan to last byte, of the answered.
    pub response_max_ns: u64,
}

impl TenantResult {
    /// Its size class.
    pub const fn class(&self) -> SizeClass {
        SizeClass::of(self.population)
    }
}

/// One journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JourneyResult {
    /// Its name.
    pub journey: String,
    /// Citizens who set out.
    pub started: u64,
    /// Citizens who reached the end.
    pub completed: u64,
    /// Citizens who ran out of patience and did not come back.
    pub abandoned: u64,
    /// Citizens whose journey broke on a failed step.
    pub failed: u64,
    /// Citizens still on their way at the end of the drain.
    pub unfinished: u64,
    /// How often a citizen came back after leaving or after `Retry-After`.
    pub came_back: u64,
    /// Requests of all of them; `requests / started` tells how open the model really was.
    pub requests: u64,
    /// Start to end with think times, of the completed; two digits.
    pub duration: Latencies,
}

/// One worker of the generator over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerResult {
    /// The processor it was pinned to, if it was.
    pub processor: Option<u32>,
    /// Requests it sent.
    pub sent: u64,
    /// Processor time, user and system.
    pub processor_ns: u64,
    /// Time runnable without a core; absent: the kernel does not tell.
    pub run_delay_ns: Option<u64>,
    /// Wall time from its start to its end.
    pub wall_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_class_begins_at_its_round_number() {
        for (population, class) in [
            (Some(0), SizeClass::Tiny),
            (Some(999), SizeClass::Tiny),
            (Some(1_000), SizeClass::Small),
            (Some(9_999), SizeClass::Small),
            (Some(10_000), SizeClass::Medium),
            (Some(100_000), SizeClass::Large),
            (None, SizeClass::Other),
        ] {
            assert_eq!(SizeClass::of(population), class, "{population:?}");
        }
    }
}
