//! Which pool a citizen's request belongs to, and on which terms: decided by the core's own identification, once per
//! tenant.

use std::{cell::Cell, collections::HashMap, rc::Rc};

use schleuse_config::{Over, Snapshot};
use schleuse_core::{
    ArrivalTime, Facts, FlowKey, PoolIndex, Quota,
    host::{HostBuffer, normalize_host},
};

use crate::workload::Workload;

/// How much of its rate a tenant has used; what the pools share.
pub(super) type Rate = Rc<Cell<ArrivalTime>>;

/// Where a tenant's requests go.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) pool: usize,
    pub(super) flow: FlowKey,
    pub(super) inhabitants: u64,
    pub(super) in_flight_max: u32,
    pub(super) quota: Option<Quota>,
    /// The rate refuses at once instead of holding up.
    pub(super) refuses: bool,
    pub(super) rate: Rate,
    /// The rate of each client network.
    pub(super) client_quota: Option<Quota>,
}

/// Of each tenant of the workload; one where it has none.
pub(super) fn of_tenants(workload: &Workload, config: &Snapshot) -> Result<Vec<Route>, String> {
    let mut rates: HashMap<FlowKey, Rate> = HashMap::new();
    let tenants = workload.tenants.len().max(1);
    let mut routes = Vec::with_capacity(tenants);
    for tenant in 0..tenants {
        let tenant = u32::try_from(tenant).unwrap_or(u32::MAX);
        routes.push(route(workload, config, tenant, &mut rates)?);
    }
    Ok(routes)
}

fn route(
    workload: &Workload,
    config: &Snapshot,
    tenant: u32,
    rates: &mut HashMap<FlowKey, Rate>,
) -> Result<Route, String> {
    let first = workload
        .journeys
        .first()
        .and_then(|journey| journey.steps.first());
    let target = first.map(|step| step.request.target(workload.key_of(tenant)));
    let target = target.unwrap_or_else(|| "/".to_owned());
    let (path, query) = target
        .split_once('?')
        .map_or((&*target, None), |(path, query)| (path, Some(query)));
    let mut buffer = HostBuffer::default();
    let authority = &workload.target.authority;
    let host = normalize_host(authority, &mut buffer)
        .map_err(|error| format!("{authority} is no host of a request: {error}"))?;
    let facts = Facts {
        host,
        path,
        query,
        cookie: None,
        header: None,
    };
    let found = config.routes.identify(&facts).map_err(|reason| {
        let why = reason.refusal();
        format!("the config has no place for http://{authority}{target}: {why}; name a host of a service with --target")
    })?;
    let PoolIndex(pool) = found.pool;
    let service = config.services.get(found.service.0 as usize);
    let limit = service.and_then(|service| service.limits.tenant.as_ref());
    let limit = limit.filter(|limit| !limit.observe);
    let population = config.register.population(found.tenant);
    let quota = limit.and_then(|limit| {
        let rate = limit.rate_of(population)?;
        Some(Quota::new(rate, limit.burst.requests(rate)))
    });
    let client = service.and_then(|service| service.limits.client.as_ref());
    let client = client.filter(|limit| !limit.observe);
    let flow = FlowKey {
        service: found.service.0,
        tenant: found.tenant,
    };
    Ok(Route {
        pool: pool as usize,
        flow,
        inhabitants: config.weight(found.tenant),
        in_flight_max: limit.and_then(|limit| limit.in_flight).unwrap_or(u32::MAX),
        quota,
        refuses: limit.is_some_and(|limit| limit.over == Over::Refuse),
        rate: rates.entry(flow).or_default().clone(),
        client_quota: client.map(|limit| {
            let rate = limit.rate_per_second;
            Quota::new(rate, limit.burst.requests(rate))
        }),
    })
}
