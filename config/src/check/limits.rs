//! What one tenant and one client network may ask of a service, and which of its routes are heavy.

use std::time::Duration;

use super::{pools::CheckedPool, tenants::SmallestPlace};
use crate::{
    hosts::check_path,
    problem::Report,
    reader::{Placed, Section},
    snapshot::{Burst, ClientLimit, Cost, Over, ServiceLimits, TenantLimit},
    spelling::closest,
    units::{Fault, quoted, spell_decimal, spell_duration, spell_rate},
};

/// Methods that people mean (RFC 9110 section 9, RFC 5789), to recognise a slip.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// `smallest`: the smallest tenant it may have, if known. `pools`: those that its requests go to.
pub(super) fn read(
    service: &Section<'_, '_>,
    smallest: Option<SmallestPlace<'_>>,
    pools: &[&CheckedPool],
    report: &mut Report,
) -> ServiceLimits {
    let limits = service.section("limits", "services.NAME.limits", report);
    ServiceLimits {
        tenant: read_tenant(&limits, smallest, pools, report),
        client: read_client(&limits, report),
    }
}

fn read_tenant(
    limits: &Section<'_, '_>,
    smallest: Option<SmallestPlace<'_>>,
    pools: &[&CheckedPool],
    report: &mut Report,
) -> Option<TenantLimit> {
    let node = limits.node("tenant")?;
    let pattern = "services.NAME.limits.tenant";
    let section = Section::open(node, pattern, limits.path("tenant"), report);
    let rate = section.request_rate("rate", report);
    let per_1000 = section.request_rate("rate_per_1000_inhabitants", report);
    let burst = read_burst(&section, rate.filter(|_| per_1000.is_none()), report);
    let in_flight = section.optional_integer("in_flight", report);
    let limit = TenantLimit {
        rate_per_second: rate.unwrap_or_default(),
        per_1000_inhabitants: per_1000.unwrap_or_default(),
        burst,
        over: match section.choice("over", report) {
            Some("refuse") => Over::Refuse,
            _ => Over::Wait,
        },
        observe: section.choice("mode", report) == Some("observe"),
        in_flight,
    };
    let has_rate = section.has("rate") || section.has("rate_per_1000_inhabitants");
    if !has_rate && !section.is_broken() {
        note_without_rate(&section, in_flight, report);
    }
    check_in_flight(&section, in_flight, pools, report);
    check_waiting(&section, &limit, pools, report);
    warn_of_burst(&section, burst, rate.unwrap_or_default(), pools, report);
    if let Some(smallest) = smallest.filter(|_| rate.is_none()) {
        warn_of_tiny_rate(&section, &limit, smallest, report);
    }
    Some(limit)
}

/// A rate by inhabitants alone is fair on paper and shuts the smallest out: not even one form in a minute.
fn warn_of_tiny_rate(
    section: &Section<'_, '_>,
    limit: &TenantLimit,
    smallest: SmallestPlace<'_>,
    report: &mut Report,
) {
    let SmallestPlace { name, inhabitants } = smallest;
    let Some(rate) = limit.rate_of(inhabitants).filter(|rate| *rate < 1.0 / 60.0) else {
        return;
    };
    let wrong = format!(
        "{name} with its {inhabitants} inhabitants gets {}",
        spell_rate(rate)
    );
    report.warn(
        section.place_of("rate_per_1000_inhabitants"),
        section.path("rate_per_1000_inhabitants"),
        wrong,
        "write `rate` as well, as rate: 1/s",
    );
}

fn read_client(limits: &Section<'_, '_>, report: &mut Report) -> Option<ClientLimit> {
    let node = limits.node("client")?;
    let pattern = "services.NAME.limits.client";
    let section = Section::open(node, pattern, limits.path("client"), report);
    let rate = section.request_rate("rate", report);
    let burst = read_burst(&section, rate, report);
    let observe = section.choice("mode", report) == Some("observe");
    Some(ClientLimit {
        rate_per_second: rate?,
        burst,
        observe,
    })
}

/// `rate`: what all that it limits have, none where that differs; a burst of less than one request of it is noted.
fn read_burst(section: &Section<'_, '_>, rate: Option<f64>, report: &mut Report) -> Burst {
    let burst = section.burst("burst", report).unwrap_or(Burst::Requests(1));
    if let (Burst::Time(time), Some(rate)) = (burst, rate)
        && section.has("burst")
        && rate * time.as_secs_f64() < 1.0
    {
        let wrong = format!(
            "{} at {} is {} of a request",
            spell_duration(time),
            spell_rate(rate),
            spell_decimal(rate * time.as_secs_f64())
        );
        let least = Duration::from_secs_f64((1.0 / rate).ceil());
        let remedy = format!("write at least {}, or burst: 1", spell_duration(least));
        report.wrong(
            section.place_of("burst"),
            section.path("burst"),
            wrong,
            remedy,
        );
    }
    burst
}

/// Keys of a rate that is not there would do nothing.
fn note_without_rate(section: &Section<'_, '_>, in_flight: Option<u32>, report: &mut Report) {
    for key in ["burst", "over", "mode"] {
        if section.has(key) {
            report.wrong(
                section.place_of(key),
                section.path(key),
                "belongs to a rate, and there is none",
                "write `rate` or `rate_per_1000_inhabitants`, or remove it",
            );
        }
    }
    if in_flight.is_none() && !section.has("in_flight") {
        report.wrong(
            section.place,
            section.at.clone(),
            "limits nothing",
            "write rate: 5/s, or remove it",
        );
    }
}

/// A limit above all seats would never be reached, and somebody believes in it.
fn check_in_flight(
    section: &Section<'_, '_>,
    in_flight: Option<u32>,
    pools: &[&CheckedPool],
    report: &mut Report,
) {
    let largest = pools.iter().max_by_key(|pool| pool.seats());
    if let (Some(in_flight), Some(pool)) = (in_flight, largest)
        && in_flight > pool.seats()
    {
        let seats = pool.seats();
        let wrong = format!(
            "{in_flight} requests of one tenant are more than pool `{}` has seats, {seats} (`concurrency` of all endpoints)",
            pool.value.name
        );
        let remedy = format!("write at most {seats}, or remove it");
        report.wrong(
            section.place_of("in_flight"),
            section.path("in_flight"),
            wrong,
            remedy,
        );
    }
}

/// Who is beyond `in_flight`, or beyond a rate that is to wait, waits in the pool's queue.
fn check_waiting(
    section: &Section<'_, '_>,
    limit: &TenantLimit,
    pools: &[&CheckedPool],
    report: &mut Report,
) {
    let without_queue = |pool: &&&CheckedPool| pool.value.policy.queue.waiting_max == 0;
    let Some(pool) = pools.iter().find(without_queue) else {
        return;
    };
    let name = &pool.value.name;
    let remedies = [
        (
            "in_flight",
            limit.in_flight.is_some(),
            "remove it, or raise that pool's `waiting_max`",
        ),
        (
            "over",
            section.has("over") && limit.over == Over::Wait,
            "write over: refuse, or raise that pool's `waiting_max`",
        ),
    ];
    for (key, written, remedy) in remedies {
        if written {
            let wrong = format!("lets requests wait, and nobody can in pool `{name}`");
            report.wrong(section.place_of(key), section.path(key), wrong, remedy);
        }
    }
}

/// What comes at once has a seat or a place to wait at; more of it is refused although the rate allows it.
fn warn_of_burst(
    section: &Section<'_, '_>,
    burst: Burst,
    rate: f64,
    pools: &[&CheckedPool],
    report: &mut Report,
) {
    let room = |pool: &&CheckedPool| {
        let places = pool.value.policy.queue.waiting_per_tenant_max;
        (
            f64::from(pool.seats()) + f64::from(places),
            pool.value.name.clone(),
        )
    };
    let rooms = pools.iter().map(room);
    let Some((room, name)) = rooms.max_by(|one, other| one.0.total_cmp(&other.0)) else {
        return;
    };
    let requests = burst.requests(rate);
    if requests > room {
        let wrong = format!(
            "{} requests at once are more than pool `{name}` has seats and waiting places for a tenant, {room}",
            spell_decimal(requests)
        );
        report.warn(
            section.place_of("burst"),
            section.path("burst"),
            wrong,
            "write less, or raise `waiting_per_tenant_max`",
        );
    }
}

/// The section `costs`.
pub(super) fn read_costs(service: &Section<'_, '_>, report: &mut Report) -> Vec<Cost> {
    let mut costs: Vec<Placed<Cost>> = Vec::new();
    for (index, item) in service.list("costs", report).iter().enumerate() {
        let at = format!("{}[{index}]", service.path("costs"));
        let section = Section::open(item, "services.NAME.costs[]", at, report);
        let Some(cost) = read_cost(&section, report) else {
            continue;
        };
        let hidden_by = costs
            .iter()
            .find(|earlier| hides(&earlier.value, &cost.value));
        if let Some(first) = hidden_by {
            let wrong = format!(
                "is never reached: line {} fits the same requests",
                first.place.line
            );
            let remedy = "put it in front of that one, or remove it";
            report.wrong(cost.place, cost.at, wrong, remedy);
        } else {
            costs.push(cost);
        }
    }
    costs.into_iter().map(|cost| cost.value).collect()
}

fn read_cost(section: &Section<'_, '_>, report: &mut Report) -> Option<Placed<Cost>> {
    let path = section.parsed("path", report, parse_cost_path);
    let method = section.parsed("method", report, parse_method);
    let cost = section.optional_integer("cost", report);
    let Placed { value, place, at } = path?;
    Some(Placed {
        value: Cost {
            method: method.map(|method| method.value),
            path: value,
            cost: cost?,
        },
        place,
        at,
    })
}

/// Whether every request that `cost` fits is one of `earlier`.
fn hides(earlier: &Cost, cost: &Cost) -> bool {
    let same_method = earlier.method.is_none() || earlier.method == cost.method;
    same_method && cost.path.starts_with(&earlier.path)
}

fn parse_cost_path(text: &str) -> Result<String, Fault> {
    if text.contains('?') {
        let wrong = format!("{} has a query", quoted(text));
        return Err(Fault::new(wrong, "write how the path starts"));
    }
    if text.contains('*') {
        let wrong = format!("{} has a *", quoted(text));
        let remedy = "write how the path starts: what follows is free anyway";
        return Err(Fault::new(wrong, remedy));
    }
    check_path(text).map(|()| text.to_owned())
}

/// Methods are case-sensitive (RFC 9110 section 9.1), so `post` would fit nothing.
fn parse_method(text: &str) -> Result<String, Fault> {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if !text.is_empty() && text.bytes().all(letters) {
        return Ok(text.to_owned());
    }
    let likely = closest(text, METHODS).unwrap_or("POST");
    Err(Fault::new(
        format!("{} is no method", quoted(text)),
        format!("write one in capital letters, as {likely}"),
    ))
}
