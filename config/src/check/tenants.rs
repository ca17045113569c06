//! The register, what differs for single tenants, and keys that ceased.

use std::sync::Arc;

use schleuse_core::Register;

use crate::{
    files::{Hash, Sources},
    hosts::check_host,
    problem::Report,
    reader::{Entry, Placed, Section, text_of},
    register::{Alias, read_register},
    units::Fault,
};

/// What the section says, and the register if it could be read.
#[derive(Debug)]
pub(super) struct Tenants {
    pub(super) register: Option<(Arc<Register>, Hash)>,
    pub(super) overrides: Vec<Override>,
}

/// One tenant's own hosts.
#[derive(Debug)]
pub(super) struct Override {
    /// As written, with the place of the key.
    pub(super) tenant: Placed<String>,
    pub(super) hosts: Vec<Placed<String>>,
    pub(super) service: Option<Placed<String>>,
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
    Override {
        hosts: read_hosts(&section, false, report),
        service: section.text("service", report),
        tenant: Placed {
            value: name.into_owned(),
            place,
            at,
        },
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
