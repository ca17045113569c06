//! Which pool a citizen's request belongs to, and on which terms: decided by the core's own identification, once per
//! tenant and step of a journey, by the host and path that the step asks for.

use std::{cell::Cell, collections::HashMap, rc::Rc};

use schleuse_config::{Over, Snapshot};
use schleuse_core::{
    ArrivalTime, Facts, FlowKey, PoolIndex, Quota,
    host::{HostBuffer, normalize_host},
    identify::Identified,
};

use crate::{
    citizen::Citizen,
    workload::{Template, Workload},
};

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

/// Where each step of each journey goes, for each tenant.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    list: Vec<Route>,
    /// Places in the list, by tenant and then by step of all journeys.
    places: Vec<u32>,
    /// Of each journey's first step among all.
    first_steps: Vec<usize>,
    steps: usize,
}

impl Routes {
    /// # Errors
    ///
    /// In words: a step that no service of the config answers.
    pub(super) fn new(workload: &Workload, config: &Snapshot) -> Result<Self, String> {
        let mut rates: HashMap<FlowKey, Rate> = HashMap::new();
        let mut known: HashMap<(usize, FlowKey), u32> = HashMap::new();
        let mut routes = Self {
            list: Vec::new(),
            places: Vec::new(),
            first_steps: Vec::new(),
            steps: 0,
        };
        for journey in &workload.journeys {
            routes.first_steps.push(routes.steps);
            routes.steps += journey.steps.len();
        }
        for tenant in 0..workload.tenants.len().max(1) {
            let tenant = u32::try_from(tenant).unwrap_or(u32::MAX);
            for step in workload.journeys.iter().flat_map(|journey| &journey.steps) {
                let found = identified(workload, config, tenant, &step.request)?;
                let key = (found.pool.0 as usize, flow(&found));
                let place = *known.entry(key).or_insert_with(|| {
                    routes.list.push(route(config, &found, &mut rates));
                    u32::try_from(routes.list.len() - 1).unwrap_or(u32::MAX)
                });
                routes.places.push(place);
            }
        }
        Ok(routes)
    }

    /// All there are.
    pub(super) fn list(&self) -> &[Route] {
        &self.list
    }

    /// That of the citizen's next request.
    pub(super) fn of(&self, citizen: &Citizen) -> Option<&Route> {
        let first = self.first_steps.get(usize::from(citizen.journey))?;
        let step = first + usize::from(citizen.step);
        let place = citizen.tenant as usize * self.steps + step;
        self.list.get(*self.places.get(place)? as usize)
    }
}

/// To whom the proxy would send a tenant's request.
fn identified(
    workload: &Workload,
    config: &Snapshot,
    tenant: u32,
    request: &Template,
) -> Result<Identified, String> {
    let key = workload.key_of(tenant);
    let (target, authority) = (request.target(key), request.authority(key));
    let (path, query) = target
        .split_once('?')
        .map_or((&*target, None), |(path, query)| (path, Some(query)));
    let mut buffer = HostBuffer::default();
    let host = normalize_host(&authority, &mut buffer)
        .map_err(|error| format!("{authority} is no host of a request: {error}"))?;
    let facts = Facts {
        host,
        path,
        query,
        cookie: None,
        header: None,
    };
    config.routes.identify(&facts).map_err(|reason| {
        let why = reason.refusal();
        format!("the config has no place for http://{authority}{target}: {why}; name a host of a service with --target, or in the step's field Host")
    })
}

const fn flow(found: &Identified) -> FlowKey {
    FlowKey {
        service: found.service.0,
        tenant: found.tenant,
    }
}

fn route(config: &Snapshot, found: &Identified, rates: &mut HashMap<FlowKey, Rate>) -> Route {
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
    let flow = flow(found);
    Route {
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
    }
}
