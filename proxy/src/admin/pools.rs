//! Pools as operators ask for them: seats, queue, endpoints, and what became of the requests.

use schleuse_core::{ActivationView, FairBy, Mode, PoolPhase, PoolPolicy, QueuePolicy, Timestamp};
use serde::Serialize;

use super::{
    scale::ScaleView,
    traffic::{Requests, millis},
};
use crate::{clock, edge::Edge, registry::Pool, sight::pools::PoolGauges};

/// A pool with its endpoints.
#[derive(Debug, Serialize)]
pub(super) struct PoolView {
    name: String,
    arrivals: u64,
    admitted: u64,
    departed: u64,
    refused_full: u64,
    refused_absent: u64,
    retries: u64,
    retries_denied: u64,
    affinity_lost: u64,
    in_flight: u32,
    seats: u32,
    streams: u32,
    waiting: u32,
    /// Of them those that miss nothing but a seat.
    waiting_for_seats: u32,
    held_bytes: u64,
    /// V, in seconds of one seat at the weight of one.
    virtual_time_seconds: f64,
    /// Tenants that wait, are in flight or owe something.
    flows: usize,
    active_flows: u64,
    service_time_ms: f64,
    /// Until all who wait for seats now have got them.
    predicted_wait_ms: f64,
    fair_by: &'static str,
    bounds: Bounds,
    requests: Requests,
    /// Where the endpoints come from; none: from the config.
    source: Option<SourceStatus>,
    /// None: nobody starts endpoints for it.
    activation: Option<ActivationStatus>,
    /// None: nobody decides how many endpoints there should be, or not yet.
    scale: Option<ScaleView>,
    endpoints: Vec<EndpointStatus>,
}

#[derive(Debug, Serialize)]
struct SourceStatus {
    /// `dns`, `file` or `process`.
    kind: &'static str,
    /// Whether it has said anything under this config.
    answered: bool,
    /// Since it did; before that, since it was asked first.
    age_seconds: f64,
    /// Why it has not since.
    problem: Option<String>,
}

/// What the config allows.
#[derive(Debug, Serialize)]
struct Bounds {
    waiting_max: u32,
    waiting_per_tenant_max: u32,
    bytes_max: u64,
    bytes_per_tenant_max: u64,
    wait_max_ms: f64,
    client_share_percent: u32,
    streams_max: u32,
}

impl Bounds {
    fn new(queue: &QueuePolicy, streams_max: u32) -> Self {
        Self {
            waiting_max: queue.waiting_max,
            waiting_per_tenant_max: queue.waiting_per_tenant_max,
            bytes_max: queue.bytes_max,
            bytes_per_tenant_max: queue.bytes_per_tenant_max,
            wait_max_ms: millis(queue.wait_max),
            client_share_percent: queue.client_share,
            streams_max,
        }
    }
}

fn spell(fair_by: FairBy) -> &'static str {
    match fair_by {
        FairBy::Population => "population",
        FairBy::SquareRoot => "square_root",
        FairBy::Equal => "equal",
        FairBy::None => "none",
    }
}

/// Whether it sleeps, wakes or serves.
#[derive(Debug, Serialize)]
struct ActivationStatus {
    phase: &'static str,
    /// Why the last attempt to wake it failed, until the next one.
    why: Option<&'static str>,
    wakes: u64,
    failed_starts: u64,
    /// More starts would fail too.
    failing: bool,
    /// Until an endpoint will probably serve.
    ready_in_ms: f64,
}

impl From<ActivationView> for ActivationStatus {
    fn from(view: ActivationView) -> Self {
        Self {
            phase: view.phase.label(),
            why: match view.phase {
                PoolPhase::Failed { why, .. } => Some(why.label()),
                _ => None,
            },
            wakes: view.wakes,
            failed_starts: view.failed_starts,
            failing: view.failing,
            ready_in_ms: millis(view.ready_in),
        }
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "a document: each is a fact of its own"
)]
#[derive(Debug, Serialize)]
struct EndpointStatus {
    address: String,
    mode: &'static str,
    healthy: bool,
    /// Takes nothing before it has answered a probe.
    starting: bool,
    /// Taken out for failing answers.
    ejected: bool,
    /// Gone from the config, still busy.
    leaving: bool,
    in_flight: u32,
    seats: u32,
    streams: u32,
    connections: u32,
    latency_ms: Option<f64>,
    arrivals: u64,
    failures: u64,
    ejections: u64,
}

/// All pools.
pub(super) fn pools(edge: &Edge) -> Vec<PoolView> {
    let live = edge.live();
    let pools = live.pools.iter().zip(&live.snapshot.pools);
    pools
        .map(|(pool, config)| describe(edge, pool, &config.policy))
        .collect()
}

/// One pool.
pub(super) fn pool(edge: &Edge, name: &str) -> Option<PoolView> {
    let live = edge.live();
    let mut pools = live.pools.iter().zip(&live.snapshot.pools);
    let (pool, config) = pools.find(|(pool, _)| pool.name() == name)?;
    Some(describe(edge, pool, &config.policy))
}

fn describe(edge: &Edge, pool: &Pool, policy: &PoolPolicy) -> PoolView {
    let now = clock::now();
    let (totals, queue) = (pool.totals(), pool.queue());
    let gauges = PoolGauges::of_endpoints(pool);
    let counts = &pool.counts.counts;
    PoolView {
        name: pool.name().to_owned(),
        arrivals: totals.arrivals,
        admitted: totals.admitted,
        departed: totals.departed,
        refused_full: totals.refused_full,
        refused_absent: totals.refused_absent,
        retries: totals.retries,
        retries_denied: totals.retries_denied,
        affinity_lost: totals.affinity_lost,
        in_flight: gauges.in_flight,
        seats: gauges.seats,
        streams: gauges.streams,
        waiting: queue.waiting,
        waiting_for_seats: queue.waiting_for_seats,
        held_bytes: queue.waiting_bytes,
        virtual_time_seconds: queue.virtual_time,
        flows: queue.flows,
        active_flows: queue.active_flows,
        service_time_ms: millis(queue.service_time),
        predicted_wait_ms: millis(queue.drain),
        fair_by: spell(policy.queue.fair_by),
        bounds: Bounds::new(&policy.queue, policy.streams_max),
        requests: Requests::of(counts, &counts.recent.view(now)),
        source: pool.source().map(|status| SourceStatus {
            kind: status.source,
            answered: status.answered,
            age_seconds: status.age.as_secs_f64(),
            problem: status.problem,
        }),
        activation: pool.activation().map(<_>::from),
        scale: edge.autoscale.shown(pool.name()).map(<_>::from),
        endpoints: endpoints(pool, now),
    }
}

fn endpoints(pool: &Pool, now: Timestamp) -> Vec<EndpointStatus> {
    let endpoints = pool.views().into_iter();
    let status = endpoints.map(|(view, connections)| EndpointStatus {
        address: view.address.to_string(),
        mode: match view.mode {
            Mode::Ready => "ready",
            Mode::Drain => "drain",
            Mode::Maintenance => "maintenance",
        },
        healthy: view.healthy,
        starting: view.starting,
        ejected: view.ejected_until.is_some_and(|until| until > now),
        leaving: !view.listed,
        in_flight: view.in_flight,
        seats: view.seats,
        streams: view.streams,
        connections,
        latency_ms: view.latency.map(millis),
        arrivals: view.arrivals,
        failures: view.failures,
        ejections: view.ejections,
    });
    status.collect()
}
