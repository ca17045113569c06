//! What the admin listener shows, as values: the same numbers as metrics and core, in one shape per resource.

use std::path::Path;

use serde::Serialize;

use schleuse_core::Mode;

use crate::{
    clock,
    edge::{Edge, Live},
    pool_metrics::PoolGauges,
    registry::Pool,
    reload::{Rejected, Reloader, State},
};

/// `/api/v1/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    stopping: bool,
    config: ConfigStatus,
    tenants: usize,
    services: Vec<String>,
    listeners: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ConfigStatus {
    path: String,
    generation: u64,
    /// SHA-256 of all files, hexadecimal.
    hash: String,
    /// Seconds since 1970.
    loaded_at: u64,
    /// Set while the newest config is refused; the one above stays in force.
    rejected: Option<RejectedStatus>,
}

#[derive(Debug, Serialize)]
struct RejectedStatus {
    at: u64,
    origin: &'static str,
    problems: Vec<String>,
}

impl From<Rejected> for RejectedStatus {
    fn from(rejected: Rejected) -> Self {
        Self {
            at: rejected.at.as_secs(),
            origin: rejected.origin,
            problems: rejected.problems,
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

impl ConfigStatus {
    fn new(live: &Live, path: &Path, rejected: Option<Rejected>) -> Self {
        Self {
            path: path.display().to_string(),
            generation: live.generation,
            hash: hex(&live.snapshot.hash),
            loaded_at: live.since.as_secs(),
            rejected: rejected.map(Into::into),
        }
    }
}

/// More files than an operator reads; a directory of certificates may hold any number.
const FILES_MAX: usize = 1000;

/// `/api/v1/config`.
#[derive(Debug, Serialize)]
pub struct ConfigView {
    #[serde(flatten)]
    status: ConfigStatus,
    /// Files and directories that the last attempt read or looked for.
    files: Vec<String>,
    /// Files beyond the thousand that are listed.
    files_left_off: usize,
}

/// Which config is in force, and what it was read from.
pub fn config(edge: &Edge, reloader: &Reloader) -> ConfigView {
    let State { files, rejected } = reloader.state();
    let shown = files.iter().take(FILES_MAX);
    ConfigView {
        status: ConfigStatus::new(&edge.live(), reloader.path(), rejected),
        files: shown.map(|file| file.display().to_string()).collect(),
        files_left_off: files.len().saturating_sub(FILES_MAX),
    }
}

/// The whole proxy at a glance.
pub fn status(edge: &Edge, reloader: &Reloader) -> Status {
    let live = edge.live();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        stopping: edge.leaving(),
        config: ConfigStatus::new(&live, reloader.path(), reloader.state().rejected),
        tenants: live.snapshot.register.tenant_count(),
        services: live
            .snapshot
            .services
            .iter()
            .map(|service| service.name.clone())
            .collect(),
        listeners: live
            .listeners
            .iter()
            .map(|listener| listener.config.address.to_string())
            .collect(),
    }
}

/// A pool with its endpoints.
#[derive(Debug, Serialize)]
pub struct PoolView {
    name: String,
    arrivals: u64,
    admitted: u64,
    departed: u64,
    refused_full: u64,
    refused_absent: u64,
    retries: u64,
    retries_denied: u64,
    affinity_lost: u64,
    /// Where the endpoints come from; none: from the config.
    source: Option<SourceStatus>,
    endpoints: Vec<EndpointStatus>,
}

#[derive(Debug, Serialize)]
struct SourceStatus {
    /// `dns`, `file` or `process`.
    kind: &'static str,
    /// Whether it has said anything under this config.
    answered: bool,
    /// Seconds since it did; before that, since it was asked first.
    age_seconds: f64,
    /// Why it has not since.
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct EndpointStatus {
    address: String,
    mode: &'static str,
    healthy: bool,
    /// Taken out for failing answers.
    ejected: bool,
    /// Gone from the config, still busy.
    leaving: bool,
    in_flight: u32,
    seats: u32,
    connections: u32,
    latency_ms: Option<f64>,
    arrivals: u64,
    failures: u64,
    ejections: u64,
}

/// All pools.
pub fn pools(edge: &Edge) -> Vec<PoolView> {
    let live = edge.live();
    live.pools.iter().map(|pool| describe(pool)).collect()
}

/// One pool.
pub fn pool(edge: &Edge, name: &str) -> Option<PoolView> {
    let live = edge.live();
    let pool = live.pools.iter().find(|pool| pool.name() == name)?;
    Some(describe(pool))
}

fn describe(pool: &Pool) -> PoolView {
    let totals = pool.totals();
    let now = clock::now();
    let endpoints = pool
        .views()
        .into_iter()
        .map(|(view, connections)| EndpointStatus {
            address: view.address.to_string(),
            mode: match view.mode {
                Mode::Ready => "ready",
                Mode::Drain => "drain",
                Mode::Maintenance => "maintenance",
            },
            healthy: view.healthy,
            ejected: view.ejected_until.is_some_and(|until| until > now),
            leaving: !view.listed,
            in_flight: view.in_flight,
            seats: view.seats,
            connections,
            latency_ms: view.latency.map(|latency| latency.as_secs_f64() * 1000.0),
            arrivals: view.arrivals,
            failures: view.failures,
            ejections: view.ejections,
        });
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
        source: pool.source().map(|status| SourceStatus {
            kind: status.source,
            answered: status.answered,
            age_seconds: status.age.as_secs_f64(),
            problem: status.problem,
        }),
        endpoints: endpoints.collect(),
    }
}

/// What a scrape shows of a pool.
pub fn gauges(pool: &Pool) -> PoolGauges {
    let now = clock::now();
    let looked_up = pool.source().filter(|status| status.source != "process");
    let mut gauges = PoolGauges {
        discovery_age: looked_up.map(|status| status.age),
        waiting: pool.queue().waiting,
        ..PoolGauges::default()
    };
    for (view, _) in pool.views() {
        gauges.in_flight += view.in_flight;
        let state = if view.mode != Mode::Ready || !view.listed {
            3
        } else if view.ejected_until.is_some_and(|until| until > now) {
            2
        } else if view.healthy {
            gauges.seats += view.seats;
            0
        } else {
            1
        };
        gauges.endpoints[state] += 1;
    }
    gauges
}

/// Whether at least one pool has an endpoint that is healthy, not ejected and not taken out.
pub fn any_pool_serves(edge: &Edge) -> bool {
    let live = edge.live();
    live.pools.iter().any(|pool| gauges(pool).endpoints[0] > 0)
}
