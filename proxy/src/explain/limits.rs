//! What the client and the tenant may ask, with the numbers of this client and this tenant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schleuse_config::{
    Burst, ClientPolicy, Over, Snapshot, TenantLimit, spell_duration, spell_rate,
};
use schleuse_http1::RequestHead;

use super::{
    asked::Asked,
    route::Route,
    step::{Step, Steps, grouped},
};

pub(super) fn trace(head: &RequestHead, snapshot: &Snapshot, route: &Route<'_>, steps: &mut Steps) {
    explain_client_rate(snapshot, route, steps);
    match &route.service.limits.tenant {
        None => {
            let why = "the service has no `limits.tenant`";
            steps.push(Step::new("tenant rate", "no limit", why));
        }
        Some(limit) => {
            explain_tenant_rate(limit, route, steps);
            explain_in_flight(limit, steps);
        }
    }
    explain_cost(head, route, steps);
}

/// What is bounded before the first byte is read.
pub(super) fn explain_connections(asked: &Asked, snapshot: &Snapshot, steps: &mut Steps) {
    let client = &snapshot.client;
    let trusted = asked
        .from
        .is_some_and(|peer| snapshot.trusted_proxies.contains(peer));
    let all = match client.connections_max {
        Some(most) => format!("{} of all", grouped(most.into())),
        None => "of all as many as file handles allow (100,000 at most)".to_owned(),
    };
    let (per_network, decision, why) = if trusted {
        let why = "a trusted proxy speaks for many, so only the whole is bounded";
        (None, format!("at most {all}"), why)
    } else {
        let per_network = client.connections_per_network_max;
        let decision = format!(
            "at most {} of {}, {all}",
            grouped(per_network.into()),
            network(asked.from, client),
        );
        let why = "`client.connections_per_network_max`, `client.connections_max`";
        (Some(per_network), decision, why)
    };
    steps.push(
        Step::new("connections", decision, why)
            .fact("connections_max", client.connections_max)
            .fact("connections_per_network_max", per_network),
    );
}

fn explain_client_rate(snapshot: &Snapshot, route: &Route<'_>, steps: &mut Steps) {
    let Some(limit) = &route.service.limits.client else {
        let why = "the service has no `limits.client`";
        steps.push(Step::new("client rate", "no limit", why));
        return;
    };
    let rate = limit.rate_per_second;
    let burst = limit.burst.requests(rate);
    let decision = format!(
        "{}, {} at once{}",
        spell_rate(rate),
        requests(burst),
        observed(limit.observe)
    );
    let why = format!(
        "for all of {}; 429 beyond",
        network(route.client, &snapshot.client)
    );
    steps.push(
        Step::new("client rate", decision, why)
            .fact("rate_per_second", rate)
            .fact("burst", burst)
            .fact("network", network(route.client, &snapshot.client))
            .fact("observe", limit.observe),
    );
}

fn explain_tenant_rate(limit: &TenantLimit, route: &Route<'_>, steps: &mut Steps) {
    let inhabitants = route.inhabitants;
    let Some(rate) = limit.rate_of(inhabitants) else {
        let why = "`limits.tenant` has no rate";
        steps.push(Step::new("tenant rate", "no limit", why));
        return;
    };
    let burst = limit.burst.requests(rate);
    let over = match limit.over {
        Over::Wait => {
            "beyond it a request waits for its turn, 429 where that is longer than `wait_max`"
        }
        Over::Refuse => "429 beyond",
    };
    let why = format!(
        "{}\n{}; {over}",
        sum(limit, inhabitants),
        burst_words(limit.burst)
    );
    let decision = format!(
        "{}, {} at once{}",
        spell_rate(rate),
        requests(burst),
        observed(limit.observe)
    );
    steps.push(
        Step::new("tenant rate", decision, why)
            .fact("rate_per_second", rate)
            .fact("burst", burst)
            .fact("base_per_second", limit.rate_per_second)
            .fact("per_1000_inhabitants", limit.per_1000_inhabitants)
            .fact("inhabitants", inhabitants)
            .fact(
                "over",
                match limit.over {
                    Over::Wait => "wait",
                    Over::Refuse => "refuse",
                },
            )
            .fact("observe", limit.observe),
    );
}

/// `5/s + 3,685,265 inhabitants × 0.2/s per 1,000`.
fn sum(limit: &TenantLimit, inhabitants: u64) -> String {
    let base = limit.rate_per_second;
    let per_1000 = limit.per_1000_inhabitants;
    if per_1000 <= 0.0 {
        return format!("`rate` {}, whatever its size", spell_rate(base));
    }
    let by_size = format!(
        "{} inhabitants × {} per 1,000",
        grouped(inhabitants),
        spell_rate(per_1000)
    );
    if base > 0.0 {
        format!("{} + {by_size}", spell_rate(base))
    } else {
        by_size
    }
}

fn burst_words(burst: Burst) -> String {
    match burst {
        Burst::Requests(count) => format!("`burst` {count}"),
        Burst::Time(time) => format!(
            "`burst` is {} of the rate, at least one request",
            spell_duration(time)
        ),
    }
}

fn explain_in_flight(limit: &TenantLimit, steps: &mut Steps) {
    if let Some(in_flight) = limit.in_flight {
        let why = "of this tenant; further ones wait in the queue and are not refused for it";
        steps.push(
            Step::new("in flight", format!("{in_flight} at once"), why)
                .fact("in_flight_max", in_flight),
        );
    }
}

fn explain_cost(head: &RequestHead, route: &Route<'_>, steps: &mut Steps) {
    let service = route.service;
    if service.costs.is_empty() {
        return;
    }
    let path = head.path().get(route.found.strip..).unwrap_or_default();
    let cost = service.cost(head.method(), path);
    let declared = service
        .costs
        .iter()
        .find(|cost| cost.applies(head.method(), path));
    let why = match declared {
        Some(declared) => format!("`costs`: {} is a heavy route", declared.path),
        None => "no entry of `costs` fits".to_owned(),
    };
    let noun = if cost == 1 { "request" } else { "requests" };
    steps.push(Step::new("cost", format!("counts as {cost} {noun}"), why).fact("cost", cost));
}

const fn observed(observe: bool) -> &'static str {
    if observe { ", observed only" } else { "" }
}

/// A number of requests with one decimal at most.
fn requests(count: f64) -> String {
    let text = format!("{count:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// The network that shares a client's limits.
fn network(client: Option<IpAddr>, policy: &ClientPolicy) -> String {
    match client {
        None => format!(
            "the client's /{} (IPv4) or /{} (IPv6)",
            policy.ipv4_prefix, policy.ipv6_prefix
        ),
        Some(IpAddr::V4(address)) => {
            let host_bits = 32_u32.saturating_sub(policy.ipv4_prefix.into());
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            let network = Ipv4Addr::from_bits(address.to_bits() & mask);
            format!("{network}/{}", policy.ipv4_prefix)
        }
        Some(IpAddr::V6(address)) => {
            let host_bits = 128_u32.saturating_sub(policy.ipv6_prefix.into());
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            let network = Ipv6Addr::from_bits(address.to_bits() & mask);
            format!("{network}/{}", policy.ipv6_prefix)
        }
    }
}
