//! The whole file, section by section, into one [`Snapshot`], or every reason why not.
//!
//! Each section is read even when another one is broken. What needs several of them (hosts, pools of services) is
//! checked with whatever could be read, so that one mistake hides no other.

mod access;
mod alarm;
mod arrivals;
mod fallback_page;
mod launches;
mod limits;
mod listeners;
mod pools;
mod process;
mod queue;
mod requests;
mod routes;
mod scale;
mod scale_policy;
mod scaler;
mod secrets;
mod services;
mod sharing;
mod sources;
mod tenants;
mod webhook;

use std::sync::Arc;

pub(crate) use sources::parse_endpoint;

use crate::{files::Sources, problem::Report, reader::Section, snapshot::Snapshot, tree::Node};

/// Reads `root`; none when anything is wrong, which was noted. The hash is the caller's to fill in.
pub(crate) fn check(
    root: &Node<'_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Snapshot> {
    let file = Section::open(root, "", String::new(), report);
    // Its value has one choice; what else stands there is a problem that reading notes.
    let _version = file.choice("version", report);
    let workers = file.optional_integer("workers", report);
    let drain_max = file.duration("drain_max", report);
    let state_directory = process::read_state_directory(&file, sources, report);
    let mut claimed = listeners::Claimed::default();
    let listeners = listeners::read(&file, &mut claimed, sources, report);
    let admin = listeners::read_admin(&file, &mut claimed, sources, report);
    let scaler = scaler::read(&file, &mut claimed, sources, report);
    let trusted_proxies = process::read_trusted_proxies(&file, report);
    let client = process::read_client(&file, report);
    let overload = process::read_overload(&file, report);
    let clients_max = process::read_clients_max(&file, report);
    let mut pools = pools::read(&file, overload.held_bytes_max, sources, report);
    let tenants = tenants::read(&file, sources, report);
    let services = services::read(&file, &tenants, &pools, &trusted_proxies, sources, report);
    pools::warn_of_unused(&pools, &services, report);
    sharing::warn_of_unbounded(&pools, &services, report);
    queue::settle_wait_max(&mut pools, &services, report);
    tenants::warn_of_useless_weights(&tenants, &pools, report);
    let plans = launches::read(&file, &services, &pools, sources, report);
    let alarm = alarm::read(&file, sources, report);
    let affinity_keys = access::read_affinity_keys(&file, sources, report);
    let access_log = access::read_access_log(&file, report);
    let (routes, register, register_source) = routes::build(&tenants, &services, report)?;
    let weights = tenants.weights(&register);
    Some(Snapshot {
        hash: [0; 32],
        listeners,
        admin,
        scaler,
        trusted_proxies,
        workers: workers.and_then(|workers| usize::try_from(workers).ok()),
        drain_max,
        state_directory,
        client,
        routes,
        register,
        register_source,
        services: services
            .into_iter()
            .map(|service| Arc::new(service.service))
            .collect(),
        pools: pools.into_iter().map(|pool| Arc::new(pool.value)).collect(),
        plans,
        alarm,
        affinity_keys,
        access_log,
        overload,
        clients_max,
        weights,
    })
}
