//! Hosts, services, tenants and pools put together, and what only their sum can get wrong.
//!
//! The core judges; here its problems get the place of the line that they are about, and a remedy.

use std::{collections::HashMap, sync::Arc};

use schleuse_core::{
    KeyError, PoolIndex, RegionalKey, Register, Routes, RoutesBuilder, RoutesProblem,
    routes::{RouteMistake, RouteSubject, ServiceSpec, TenantSpec},
};

use super::{
    services::CheckedService,
    tenants::{Override, Tenants},
};
use crate::{
    files::Hash,
    problem::{Place, Report},
    spelling::did_you_mean,
    units::quoted,
};

/// None: something is wrong, here or before, and was noted.
pub(super) fn build(
    tenants: &Tenants,
    services: &[CheckedService],
    report: &mut Report,
) -> Option<(Routes, Arc<Register>, Hash)> {
    check_reached(services, &tenants.overrides, report);
    let mut builder = RoutesBuilder::new(pool_count(services));
    for service in services {
        builder.add_service(service_spec(service));
    }
    for tenant in &tenants.overrides {
        builder.add_tenant(TenantSpec {
            tenant: tenant.tenant.value.clone(),
            hosts: tenant.hosts.iter().map(|host| host.value.clone()).collect(),
            service: tenant.service.as_ref().map(|service| service.value.clone()),
        });
    }
    // Without a register hosts can still collide; only what needs to know places is left out.
    let has_register = tenants.register.is_some();
    let (register, source) = match &tenants.register {
        Some((register, source)) => (Arc::clone(register), *source),
        None => (Arc::new(Register::build([], &[]).ok()?), Hash::default()),
    };
    match builder.build(Arc::clone(&register)) {
        Ok(routes) => (has_register && report.count() == 0).then_some((routes, register, source)),
        Err(problems) => {
            let places = Places::new(services, &tenants.overrides);
            for problem in problems {
                let needs_register = matches!(
                    problem.mistake,
                    RouteMistake::UnknownTenant | RouteMistake::HidesTenant { .. }
                );
                if has_register || !needs_register {
                    note(&problem, &places, &register, services, report);
                }
            }
            None
        }
    }
}

/// At least one more than any index in use: whether a pool exists was checked by its name.
fn pool_count(services: &[CheckedService]) -> usize {
    let own = services
        .iter()
        .flat_map(|service| service.pools_by_tenant.iter().map(|entry| entry.value.1));
    let all = own.chain(services.iter().filter_map(|service| service.pool));
    all.map(|pool| pool.as_usize() + 1).max().unwrap_or(1)
}

fn service_spec(service: &CheckedService) -> ServiceSpec {
    ServiceSpec {
        name: service.service.name.clone(),
        hosts: service
            .hosts
            .iter()
            .map(|host| host.value.clone())
            .collect(),
        level: service.level,
        tenant_from: service.tenant_from.clone(),
        pool: service.pool.unwrap_or(PoolIndex(0)),
        pools_by_tenant: service
            .pools_by_tenant
            .iter()
            .map(|entry| entry.value.clone())
            .collect(),
    }
}

/// A service that no host leads to would never be asked.
fn check_reached(services: &[CheckedService], overrides: &[Override], report: &mut Report) {
    for service in services {
        let hosting = overrides.iter().filter(|tenant| !tenant.hosts.is_empty());
        let by_tenant = hosting.into_iter().any(|tenant| match &tenant.service {
            Some(name) => name.value == service.service.name,
            None => true,
        });
        if !service.names_hosts && !by_tenant {
            let wrong = "no host leads to this service";
            report.wrong(
                service.name.place,
                service.name.at.clone(),
                wrong,
                "write `hosts`, or `hosts` of a tenant in `tenants.overrides`",
            );
        }
    }
}

/// Where the words of the core's problems stand in the file.
#[derive(Debug)]
struct Places<'s>(HashMap<(&'static str, &'s str, &'s str), (Place, &'s str)>);

impl<'s> Places<'s> {
    fn new(services: &'s [CheckedService], overrides: &'s [Override]) -> Self {
        let mut places = HashMap::new();
        for service in services {
            let name = service.service.name.as_str();
            places.insert(
                ("service", name, ""),
                (service.name.place, service.name.at.as_str()),
            );
            for host in &service.hosts {
                places.insert(
                    ("service host", name, host.value.as_str()),
                    (host.place, host.at.as_str()),
                );
            }
            for entry in &service.pools_by_tenant {
                places.insert(
                    ("service tenant", name, entry.value.0.as_str()),
                    (entry.place, entry.at.as_str()),
                );
            }
        }
        for Override {
            tenant,
            hosts,
            service,
            ..
        } in overrides
        {
            let key = tenant.value.as_str();
            places.insert(("tenant", key, ""), (tenant.place, tenant.at.as_str()));
            if let Some(service) = service {
                places.insert(
                    ("tenant service", key, ""),
                    (service.place, service.at.as_str()),
                );
            }
            for host in hosts {
                places.insert(
                    ("tenant host", key, host.value.as_str()),
                    (host.place, host.at.as_str()),
                );
            }
        }
        Self(places)
    }

    fn find(&self, problem: &RoutesProblem) -> (Place, String) {
        let wrong_service = matches!(problem.mistake, RouteMistake::UnknownService { .. });
        let (kind, name, detail) = match &problem.subject {
            RouteSubject::Service { service } => ("service", service, ""),
            RouteSubject::ServiceHost { service, host } => ("service host", service, host.as_str()),
            RouteSubject::ServiceTenant { service, tenant } => {
                ("service tenant", service, tenant.as_str())
            }
            RouteSubject::Tenant { tenant } if wrong_service => ("tenant service", tenant, ""),
            RouteSubject::Tenant { tenant } => ("tenant", tenant, ""),
            RouteSubject::TenantHost { tenant, host } => ("tenant host", tenant, host.as_str()),
        };
        match self.0.get(&(kind, name.as_str(), detail)) {
            Some((place, at)) => (*place, (*at).to_owned()),
            None => (Place::default(), problem.subject.to_string()),
        }
    }
}

fn note(
    problem: &RoutesProblem,
    places: &Places<'_>,
    register: &Register,
    services: &[CheckedService],
    report: &mut Report,
) {
    let (place, at) = places.find(problem);
    let wrong = problem.mistake.to_string();
    let (wrong, remedy) = match (&problem.mistake, &problem.subject) {
        (
            RouteMistake::UnknownTenant,
            RouteSubject::Tenant { tenant } | RouteSubject::ServiceTenant { tenant, .. },
        ) => unknown_tenant(tenant, register),
        (RouteMistake::UnknownService { service }, _) => {
            let known = services.iter().map(|known| known.service.name.as_str());
            let remedy =
                did_you_mean(service, known).unwrap_or_else(|| "name one of `services`".to_owned());
            (wrong, remedy)
        }
        (RouteMistake::RepeatedHost { .. }, _) => (
            wrong,
            "a host leads to one service or tenant: remove it from one of the two".to_owned(),
        ),
        (RouteMistake::RepeatedTenant { .. }, _) => (wrong, "put both into one entry".to_owned()),
        (RouteMistake::KeyTooLong { digits }, _) if *digits == 0 => (
            wrong,
            "remove it: the Bund has one pool, the service's".to_owned(),
        ),
        (RouteMistake::KeyTooLong { digits }, _) => (
            wrong,
            format!("write the first {digits} digits, or change `responsible`"),
        ),
        (RouteMistake::HidesTenant { tenant, .. }, _) => (
            wrong,
            format!(
                "write it as a host of tenant \"{tenant}\" in `tenants.overrides`, or remove it"
            ),
        ),
        _ => (wrong, "change it".to_owned()),
    };
    report.wrong(place, at, wrong, remedy);
}

/// The usual reason is a leading zero that a spreadsheet or a YAML tool cut off.
fn unknown_tenant(text: &str, register: &Register) -> (String, String) {
    let padded = format!("0{text}");
    if register.place_by_digits(&padded).is_some() {
        return (
            format!("{} lacks its leading zero", quoted(text)),
            format!("write \"{padded}\""),
        );
    }
    let Err(error) = RegionalKey::parse_ars(text) else {
        let remedy = "check it; a key that ceased belongs into `aliases`";
        return (
            format!("{} is in no row of the register", quoted(text)),
            remedy.to_owned(),
        );
    };
    let remedy = match error {
        KeyError::Length { .. } => {
            "write the ARS in quotes, with its leading zero: 12 digits for a Gemeinde, 9 for a Verband, 5 for a Kreis, 2 for a Land"
        }
        _ => "write the ARS in quotes, as \"064120000000\"",
    };
    (
        format!("{} is no regional key: {error}", quoted(text)),
        remedy.to_owned(),
    )
}
