//! What the admin listener shows, as values: the same numbers as metrics and core, in one shape per resource.

use std::path::Path;

use serde::Serialize;

use crate::{
    edge::{Edge, Live},
    reload::{Rejected, Reloader, State},
    sight::pools::PoolGauges,
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
    /// None without `scaler` in the config in force.
    scaler: Option<ScalerStatus>,
    /// Launches that are on or begin within a minute, and that replicas are missing for.
    launches_short: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ScalerStatus {
    address: String,
    streams_open: i64,
    /// Whose demand it tells: a second process would have its own, and whoever asks one of them hears half.
    demand: &'static str,
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
        scaler: live.snapshot.scaler.as_ref().map(|scaler| ScalerStatus {
            address: scaler.address.to_string(),
            streams_open: edge.metrics.scaler.streams_open.get(),
            demand: "of this process",
        }),
        launches_short: launches_short(edge),
    }
}

fn launches_short(edge: &Edge) -> Vec<String> {
    let live = edge.live();
    let pools = live.snapshot.plans.iter();
    let pools = pools.filter_map(|plan| live.snapshot.pools.get(plan.pool.as_usize()));
    pools
        .filter_map(|pool| edge.autoscale.launches(&pool.name))
        .flat_map(|status| status.verified)
        .filter(|found| found.short_by() > 0)
        .map(|found| found.launch)
        .collect()
}

/// Whether at least one pool has an endpoint that is healthy, not ejected and not taken out, or can be woken.
pub fn any_pool_serves(edge: &Edge) -> bool {
    let live = edge.live();
    let mut pools = live.pools.iter();
    pools.any(|pool| pool.activation().is_some() || PoolGauges::of_endpoints(pool).endpoints[0] > 0)
}
