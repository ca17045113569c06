//! What the pools need, for those who scale by Prometheus. A pool of which that is not known has no series, because a zero
//! would be taken for none needed; neither have pools beyond [`POOLS_MAX`], whose sum would help nobody.

use schleuse_core::Timestamp;

use super::{families::Family, pools::POOLS_MAX};
use crate::{
    edge::{Edge, Live},
    signals::{Signal, Signals as _},
};

/// The families, with the series of the first pools of the config whose need is known.
pub(super) fn families(edge: &Edge, live: &Live, now: Timestamp) -> Vec<Family> {
    let pools = live.snapshot.pools.iter().map(|pool| &*pool.name);
    let known = pools.filter_map(|pool| Some((pool, edge.signals.signal(pool, now).ok()?)));
    let known: Vec<(&str, Signal)> = known.take(POOLS_MAX).collect();
    let mut families = Vec::new();
    let mut add = |mut family: Family, value: fn(&Signal) -> Option<f64>| {
        for (pool, signal) in &known {
            if let Some(value) = value(signal) {
                family.add(&[("pool", pool)], value);
            }
        }
        families.push(family);
    };
    let gauge = Family::gauge;
    add(
        gauge("signal_desired_replicas", "Replicas that the pool needs."),
        |signal| Some(signal.desired.into()),
    );
    add(
        gauge("signal_waiting", "Requests that wait for a seat."),
        |signal| count(signal.waiting),
    );
    add(
        gauge("signal_in_flight", "Requests that hold a seat."),
        |signal| count(signal.in_flight),
    );
    add(
        gauge(
            "signal_arrivals_per_second",
            "Requests that the limits let through, per second.",
        ),
        |signal| Some(signal.arrivals_per_second),
    );
    add(
        gauge(
            "signal_service_time_seconds",
            "Time that a request holds a seat.",
        ),
        |signal| signal.service_time.map(|time| time.as_secs_f64()),
    );
    let woken = Family::counter(
        "signal_cold_starts_total",
        "Times the pool was woken since the start.",
    );
    add(woken, |signal| count(signal.cold_starts));
    families
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the text format knows 64-bit floats only"
)]
#[expect(clippy::unnecessary_wraps, reason = "in the shape of the others")]
fn count(value: u64) -> Option<f64> {
    Some(value as f64)
}
