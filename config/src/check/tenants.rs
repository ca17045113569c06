//! The register, what differs for single tenants, and keys that ceased.

use std::sync::Arc;

use schleuse_core::{FairBy, Register, TenantId};

use super::pools::CheckedPool;
use crate::{
    files::{Hash, Sources},
    hosts::check_host,
    problem::Report,
    reader::{Entry, Placed, Section, text_of},
    register::{Alias, read_register},
    snapshot::Weights,
    units::{Fault, quoted},
};

/// What the section says, and the register if it could be read.
#[derive(Debug)]
pub(super) struct Tenants {
    pub(super) register: Option<(Arc<Register>, Hash)>,
    pub(super) overrides: Vec<Override>,
}

/// The municipality with the fewest inhabitants, of those that have any.
#[derive(Debug, Clone, Copy)]
pub(super) struct SmallestPlace<'r> {
    pub(super) name: &'r str,
    pub(super) inhabitants: u64,
}

impl Tenants {
    /// None without a register, or with an empty one.
    pub(super) fn smallest_place(&self) -> Option<SmallestPlace<'_>> {
        let (register, _) = self.register.as_ref()?;
        let places = register.places().map(TenantId::new);
        let inhabited = places.filter(|place| register.population(*place) > 0);
        let smallest = inhabited.min_by_key(|place| register.population(*place))?;
        Some(SmallestPlace {
            name: register.name(smallest)?,
            inhabitants: register.population(smallest),
        })
    }

    /// By the living keys of the register. A key that is in no row was noted where routes are built.
    pub(super) fn weights(&self, register: &Register) -> Weights {
        let weights = self.overrides.iter().filter_map(|tenant| {
            let weight = tenant.weight.as_ref()?.value;
            let key = register.place_by_digits(&tenant.tenant.value)?;
            Some((TenantId::new(key), u64::from(weight)))
        });
        Weights::new(weights.collect())
    }
}

/// What differs for one tenant.
#[derive(Debug)]
pub(super) struct Override {
    /// As written, with the place of the key.
    pub(super) tenant: Placed<String>,
    pub(super) hosts: Vec<Placed<String>>,
    pub(super) service: Option<Placed<String>>,
    pub(super) weight: Option<Placed<u32>>,
}

pub(super) fn read(file: &Section<'_, '_>, sources: &mut Sources, report: &mut Report) -> Tenants {
    let section = file.section("tenants", "tenants", report);
    let aliases = read_aliases(&section, report);
    let register = section.text("register", report);
    let register = register.and_then(|path| read_register(&path, &aliases, sources, report));
    let overrides = section.named("overrides", report);
    Tenants {
        register,
        overrides: overrides
            .into_iter()
            .map(|entry| read_override(entry, report))
            .collect(),
    }
}

fn read_aliases(section: &Section<'_, '_>, report: &mut Report) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for Entry {
        name,
        place,
        node,
        at,
    } in section.named("aliases", report)
    {
        if let Some(new) = text_of(node, &at, report) {
            aliases.push(Placed {
                value: (name.into_owned(), new.to_owned()),
                place,
                at,
            });
        }
    }
    aliases
}

fn read_override(entry: Entry<'_, '_>, report: &mut Report) -> Override {
    let Entry {
        name,
        place,
        node,
        at,
    } = entry;
    let section = Section::open(node, "tenants.overrides.ARS", at.clone(), report);
    let weight = section
        .optional_integer("weight", report)
        .map(|value| Placed {
            value,
            place: section.place_of("weight"),
            at: section.path("weight"),
        });
    let service = section.text("service", report);
    if !section.has("hosts") {
        note_without_hosts(&section, &name, report);
    }
    Override {
        hosts: read_hosts(&section, false, report),
        service,
        weight,
        tenant: Placed {
            value: name.into_owned(),
            place,
            at,
        },
    }
}

/// An override of the weight alone is fine; one that says nothing, or names a service for no host, is not.
fn note_without_hosts(section: &Section<'_, '_>, name: &str, report: &mut Report) {
    if let Some(service) = section.node("service") {
        let remedy = "write `hosts`, or remove it";
        let at = section.path("service");
        report.wrong(service.place, at, "is the service of no host", remedy);
    } else if !section.has("weight") && !section.is_broken() {
        let wrong = format!("says nothing of {}", quoted(name));
        let remedy = "write `hosts` or `weight`, or remove it";
        report.wrong(section.place, section.at.clone(), wrong, remedy);
    }
}

/// A weight is read by pools that are shared by weight, and by no other.
pub(super) fn warn_of_useless_weights(
    tenants: &Tenants,
    pools: &[CheckedPool],
    report: &mut Report,
) {
    let weighs = |pool: &CheckedPool| {
        matches!(
            pool.value.policy.queue.fair_by,
            FairBy::Population | FairBy::SquareRoot
        )
    };
    if pools.is_empty() || pools.iter().any(weighs) {
        return;
    }
    for weight in tenants
        .overrides
        .iter()
        .filter_map(|tenant| tenant.weight.as_ref())
    {
        let wrong = "has no effect: every pool has `fair_by: equal` or `none`";
        let remedy = "write fair_by: population, or remove it";
        report.warn(weight.place, weight.at.clone(), wrong, remedy);
    }
}

/// The hosts of a service or a tenant, those that are none left out.
pub(super) fn read_hosts(
    section: &Section<'_, '_>,
    wildcards: bool,
    report: &mut Report,
) -> Vec<Placed<String>> {
    let mut hosts = section.texts("hosts", report);
    hosts.retain(|host| {
        let fault = match check_host(&host.value) {
            Ok(()) if !wildcards && host.value.starts_with('*') => Fault::new(
                "a wildcard on a tenant's own host",
                "write the host in full: wildcards stand in the hosts of a service",
            ),
            Ok(()) => return true,
            Err(fault) => fault,
        };
        report.wrong(host.place, host.at.clone(), fault.wrong, fault.remedy);
        false
    });
    hosts
}
