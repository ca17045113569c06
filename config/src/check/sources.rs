//! Where a pool's endpoints come from: exactly one of a list, a look-up, and processes of our own.

use std::net::SocketAddr;

use super::scale;
use crate::{
    endpoint_list::load_endpoints,
    files::Sources,
    hosts::{check_dns_name, parse_address},
    problem::Report,
    reader::{Placed, Section},
    snapshot::{Discovery, Dns, DnsQuestion, Scale, ScaleWay},
    units::Fault,
};

/// What a pool says of its endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    pub(super) fixed: Vec<SocketAddr>,
    pub(super) discovery: Option<Discovery>,
    pub(super) scale: Option<Scale>,
}

pub(super) fn read(
    pool: &Section<'_, '_>,
    seats: u32,
    sources: &mut Sources,
    report: &mut Report,
) -> Endpoints {
    check_one_source(pool, report);
    Endpoints {
        fixed: read_fixed(pool, report),
        discovery: read_discovery(pool, sources, report),
        scale: scale::read(pool, seats, sources, report),
    }
}

/// Judges by the keys that were written: a source that is broken is a source all the same.
fn check_one_source(pool: &Section<'_, '_>, report: &mut Report) {
    let mut written = Vec::new();
    for key in ["endpoints", "discovery"] {
        if pool.has(key) {
            written.push((key, pool.place_of(key), pool.path(key)));
        }
    }
    if let Some(place) = scale::place_of_process(pool) {
        written.push(("scale.process", place, pool.path("scale.process")));
    }
    let mut written = written.into_iter();
    let Some((first, first_place, _)) = written.next() else {
        if !pool.is_broken() {
            report.wrong(
                pool.place,
                pool.at.clone(),
                "has no endpoints",
                "write `endpoints: [\"10.0.0.1:8080\"]`, `discovery` or `scale.process`",
            );
        }
        return;
    };
    for (_, place, at) in written {
        let wrong = format!(
            "the endpoints come from `{first}` already, line {}",
            first_place.line
        );
        report.wrong(place, at, wrong, "keep one of the two");
    }
}

fn read_fixed(pool: &Section<'_, '_>, report: &mut Report) -> Vec<SocketAddr> {
    let mut endpoints: Vec<Placed<SocketAddr>> = Vec::new();
    for text in pool.texts("endpoints", report) {
        let Placed { value, place, at } = text;
        let address = match parse_endpoint(&value) {
            Ok(address) => address,
            Err(Fault { wrong, remedy }) => {
                report.wrong(place, at, wrong, remedy);
                continue;
            }
        };
        if let Some(first) = endpoints.iter().find(|other| other.value == address) {
            let wrong = format!(
                "{address} stands here twice, first in line {}",
                first.place.line
            );
            report.wrong(place, at, wrong, "remove one of the two");
        } else {
            endpoints.push(Placed {
                value: address,
                place,
                at,
            });
        }
    }
    if pool.is_empty_list("endpoints") {
        let place = pool.place_of("endpoints");
        report.wrong(
            place,
            pool.path("endpoints"),
            "no endpoint",
            "write at least one, as [\"10.0.0.1:8080\"]",
        );
    }
    endpoints
        .into_iter()
        .map(|endpoint| endpoint.value)
        .collect()
}

/// An address that something can be reached at.
pub(crate) fn parse_endpoint(text: &str) -> Result<SocketAddr, Fault> {
    let address = parse_address(text)?;
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err(Fault::new(
            format!("nothing can be reached at {address}"),
            "write the backend's own address and port",
        ));
    }
    Ok(address)
}

fn read_discovery(
    pool: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Discovery> {
    let node = pool.node("discovery")?;
    let at = pool.path("discovery");
    let section = Section::open(node, "pools.NAME.discovery", at, report);
    match (section.has("dns"), section.has("file")) {
        (true, false) => read_dns(&section, report).map(Discovery::Dns),
        (false, true) => read_file(&section, sources, report),
        (both, _) => {
            if !section.is_broken() {
                let (wrong, remedy) = if both {
                    ("has both `dns` and `file`", "keep one of the two")
                } else {
                    ("looks nowhere", "write `dns` or `file`")
                };
                report.wrong(section.place, section.at.clone(), wrong, remedy);
            }
            None
        }
    }
}

fn read_file(
    discovery: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Discovery> {
    let written = discovery.text("file", report)?;
    let file = sources.resolve(&written.value);
    // Not a part of the config: it may come later, and what is wrong in it leaves the pool as it was.
    if let Err(problems) = load_endpoints(&file) {
        for problem in problems.iter().take(1) {
            let wrong = format!("{problem}");
            let remedy = "until that is mended the pool has no endpoints";
            report.warn(written.place, written.at.clone(), wrong, remedy);
        }
    }
    Some(Discovery::File(file))
}

fn read_dns(discovery: &Section<'_, '_>, report: &mut Report) -> Option<Dns> {
    let section = discovery.section("dns", "pools.NAME.discovery.dns", report);
    let parse = |text: &str| check_dns_name(text).map(|()| text.to_owned());
    let name = section.parsed("name", report, parse);
    let port = section.optional_integer("port", report);
    let srv = section.parsed("srv", report, |text| {
        check_srv_name(text).map(|()| text.to_owned())
    });
    let resolver = section.parsed("resolver", report, parse_endpoint);
    let mut wrong = |key: &str, wrong: &str, remedy: &str| {
        report.wrong(section.place_of(key), section.path(key), wrong, remedy);
    };
    if section.is_broken() {
        return None;
    }
    match (section.has("name"), section.has("srv")) {
        (true, true) => wrong("srv", "has both `name` and `srv`", "keep one of the two"),
        (false, false) => wrong("name", "asks for nothing", "write `name` or `srv`"),
        (true, false) if !section.has("port") => {
            wrong(
                "port",
                "is missing",
                "write the endpoints' port, or use `srv`",
            );
        }
        (false, true) if section.has("port") => {
            wrong("port", "SRV records bring their ports", "remove it");
        }
        _ => {}
    }
    let question = match (name, srv) {
        (Some(name), None) => DnsQuestion::Addresses {
            name: name.value,
            port: u16::try_from(port?).ok()?,
        },
        (None, Some(srv)) => DnsQuestion::Services { name: srv.value },
        _ => return None,
    };
    Some(Dns {
        question,
        resolver: resolver.map(|resolver| resolver.value),
    })
}

/// `_service._protocol.domain` (RFC 2782).
fn check_srv_name(text: &str) -> Result<(), Fault> {
    check_dns_name(text)?;
    let mut labels = text.split('.');
    let mut underscored = || labels.next().is_some_and(|label| label.starts_with('_'));
    if underscored() && underscored() && labels.next().is_some() {
        return Ok(());
    }
    Err(Fault::new(
        format!("{text} names no service"),
        "write it as _http._tcp.wohngeld.internal",
    ))
}

impl Endpoints {
    /// How many there are, where the config knows.
    pub(super) fn count(&self) -> Option<usize> {
        let found = self.discovery.is_some()
            || self
                .scale
                .as_ref()
                .is_some_and(|scale| matches!(scale.way, ScaleWay::Process(_)));
        (!found).then_some(self.fixed.len())
    }
}
