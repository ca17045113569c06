//! What one tenant of a service is doing and what holds it, for `/api/v1/tenants/{key}` and `/api/v1/top`.

use std::{collections::BTreeMap, time::Duration};

use schleuse_config::{ClientLimit, Over, TenantLimit};
use schleuse_core::FlowView;
use serde::Serialize;

use crate::sight::{counts::Counts, reasons::RefusedCounts, recent::RecentView, traffic::Traffic};

/// Requests of a tenant of a service: now, lately and since the start.
#[derive(Debug, Serialize)]
pub(super) struct TrafficView {
    in_flight: u32,
    waiting: u32,
    held_bytes: u64,
    /// F - V: what it had more than its share.
    ahead_seconds: f64,
    weight: u64,
    service_time_ms: Option<f64>,
    /// What keeps its next request waiting beside the seats.
    held_up_by: Option<&'static str>,
    /// Requests that a limit in `observe` mode let pass.
    observed: u64,
    requests: Requests,
    limits: Limits,
}

/// What became of requests: since the start, and how long they waited in the last minutes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Requests {
    admitted: u64,
    left: u64,
    /// Only reasons that happened.
    refused: BTreeMap<&'static str, u64>,
    refused_recently: u64,
    wait_p50_ms: Option<f64>,
    wait_p99_ms: Option<f64>,
}

impl Requests {
    pub(super) fn of(counts: &Counts, recent: &RecentView) -> Self {
        Self {
            admitted: counts.admitted_total(),
            left: counts.left_total(),
            refused: happened(counts.refused_by_reason()),
            refused_recently: recent.refused,
            wait_p50_ms: recent.wait(50).map(millis),
            wait_p99_ms: recent.wait(99).map(millis),
        }
    }
}

fn happened(refused: &RefusedCounts) -> BTreeMap<&'static str, u64> {
    refused.all().filter(|(_, count)| *count > 0).collect()
}

pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The limits of the config in force, for this tenant.
#[derive(Debug, Serialize)]
struct Limits {
    tenant: Option<TenantLimitView>,
    client: Option<ClientLimitView>,
}

#[derive(Debug, Serialize)]
struct TenantLimitView {
    mode: &'static str,
    over: &'static str,
    /// Null: the rate is not limited.
    rate_per_second: Option<f64>,
    burst: Option<f64>,
    /// Requests that the rate would let through at once.
    tokens: Option<u64>,
    in_flight_max: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ClientLimitView {
    mode: &'static str,
    rate_per_second: f64,
    burst: f64,
}

fn mode(observe: bool) -> &'static str {
    if observe { "observe" } else { "enforce" }
}

impl TenantLimitView {
    fn new(limit: &TenantLimit, traffic: &Traffic<'_>) -> Self {
        let quota = traffic.quota;
        Self {
            mode: mode(limit.observe),
            over: match limit.over {
                Over::Wait => "wait",
                Over::Refuse => "refuse",
            },
            rate_per_second: quota.map(|quota| quota.rate_per_second()),
            burst: quota.map(|quota| quota.burst()),
            tokens: traffic.tokens(),
            in_flight_max: limit.in_flight,
        }
    }
}

impl From<&ClientLimit> for ClientLimitView {
    fn from(limit: &ClientLimit) -> Self {
        Self {
            mode: mode(limit.observe),
            rate_per_second: limit.rate_per_second,
            burst: limit.burst.requests(limit.rate_per_second),
        }
    }
}

impl TrafficView {
    pub(super) fn new(traffic: &Traffic<'_>) -> Self {
        let flow = traffic.flow.as_ref();
        let counts = traffic.runtime.as_ref().map(|runtime| &runtime.counts);
        let requests =
            counts.map(|counts| Requests::of(counts, &counts.recent.view(traffic.now())));
        let limits = &traffic.service.limits;
        let tenant = limits.tenant.as_ref();
        let time = flow
            .map(|flow| flow.service_time)
            .filter(|time| !time.is_zero());
        Self {
            in_flight: flow.map_or(0, |flow| flow.in_flight),
            waiting: flow.map_or(0, |flow| flow.waiting),
            held_bytes: flow.map_or(0, |flow| flow.waiting_bytes),
            ahead_seconds: flow.map_or(0.0, |flow| flow.ahead),
            weight: traffic.weight,
            service_time_ms: time.map(millis),
            held_up_by: flow.and_then(held_up_by),
            observed: counts.map_or(0, Counts::observed_total),
            requests: requests.unwrap_or_default(),
            limits: Limits {
                tenant: tenant.map(|limit| TenantLimitView::new(limit, traffic)),
                client: limits.client.as_ref().map(Into::into),
            },
        }
    }
}

fn held_up_by(flow: &FlowView) -> Option<&'static str> {
    if flow.limited {
        Some("in_flight")
    } else {
        flow.rated_until.map(|_| "rate")
    }
}
