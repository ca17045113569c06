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
    /// Of single requests; none before the first.
    service_times_ms: Option<Quantiles>,
    /// From an order to readiness; none before the first.
    cold_start_ms: Option<Quantiles>,
    reasons: Vec<WrittenReason>,
}

/// Half, nine tenths and 99 of 100 took no longer.
#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl From<[Duration; 3]> for Quantiles {
    fn from(times: [Duration; 3]) -> Self {
        let [p50, p90, p99] = times.map(millis);
        Self { p50, p90, p99 }
    }
}

impl From<Shown> for ScaleView {
    fn from(shown: Shown) -> Self {
        let Shown {
            record,
            starting,
            seat_time,
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
            service_times_ms: seat_time.map(Quantiles::from),
            cold_start_ms: cold_start.map(Quantiles::from),
            reasons: record.reasons,
        }
    }
}
