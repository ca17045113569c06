//! Pools: endpoints, seats, deadlines, and what the core decides by.

use std::time::Duration;

use schleuse_core::{
    ActivationPolicy, EjectionPolicy, Fraction, HealthPolicy, PoolPolicy, RetryPolicy,
};

use super::{
    queue,
    services::CheckedService,
    sources::{self, Endpoints},
};
use crate::{
    files::Sources,
    hosts::{check_host, check_label, check_path},
    problem::{Place, Report},
    reader::{Entry, Placed, Section},
    snapshot::{Health, Pool, PoolTimeouts, Scale},
    units::Fault,
};

/// A pool, and what only its services can judge.
#[derive(Debug)]
pub(super) struct CheckedPool {
    pub(super) value: Pool,
    /// Of the name.
    pub(super) place: Place,
    pub(super) at: String,
    /// `queue.wait_max`, where it was written.
    pub(super) wait_max: Option<Placed<Duration>>,
    /// `scale` was written, right or wrong.
    pub(super) has_scale: bool,
    /// None: known at run time.
    endpoint_count: Option<usize>,
}

impl CheckedPool {
    /// Whether the endpoints stand in the file.
    pub(super) fn knows_endpoints(&self) -> bool {
        self.endpoint_count.is_some()
    }

    /// Requests that may be in flight at once; the most there can be where the endpoints come at run time.
    pub(super) fn seats(&self) -> u32 {
        let endpoints = self
            .endpoint_count
            .and_then(|count| u32::try_from(count).ok());
        let endpoints = endpoints.unwrap_or(u32::MAX);
        self.value.policy.concurrency.saturating_mul(endpoints)
    }
}

pub(super) fn read(
    file: &Section<'_, '_>,
    held_bytes_max: u64,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<CheckedPool> {
    let entries = file.named("pools", report);
    entries
        .into_iter()
        .map(|entry| read_pool(entry, held_bytes_max, sources, report))
        .collect()
}

pub(super) fn warn_of_unused(
    pools: &[CheckedPool],
    services: &[CheckedService],
    report: &mut Report,
) {
    for (index, pool) in pools.iter().enumerate() {
        if !services.iter().any(|service| service.uses_pool(index)) {
            report.warn(
                pool.place,
                pool.at.clone(),
                "no service uses this pool",
                "remove it, or name it as a `pool`",
            );
        }
    }
}

/// How a pool is woken that somebody scales.
fn activation(scale: &Scale) -> ActivationPolicy {
    ActivationPolicy {
        cold_start: scale.policy.cold_start,
        replicas_max: scale.policy.max,
        failed_starts_max: scale.policy.failing_starts_max,
        ..ActivationPolicy::default()
    }
}

fn read_pool(
    entry: Entry<'_, '_>,
    held_bytes_max: u64,
    sources: &mut Sources,
    report: &mut Report,
) -> CheckedPool {
    let Entry {
        name,
        place,
        node,
        at,
    } = entry;
    if let Err(Fault { wrong, remedy }) = check_label(&name) {
        report.wrong(place, at.clone(), wrong, remedy);
    }
    let section = Section::open(node, "pools.NAME", at.clone(), report);
    let concurrency = section.integer("concurrency", report);
    let endpoints = sources::read(&section, concurrency, sources, report);
    let endpoint_count = endpoints.count();
    let Endpoints {
        fixed,
        discovery,
        scale,
    } = endpoints;
    let connections_max = read_connections_max(&section, concurrency, report);
    let health = section.section("health", "pools.NAME.health", report);
    let (queue, wait_max) = queue::read(&section, held_bytes_max, report);
    let policy = PoolPolicy {
        concurrency,
        activation: scale.as_ref().map(activation),
        streams_max: section.integer("streams_max", report),
        slow_start: section.duration("slow_start", report),
        ejection: read_ejection(&section, report),
        retry: read_retry(&section, report),
        health: HealthPolicy {
            healthy_after: health.integer("healthy_after", report),
            unhealthy_after: health.integer("unhealthy_after", report),
        },
        probed: section.has("health"),
        queue,
        share: Fraction::ONE,
    };
    let pool = Pool {
        name: name.into_owned(),
        endpoints: fixed,
        discovery,
        scale,
        policy,
        connections_max,
        timeouts: read_timeouts(&section, report),
        health: section.has("health").then(|| read_health(&health, report)),
    };
    CheckedPool {
        value: pool,
        place,
        at,
        wait_max,
        has_scale: section.has("scale"),
        endpoint_count,
    }
}

fn read_connections_max(section: &Section<'_, '_>, concurrency: u32, report: &mut Report) -> u32 {
    let written = section.optional_integer("connections_max", report);
    if let Some(connections) = written.filter(|connections| *connections < concurrency) {
        let wrong =
            format!("{connections} connections cannot carry {concurrency} requests at once");
        let remedy = format!("write at least {concurrency}, or lower `concurrency`");
        report.wrong(
            section.place_of("connections_max"),
            section.path("connections_max"),
            wrong,
            remedy,
        );
    }
    written.unwrap_or_else(|| concurrency.saturating_mul(2))
}

fn read_timeouts(pool: &Section<'_, '_>, report: &mut Report) -> PoolTimeouts {
    let section = pool.section("timeouts", "pools.NAME.timeouts", report);
    PoolTimeouts {
        connect: section.duration("connect", report),
        first_byte: section.duration("first_byte", report),
        idle: section.duration("idle", report),
        keepalive: section.duration("keepalive", report),
    }
}

fn read_health(section: &Section<'_, '_>, report: &mut Report) -> Health {
    let path = section.parsed("path", report, |text| {
        check_path(text).map(|()| text.to_owned())
    });
    let host = section.parsed("host", report, |text| {
        check_host(text).map(|()| text.to_owned())
    });
    if let Some(host) = host.as_ref().filter(|host| host.value.starts_with('*')) {
        report.wrong(
            host.place,
            host.at.clone(),
            "a probe asks for one host",
            "write it without *",
        );
    }
    Health {
        path: path.map(|path| path.value),
        host: host.map(|host| host.value),
        interval: section.duration("interval", report),
        timeout: section.duration("timeout", report),
    }
}

fn read_ejection(pool: &Section<'_, '_>, report: &mut Report) -> EjectionPolicy {
    let section = pool.section("ejection", "pools.NAME.ejection", report);
    let base = section.duration("base", report);
    let max = section.duration("max", report);
    if max < base {
        let (key, other) = if section.has("max") {
            ("max", "base")
        } else {
            ("base", "max")
        };
        let wrong = "the longest ejection is shorter than the first";
        report.wrong(
            section.place_of(key),
            section.path(key),
            wrong,
            format!("change it, or write `{other}` as well"),
        );
    }
    EjectionPolicy {
        consecutive_failures: section.integer("consecutive_failures", report),
        failure_ratio: f64::from(section.percent("failure_ratio", report)) / 100.0,
        minimum_requests: section.integer("minimum_requests", report),
        window: section.duration("window", report),
        base,
        max,
        ejected_share_max: f64::from(section.percent("ejected_share_max", report)) / 100.0,
    }
}

fn read_retry(pool: &Section<'_, '_>, report: &mut Report) -> RetryPolicy {
    let section = pool.section("retry", "pools.NAME.retry", report);
    RetryPolicy {
        budget_percent: section.percent("budget", report),
        floor_per_second: section.integer("floor_per_second", report),
        attempts_max: section.integer("attempts_max", report),
    }
}
