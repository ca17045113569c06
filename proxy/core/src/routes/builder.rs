//! From the operator's entries to [`Routes`], with every mistake at once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{
    PoolIndex, RouteMistake, RouteSubject, Routes, RoutesProblem, ServiceIndex, ServiceRoute,
    TenantFrom, hosts::HostIndex,
};
use crate::{key::RegionalKey, level::Level, register::Register};

/// A service as the operator describes it.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    /// Unique; on a tenant's own host the first path segment.
    pub name: String,
    /// Exact hosts, and wildcards `*.domain` that stand for exactly one label.
    pub hosts: Vec<String>,
    /// Which office is in charge.
    pub level: Level,
    /// How a request names its tenant, in the order in which they are tried.
    pub tenant_from: Vec<TenantFrom>,
    /// The pool of all tenants without an own one.
    pub pool: PoolIndex,
    /// Keys (ARS of any length, or AGS) of tenants with a pool of their own; the longest prefix wins.
    pub pools_by_tenant: Vec<(String, PoolIndex)>,
}

/// What is special about one tenant.
#[derive(Clone, Debug)]
pub struct TenantSpec {
    /// ARS or AGS.
    pub tenant: String,
    /// Its own hosts, no wildcards. They name the tenant whatever a service's `tenant_from` says.
    pub hosts: Vec<String>,
    /// The service behind its hosts. None: the only one, or with several the one that the first path segment names.
    pub service: Option<String>,
}

/// Collects the entries of a config.
#[derive(Clone, Debug)]
pub struct RoutesBuilder {
    pool_count: usize,
    services: Vec<ServiceSpec>,
    tenants: Vec<TenantSpec>,
}

impl RoutesBuilder {
    /// For a config with `pool_count` pools.
    pub const fn new(pool_count: usize) -> Self {
        Self {
            pool_count,
            services: Vec::new(),
            tenants: Vec::new(),
        }
    }

    /// Adds a service. Its [`ServiceIndex`] counts up from 0 in the order of the calls.
    pub fn add_service(&mut self, service: ServiceSpec) -> &mut Self {
        self.services.push(service);
        self
    }

    /// Adds what is special about a tenant.
    pub fn add_tenant(&mut self, tenant: TenantSpec) -> &mut Self {
        self.tenants.push(tenant);
        self
    }

    /// Checks and indexes everything.
    ///
    /// # Errors
    ///
    /// Every problem at once: services in their order, then tenants, then hosts.
    pub fn build(self, register: Arc<Register>) -> Result<Routes, Vec<RoutesProblem>> {
        let mut problems = Vec::new();
        let services_by_name = self.index_names(&mut problems);
        let mut hosts = HostIndex::default();
        let mut services = Vec::with_capacity(self.services.len());
        for (index, spec) in (0..).map(ServiceIndex).zip(&self.services) {
            services.push(self.service_route(index, spec, &register, &mut problems));
            hosts.add_service(index, spec, &mut problems);
        }
        let mut entries_by_tenant = FxHashMap::default();
        for spec in &self.tenants {
            let service = self.service_of(spec, &services_by_name, &mut problems);
            let key = tenant_of(spec, &register, &mut entries_by_tenant, &mut problems);
            hosts.add_tenant(key, service, spec, &mut problems);
        }
        hosts.check_wildcards(&self.services, &register, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (hosts, wildcards) = hosts.into_maps();
        Ok(Routes {
            register,
            services,
            services_by_name,
            hosts,
            wildcards,
        })
    }

    fn index_names(&self, problems: &mut Vec<RoutesProblem>) -> FxHashMap<Box<str>, ServiceIndex> {
        let mut by_name = FxHashMap::default();
        for (index, spec) in (0..).map(ServiceIndex).zip(&self.services) {
            if by_name
                .insert(spec.name.clone().into_boxed_str(), index)
                .is_some()
            {
                let subject = RouteSubject::Service {
                    service: spec.name.clone(),
                };
                problems.push(RoutesProblem {
                    subject,
                    mistake: RouteMistake::RepeatedService,
                });
            }
        }
        by_name
    }

    fn service_route(
        &self,
        index: ServiceIndex,
        spec: &ServiceSpec,
        register: &Register,
        problems: &mut Vec<RoutesProblem>,
    ) -> ServiceRoute {
        let mut note = |mistake| {
            let subject = RouteSubject::Service {
                service: spec.name.clone(),
            };
            problems.push(RoutesProblem { subject, mistake });
        };
        if spec.tenant_from.is_empty() && spec.level != Level::Bund {
            note(RouteMistake::NoWay);
        }
        if (1..)
            .zip(&spec.tenant_from)
            .any(|(next, way)| spec.tenant_from.iter().skip(next).any(|other| other == way))
        {
            note(RouteMistake::RepeatedWay);
        }
        if spec.pool.as_usize() >= self.pool_count {
            note(RouteMistake::UnknownPool);
        }
        ServiceRoute {
            index,
            level: spec.level,
            tenant_from: spec.tenant_from.clone(),
            uses_cookie: spec.tenant_from.contains(&TenantFrom::Cookie),
            pool: spec.pool,
            pools_by_tenant: self.pools_by_tenant(spec, register, problems),
        }
    }

    fn pools_by_tenant(
        &self,
        spec: &ServiceSpec,
        register: &Register,
        problems: &mut Vec<RoutesProblem>,
    ) -> FxHashMap<RegionalKey, PoolIndex> {
        let mut pools = FxHashMap::default();
        let mut written = FxHashMap::default();
        for (tenant, pool) in &spec.pools_by_tenant {
            let mut note = |mistake| {
                let subject = RouteSubject::ServiceTenant {
                    service: spec.name.clone(),
                    tenant: tenant.clone(),
                };
                problems.push(RoutesProblem { subject, mistake });
            };
            if pool.as_usize() >= self.pool_count {
                note(RouteMistake::UnknownPool);
            }
            let Some(key) = register.place_by_digits(tenant) else {
                note(RouteMistake::UnknownTenant);
                continue;
            };
            let digits = spec.level.digits();
            if key.len() > digits {
                note(RouteMistake::KeyTooLong { digits });
            }
            if let Some(first) = written.insert(key, tenant) {
                note(RouteMistake::RepeatedTenant {
                    first: first.clone(),
                });
            }
            pools.insert(key, *pool);
        }
        pools
    }

    /// The service behind a tenant's own hosts; None: the path says.
    fn service_of(
        &self,
        spec: &TenantSpec,
        services_by_name: &FxHashMap<Box<str>, ServiceIndex>,
        problems: &mut Vec<RoutesProblem>,
    ) -> Option<ServiceIndex> {
        let Some(name) = &spec.service else {
            return (self.services.len() == 1).then_some(ServiceIndex(0));
        };
        let service = services_by_name.get(name.as_str()).copied();
        if service.is_none() {
            let subject = RouteSubject::Tenant {
                tenant: spec.tenant.clone(),
            };
            problems.push(RoutesProblem {
                subject,
                mistake: RouteMistake::UnknownService {
                    service: name.clone(),
                },
            });
        }
        service
    }
}

fn tenant_of<'s>(
    spec: &'s TenantSpec,
    register: &Register,
    entries: &mut FxHashMap<RegionalKey, &'s str>,
    problems: &mut Vec<RoutesProblem>,
) -> Option<RegionalKey> {
    let mut note = |mistake| {
        let subject = RouteSubject::Tenant {
            tenant: spec.tenant.clone(),
        };
        problems.push(RoutesProblem { subject, mistake });
    };
    let Some(key) = register.place_by_digits(&spec.tenant) else {
        note(RouteMistake::UnknownTenant);
        return None;
    };
    if let Some(first) = entries.insert(key, &spec.tenant) {
        note(RouteMistake::RepeatedTenant {
            first: first.to_owned(),
        });
    }
    Some(key)
}
