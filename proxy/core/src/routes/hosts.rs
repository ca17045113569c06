//! Who owns which host, with the collisions that would hide one owner behind another.

use rustc_hash::FxHashMap;

use super::{
    Owner, RouteMistake, RouteSubject, RoutesProblem, ServiceIndex, ServiceSpec, TenantFrom,
    TenantSpec,
};
use crate::{
    host::{HostBuffer, normalize_host},
    key::RegionalKey,
    register::Register,
};

/// Hosts in their normal form while they are collected, each with the entry that it came from.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    /// The owner is None when the entry has a problem of its own; its hosts are still checked for repeats.
    exact: FxHashMap<Box<str>, (Option<Owner>, RouteSubject)>,
    wildcards: FxHashMap<Box<str>, (ServiceIndex, RouteSubject)>,
    /// `exact` in the order written, so that problems come in that order.
    order: Vec<Box<str>>,
}

impl HostIndex {
    pub(super) fn add_service(
        &mut self,
        service: ServiceIndex,
        spec: &ServiceSpec,
        problems: &mut Vec<RoutesProblem>,
    ) {
        for host in &spec.hosts {
            let subject = RouteSubject::ServiceHost {
                service: spec.name.clone(),
                host: host.clone(),
            };
            let added = match host.strip_prefix("*.") {
                Some(domain) => self.add_wildcard(domain, service, &subject),
                None => self.add_exact(host, Some(Owner::Service(service)), &subject),
            };
            if let Err(mistake) = added {
                problems.push(RoutesProblem { subject, mistake });
            }
        }
    }

    pub(super) fn add_tenant(
        &mut self,
        key: Option<RegionalKey>,
        service: Option<ServiceIndex>,
        spec: &TenantSpec,
        problems: &mut Vec<RoutesProblem>,
    ) {
        for host in &spec.hosts {
            let subject = RouteSubject::TenantHost {
                tenant: spec.tenant.clone(),
                host: host.clone(),
            };
            let owner = key.map(|key| Owner::Tenant { key, service });
            if let Err(mistake) = self.add_exact(host, owner, &subject) {
                problems.push(RoutesProblem { subject, mistake });
            }
        }
    }

    fn add_exact(
        &mut self,
        host: &str,
        owner: Option<Owner>,
        subject: &RouteSubject,
    ) -> Result<(), RouteMistake> {
        let host = normal(host)?;
        if let Some((_, first)) = self.exact.get(&host) {
            return Err(RouteMistake::RepeatedHost {
                first: first.clone(),
            });
        }
        self.order.push(host.clone());
        self.exact.insert(host, (owner, subject.clone()));
        Ok(())
    }

    fn add_wildcard(
        &mut self,
        domain: &str,
        service: ServiceIndex,
        subject: &RouteSubject,
    ) -> Result<(), RouteMistake> {
        let domain = normal(domain)?;
        if let Some((_, first)) = self.wildcards.get(&domain) {
            return Err(RouteMistake::RepeatedHost {
                first: first.clone(),
            });
        }
        self.wildcards.insert(domain, (service, subject.clone()));
        Ok(())
    }

    /// An exact host that a wildcard would give to a tenant must belong to that tenant.
    pub(super) fn check_wildcards(
        &self,
        services: &[ServiceSpec],
        register: &Register,
        problems: &mut Vec<RoutesProblem>,
    ) {
        for host in &self.order {
            let Some((owner, subject)) = self.exact.get(host) else {
                continue;
            };
            let Some((label, domain)) = host.split_once('.') else {
                continue;
            };
            let Some((service, _)) = self.wildcards.get(domain) else {
                continue;
            };
            let reads_label = services
                .get(service.as_usize())
                .is_some_and(|spec| spec.tenant_from.contains(&TenantFrom::Host));
            let place = register.place_by_label(label);
            let Some(place) = place.filter(|_| reads_label) else {
                continue;
            };
            let own = matches!(owner, Some(Owner::Tenant { key, .. }) if *key == place);
            if !own {
                let mistake = RouteMistake::HidesTenant {
                    domain: domain.to_owned(),
                    tenant: place.to_string(),
                };
                problems.push(RoutesProblem {
                    subject: subject.clone(),
                    mistake,
                });
            }
        }
    }

    /// Exact hosts and wildcard domains with their owners.
    pub(super) fn into_maps(
        self,
    ) -> (
        FxHashMap<Box<str>, Owner>,
        FxHashMap<Box<str>, ServiceIndex>,
    ) {
        let exact = self
            .exact
            .into_iter()
            .filter_map(|(host, (owner, _))| Some((host, owner?)))
            .collect();
        let wildcards = self
            .wildcards
            .into_iter()
            .map(|(domain, (service, _))| (domain, service))
            .collect();
        (exact, wildcards)
    }
}

fn normal(host: &str) -> Result<Box<str>, RouteMistake> {
    if host.contains('*') {
        return Err(RouteMistake::BadWildcard);
    }
    let port = host
        .rsplit_once(']')
        .map_or(host, |(_, behind)| behind)
        .contains(':');
    if port {
        return Err(RouteMistake::HostWithPort);
    }
    let mut buffer = HostBuffer::default();
    normalize_host(host, &mut buffer)
        .map(Into::into)
        .map_err(RouteMistake::BadHost)
}
