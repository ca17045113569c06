//! What each pool needs, for KEDA's `metrics-api` trigger and for people.

use serde::Serialize;

use super::reply::Reply;
use crate::{
    clock,
    edge::Edge,
    signals::{NoSignal, Signal, Signals},
};

/// The signal of a pool. While it is unknown there are no numbers, not even zeros.
#[derive(Debug, Serialize)]
struct Shown {
    pool: String,
    known: bool,
    #[serde(flatten)]
    numbers: Option<Numbers>,
}

#[derive(Debug, Serialize)]
struct Numbers {
    desired: u32,
    /// `desired` as Kubernetes' autoscaler must hear it.
    hpa: f64,
    ready: u32,
    active: bool,
    waiting: u64,
    in_flight: u64,
    arrivals_per_second: f64,
    seats: u32,
    cold_starts: u64,
    /// None before the first request.
    service_time_ms: Option<f64>,
}

impl Shown {
    fn new(pool: &str, signal: Option<Signal>) -> Self {
        let numbers = signal.map(|signal| Numbers {
            desired: signal.desired,
            hpa: signal.for_autoscaler(),
            ready: signal.ready,
            active: signal.active,
            waiting: signal.waiting,
            in_flight: signal.in_flight,
            arrivals_per_second: signal.arrivals_per_second,
            seats: signal.seats,
            cold_starts: signal.cold_starts,
            service_time_ms: signal.service_time.map(|time| time.as_secs_f64() * 1000.0),
        });
        Self {
            pool: pool.to_owned(),
            known: numbers.is_some(),
            numbers,
        }
    }
}

/// `GET /api/v1/signals`.
pub(super) fn list(edge: &Edge) -> Reply {
    let now = clock::now();
    let pools = edge.signals.pools();
    let shown: Vec<_> = pools
        .iter()
        .map(|pool| Shown::new(pool, edge.signals.signal(pool, now).ok()))
        .collect();
    Reply::json(200, &shown)
}

/// `GET /api/v1/signals/{pool}`.
pub(super) fn one(edge: &Edge, pool: &str) -> Reply {
    match edge.signals.signal(pool, clock::now()) {
        Ok(signal) => Reply::json(200, &Shown::new(pool, Some(signal))),
        Err(missing @ NoSignal::NoPool) => Reply::problem(404, &missing.to_string()),
        Err(missing @ NoSignal::Unknown) => Reply::problem(503, &missing.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::signals::tests::needs;

    fn shown(signal: Option<Signal>) -> Value {
        serde_json::to_value(Shown::new("a", signal)).unwrap()
    }

    #[test]
    fn the_numbers_stand_where_keda_is_told_to_look_for_them() {
        let signal = Signal {
            in_flight: 12,
            arrivals_per_second: 41.5,
            service_time: Some(std::time::Duration::from_millis(90)),
            ..needs(3)
        };
        let wanted = json!({
            "pool": "a", "known": true, "desired": 3, "hpa": 3.0, "ready": 0, "active": true, "waiting": 0, "in_flight": 12,
            "arrivals_per_second": 41.5, "seats": 0, "cold_starts": 0, "service_time_ms": 90.0,
        });
        assert_eq!(shown(Some(signal)), wanted);
    }

    #[test]
    fn p36_what_is_not_known_has_no_number() {
        assert_eq!(shown(None), json!({ "pool": "a", "known": false }));
    }
}
