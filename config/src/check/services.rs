//! Services: who is in charge, how a request names its tenant, where it goes and what is changed on the way.

use schleuse_core::{Level, PoolIndex, TenantFrom};

use super::{
    fallback_page, limits,
    pools::CheckedPool,
    process::read_networks,
    requests::{self, RequestRules},
    tenants::{SmallestPlace, Tenants, read_hosts},
};
use crate::{
    files::Sources,
    headers::check_header_name,
    hosts::check_label,
    networks::Networks,
    problem::Report,
    reader::{Entry, Placed, Section, text_of, unknown},
    snapshot::{Affinity, Isolation, Service},
    spelling::did_you_mean,
    units::{Fault, quoted},
};

/// A service, and what its routes are made of.
#[derive(Debug)]
pub(super) struct CheckedService {
    pub(super) service: Service,
    /// Of the name.
    pub(super) name: Placed<()>,
    pub(super) hosts: Vec<Placed<String>>,
    /// Whether any were written, right or wrong.
    pub(super) names_hosts: bool,
    pub(super) level: Level,
    pub(super) tenant_from: Vec<TenantFrom>,
    /// None: named wrongly.
    pub(super) pool: Option<PoolIndex>,
    pub(super) pools_by_tenant: Vec<Placed<(String, PoolIndex)>>,
}

impl CheckedService {
    pub(super) fn uses_pool(&self, index: usize) -> bool {
        let own = self.pools_by_tenant.iter().map(|entry| entry.value.1);
        own.chain(self.pool).any(|pool| pool.as_usize() == index)
    }
}

pub(super) fn read(
    file: &Section<'_, '_>,
    tenants: &Tenants,
    pools: &[CheckedPool],
    trusted_proxies: &Networks,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<CheckedService> {
    let smallest = tenants.smallest_place();
    let entries = file.named("services", report);
    entries
        .into_iter()
        .map(|entry| read_service(entry, smallest, pools, trusted_proxies, sources, report))
        .collect()
}

fn read_service(
    Entry {
        name,
        place,
        node,
        at,
    }: Entry<'_, '_>,
    smallest: Option<SmallestPlace<'_>>,
    pools: &[CheckedPool],
    trusted_proxies: &Networks,
    sources: &mut Sources,
    report: &mut Report,
) -> CheckedService {
    if let Err(Fault { wrong, remedy }) = check_label(&name) {
        report.wrong(place, at.clone(), wrong, remedy);
    }
    let section = Section::open(node, "services.NAME", at.clone(), report);
    let leistung = read_leistung(&section, report);
    let level = read_level(&section, report);
    let tenant_from = read_tenant_from(&section, level, report);
    let tenant_header = read_tenant_header(&section, &tenant_from, trusted_proxies, report);
    let tenant_cookie =
        section.flag("tenant_cookie", report) && tenant_from.contains(&TenantFrom::Cookie);
    let RequestRules {
        strip_prefix,
        add_prefix,
        headers_set,
        headers_remove,
    } = requests::read(&section, report);
    let pool = section
        .text("pool", report)
        .and_then(|name| find_pool(&name, pools, report));
    let pools_by_tenant = read_pools_by_tenant(&section, pools, report);
    let own_pools = pools_by_tenant.iter().map(|entry| entry.value.1);
    let used: Vec<_> = own_pools
        .chain(pool)
        .filter_map(|pool| pools.get(pool.as_usize()))
        .collect();
    let service = Service {
        name: name.into_owned(),
        leistung,
        allow_from: read_networks(&section, "allow_from", report),
        tenant_header,
        strip_prefix,
        add_prefix,
        headers_set,
        headers_remove,
        body_bytes_max: section.size("body_max", report),
        timeout: section.duration("timeout", report),
        fallback_page: fallback_page::read(&section, sources, report),
        affinity: read_affinity(&section, report),
        isolation: match section.choice("isolation", report) {
            Some("tenant") => Isolation::Tenant,
            _ => Isolation::Service,
        },
        tenant_cookie,
        limits: limits::read(
            &section,
            smallest.filter(|_| level == Level::Gemeinde),
            &used,
            report,
        ),
        costs: limits::read_costs(&section, report),
    };
    CheckedService {
        service,
        name: Placed {
            value: (),
            place,
            at,
        },
        names_hosts: section.has("hosts") && !section.is_empty_list("hosts"),
        hosts: read_hosts(&section, true, report),
        level,
        tenant_from,
        pool,
        pools_by_tenant,
    }
}

/// 14 digits (FIM/LeiKa), digit for digit: no number, so no zero is lost.
fn read_leistung(section: &Section<'_, '_>, report: &mut Report) -> Option<String> {
    let leistung = section.parsed("leistung", report, |text| {
        if text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(text.to_owned());
        }
        let wrong = format!("{} is no Leistungsschlüssel", quoted(text));
        Err(Fault::new(
            wrong,
            "write its 14 digits in quotes, as \"99107023018000\"",
        ))
    });
    leistung.map(|leistung| leistung.value)
}

fn read_level(section: &Section<'_, '_>, report: &mut Report) -> Level {
    match section.choice("responsible", report) {
        Some("verband") => Level::Verband,
        Some("kreis") => Level::Kreis,
        Some("land") => Level::Land,
        Some("bund") => Level::Bund,
        _ => Level::Gemeinde,
    }
}

fn read_tenant_from(
    section: &Section<'_, '_>,
    level: Level,
    report: &mut Report,
) -> Vec<TenantFrom> {
    let place = section.place_of("tenant_from");
    let at = section.path("tenant_from");
    if level == Level::Bund {
        if section.has("tenant_from") {
            let wrong = "the Bund is the only tenant of this service, so nothing names it";
            report.wrong(place, at, wrong, "remove it, or change `responsible`");
        }
        return Vec::new();
    }
    let words = section.choices("tenant_from", report);
    let mut ways = Vec::new();
    for word in words {
        let way = match word.value {
            "host" => TenantFrom::Host,
            "path" => TenantFrom::Path,
            "query" => TenantFrom::Query,
            "cookie" => TenantFrom::Cookie,
            _ => TenantFrom::Header,
        };
        if ways.contains(&way) {
            report.wrong(
                word.place,
                word.at,
                format!("{} stands here twice", quoted(word.value)),
                "remove one of the two",
            );
        } else {
            ways.push(way);
        }
    }
    if section.is_empty_list("tenant_from") {
        report.wrong(
            place,
            at,
            "nothing names the tenant",
            "write at least one of host, path, query, cookie, header",
        );
    }
    ways
}

fn read_tenant_header(
    section: &Section<'_, '_>,
    tenant_from: &[TenantFrom],
    trusted_proxies: &Networks,
    report: &mut Report,
) -> Option<String> {
    let header = section.parsed("tenant_header", report, |text| {
        check_header_name(text).map(|()| text.to_owned())
    });
    let asked = tenant_from.contains(&TenantFrom::Header);
    if asked && !section.has("tenant_header") {
        let wrong = "asks a header that has no name";
        report.wrong(
            section.place_of("tenant_from"),
            section.path("tenant_from"),
            wrong,
            "write tenant_header: X-Ars",
        );
    }
    if !asked && section.has("tenant_header") {
        let wrong = "is never asked";
        let remedy = "add `header` to `tenant_from`, or remove it";
        report.wrong(
            section.place_of("tenant_header"),
            section.path("tenant_header"),
            wrong,
            remedy,
        );
    }
    if asked && trusted_proxies.is_empty() {
        let wrong = "asks a header, and `trusted_proxies` names nobody who may send it";
        let remedy = "write the networks of your proxies into `trusted_proxies`";
        report.wrong(
            section.place_of("tenant_from"),
            section.path("tenant_from"),
            wrong,
            remedy,
        );
    }
    header.map(|header| header.value)
}

fn read_affinity(service: &Section<'_, '_>, report: &mut Report) -> Option<Affinity> {
    let section = service.section("affinity", "services.NAME.affinity", report);
    let ttl = section.duration("ttl", report);
    (section.flag("cookie", report) && service.has("affinity")).then_some(Affinity { ttl })
}

fn read_pools_by_tenant(
    section: &Section<'_, '_>,
    pools: &[CheckedPool],
    report: &mut Report,
) -> Vec<Placed<(String, PoolIndex)>> {
    let mut own = Vec::new();
    for Entry {
        name,
        place,
        node,
        at,
    } in section.named("pools_by_tenant", report)
    {
        let Some(text) = text_of(node, &at, report) else {
            continue;
        };
        let pool = Placed {
            value: text.to_owned(),
            place: node.place,
            at: at.clone(),
        };
        if let Some(pool) = find_pool(&pool, pools, report) {
            own.push(Placed {
                value: (name.into_owned(), pool),
                place,
                at,
            });
        }
    }
    own
}

fn find_pool(
    name: &Placed<String>,
    pools: &[CheckedPool],
    report: &mut Report,
) -> Option<PoolIndex> {
    let index = pools.iter().position(|pool| pool.value.name == name.value);
    if index.is_none() {
        let known = pools.iter().map(|pool| pool.value.name.as_str());
        let remedy = did_you_mean(&name.value, known)
            .unwrap_or_else(|| format!("add {} to `pools`", quoted(&name.value)));
        report.wrong(
            name.place,
            name.at.clone(),
            unknown("pool", &name.value),
            remedy,
        );
    }
    index
        .and_then(|index| u32::try_from(index).ok())
        .map(PoolIndex)
}
