//! How many replicas a pool should have, and why, as operators ask for it. The whole decision is in the log.

use std::time::Duration;

use serde::Serialize;

use super::traffic::millis;
use crate::autoscale::{Shown, record::WrittenReason};

/// The last decision about a pool.
#[derive(Debug, Serialize)]
pub(super) struct ScaleView {
    desired: u32,
    /// Before anything held it.
    wanted: u32,
    min: u32,
    max: u32,
    ready: u32,
    /// Ordered, and not ready yet.
    starting: usize,
    /// Since the oldest of them was ordered.
    starting_ms: Option<f64>,
    /// In a row.
    failing_starts: u32,
    /// Seats of one replica.
    seats_per_replica: u32,
    /// By what capacity is reckoned: learnt, or the config's until then.
    service_time_ms: f64,
    /// None before the first.
    cold_start_ms: Option<ColdStart>,
    reasons: Vec<WrittenReason>,
}

/// From an order to readiness; so many of them took no longer.
#[derive(Debug, Serialize)]
struct ColdStart {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl From<Shown> for ScaleView {
    fn from(shown: Shown) -> Self {
        let Shown {
            record,
            starting,
            cold_start,
        } = shown;
        let (policy, evidence) = (&record.policy, &record.evidence);
        let service_time = Duration::try_from_secs_f64(evidence.seat_seconds);
        Self {
            desired: record.replicas,
            wanted: record.wanted,
            min: policy.min,
            max: policy.max,
            ready: evidence.ready,
            starting: starting.len(),
            starting_ms: starting.first().copied().map(millis),
            failing_starts: evidence.failing_starts,
            seats_per_replica: policy.seats_per_replica,
            service_time_ms: millis(service_time.unwrap_or_default()),
            cold_start_ms: cold_start.map(|[p50, p90, p99]| ColdStart {
                p50: millis(p50),
                p90: millis(p90),
                p99: millis(p99),
            }),
            reasons: record.reasons,
        }
    }
}
