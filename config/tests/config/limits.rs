//! Limits, queues and budgets: what they become, and what each mistake in them is told.

use std::time::Duration;

use schleuse_config::{Burst, ClientLimit, Over, Service, TenantLimit};
use schleuse_core::{RegionalKey, TenantId};

use crate::support::{BODY, HEAD, SHARED, Site, problems};

/// Service `w` with this line (line 8, from column 5), and a pool `a` of two endpoints with ten seats each, and this
/// line (line 13).
fn yaml(service: &str, pool: &str) -> String {
    format!(
        "{HEAD}services:
  w:
    hosts: [w.example]
    responsible: gemeinde
    {service}
    pool: a
pools:
  a:
    endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\"]
    {pool}
    concurrency: 10
"
    )
    .replace("    \n", "")
}

/// Each line of a service (or, with `queue` or `streams_max`, of a pool), and its one problem without its place.
fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let of_pool = line.starts_with("queue") || line.starts_with("streams_max");
        let (service, pool) = if of_pool { ("", *line) } else { (*line, "") };
        let found = problems(yaml(service, pool));
        let unplaced: Vec<_> = found
            .lines()
            .map(|problem| problem.splitn(4, ':').nth(3).unwrap_or_default().trim())
            .collect();
        assert_eq!(unplaced.join("\n"), *expected, "{line}");
    }
}

fn warnings(service: &str, pool: &str) -> Vec<String> {
    Site::new(yaml(service, pool)).warnings()
}

fn service(line: &str) -> Service {
    let mut loaded = Site::new(yaml(line, "")).loaded();
    std::sync::Arc::into_inner(loaded.snapshot.services.remove(0)).unwrap()
}

#[test]
fn limits_become_values_per_second() {
    let limits = service(
        "limits: { tenant: { rate: 30/min, rate_per_1000_inhabitants: 0.2/s, burst: 20, over: refuse, in_flight: 20, mode: observe }, client: { rate: 10/s } }",
    )
    .limits;
    let tenant = TenantLimit {
        rate_per_second: 0.5,
        per_1000_inhabitants: 0.2,
        burst: Burst::Requests(20),
        over: Over::Refuse,
        observe: true,
        in_flight: Some(20),
    };
    assert_eq!(limits.tenant, Some(tenant));
    let client = ClientLimit {
        rate_per_second: 10.0,
        burst: Burst::Time(Duration::from_secs(2)),
        observe: false,
    };
    assert_eq!(limits.client, Some(client));
    assert_eq!(
        service("").limits,
        schleuse_config::ServiceLimits::default()
    );
}

#[test]
fn a_mistake_in_a_rate_is_shown_with_its_line_and_what_to_write() {
    assert_eq!(
        problems(yaml("limits: { tenant: { rate: 5 } }", "")),
        "schleuse.yaml:8:31: services.w.limits.tenant.rate: `5` has no unit; write 5/s, or 5/min, or 5/h"
    );
    check(&[
        (
            "limits: { tenant: { rate: -1/s } }",
            "services.w.limits.tenant.rate: `-1/s` is negative; write a rate above 0, or remove the limit",
        ),
        (
            "limits: { tenant: { rate_per_1000_inhabitants: 0/s } }",
            "services.w.limits.tenant.rate_per_1000_inhabitants: `0/s` lets nothing through; write a rate above 0, or remove the limit",
        ),
        (
            "limits: { client: { rate: NaN/s } }",
            "services.w.limits.client.rate: `NaN/s` is not a rate; write a number and /s, /min or /h, as 5/s or 0.2/s",
        ),
        (
            "limits: { client: { rate: 1e400/s } }",
            "services.w.limits.client.rate: `1e400/s` is not a rate; write a number and /s, /min or /h, as 5/s or 0.2/s",
        ),
        (
            "limits: { client: { rate: 10000000/s } }",
            "services.w.limits.client.rate: `10000000/s` is too large; write at most 1000000/s",
        ),
        (
            "limits: { client: { burst: 20 } }",
            "services.w.limits.client: `rate` is missing; write rate: 10/s",
        ),
        (
            "limits: { tenant: {} }",
            "services.w.limits.tenant: limits nothing; write rate: 5/s, or remove it",
        ),
        (
            "limits: { tenant: { in_flight: 5, over: wait } }",
            "services.w.limits.tenant.over: belongs to a rate, and there is none; write `rate` or `rate_per_1000_inhabitants`, or remove it",
        ),
    ]);
}

#[test]
fn a_burst_below_one_request_is_refused() {
    check(&[
        (
            "limits: { tenant: { rate: 5/s, burst: 0 } }",
            "services.w.limits.tenant.burst: `0` lets nothing through; write at least 1, or a time's worth of the rate, as 2s",
        ),
        (
            "limits: { client: { rate: 5/s, burst: 0.5 } }",
            "services.w.limits.client.burst: `0.5` is below one request; write at least 1",
        ),
        (
            "limits: { client: { rate: 6/min, burst: 2s } }",
            "services.w.limits.client.burst: 2s at 0.1/s is 0.2 of a request; write at least 10s, or burst: 1",
        ),
        (
            "limits: { tenant: { rate: 5/s, burst: 10ms } }",
            "services.w.limits.tenant.burst: 10ms at 5/s is 0.05 of a request; write at least 1s, or burst: 1",
        ),
    ]);
    // A default, and a rate that differs from tenant to tenant, count as one request where they are less.
    service("limits: { client: { rate: 6/min } }");
    service("limits: { tenant: { rate_per_1000_inhabitants: 6/min, burst: 2s } }");
}

#[test]
fn a_word_that_is_none_of_the_known_is_answered_with_the_nearest() {
    check(&[
        (
            "queue: { fair_by: poulation }",
            "pools.a.queue.fair_by: `poulation` is not known; did you mean `population`?",
        ),
        (
            "queue: { fair_by: fifo }",
            "pools.a.queue.fair_by: `fifo` is not known; write one of population, square_root, equal, none",
        ),
        (
            "limits: { tenant: { rate: 5/s, over: wiat } }",
            "services.w.limits.tenant.over: `wiat` is not known; did you mean `wait`?",
        ),
        (
            "limits: { client: { rate: 5/s, mode: Observe } }",
            "services.w.limits.client.mode: `Observe` is not known; did you mean `observe`?",
        ),
    ]);
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_its_own() {
    check(&[
        (
            "limits: { client: { rate: 5/s, in_flight: 5 } }",
            "services.w.limits.client.in_flight: unknown key; write it into `tenant`",
        ),
        (
            "limits: { rate: 5/s }",
            "services.w.limits.rate: unknown key; write it into `tenant` or `client`",
        ),
        (
            "limits: { tenant: { rate: 5/s, wait_max: 5s } }",
            "services.w.limits.tenant.wait_max: unknown key; remove it; known here: rate, rate_per_1000_inhabitants, burst, over, in_flight, mode",
        ),
        (
            "queue: { streams_max: 5 }",
            "pools.a.queue.streams_max: unknown key; write it beside `queue`, not into it",
        ),
    ]);
}

#[test]
fn a_limit_that_lets_requests_wait_needs_a_pool_in_which_they_can() {
    let queue = "queue: { waiting_max: 0 }";
    for (limit, key, remedy) in [
        ("in_flight: 5", "in_flight", "remove it"),
        ("rate: 5/s, over: wait", "over", "write over: refuse"),
    ] {
        let found = problems(yaml(&format!("limits: {{ tenant: {{ {limit} }} }}"), queue));
        let expected = format!(
            "services.w.limits.tenant.{key}: lets requests wait, and nobody can in pool `a`; {remedy}, or raise that pool's `waiting_max`"
        );
        assert!(found.trim_end().ends_with(&expected), "{found}");
    }
    let refuses = yaml("limits: { tenant: { rate: 5/s } }", queue);
    assert_eq!(Site::new(refuses).warnings(), [""; 0]);
    let part = "queue: { waiting_max: 0, waiting_per_tenant_max: 1 }";
    check(&[(
        part,
        "pools.a.queue.waiting_per_tenant_max: is a part of nothing: `waiting_max` is 0; remove it, or raise `waiting_max`",
    )]);
}

#[test]
fn a_limit_beyond_the_pool_is_refused() {
    check(&[
        (
            "limits: { tenant: { in_flight: 21 } }",
            "services.w.limits.tenant.in_flight: 21 requests of one tenant are more than pool `a` has seats, 20 (`concurrency` of all endpoints); write at most 20, or remove it",
        ),
        (
            "limits: { tenant: { in_flight: 0 } }",
            "services.w.limits.tenant.in_flight: 0 is too small; write at least 1",
        ),
        (
            "queue: { waiting_max: 10, waiting_per_tenant_max: 11 }",
            "pools.a.queue.waiting_per_tenant_max: 11 is more than the whole, 10 (`waiting_max`); write at most 10, or raise `waiting_max`",
        ),
        (
            "queue: { waiting_max: 99999999999999999999 }",
            "pools.a.queue.waiting_max: `99999999999999999999` is too large; write at most 1000000",
        ),
        (
            "queue: { waiting_per_tenant_max: 20001 }",
            "pools.a.queue.waiting_per_tenant_max: 20001 is more than the whole, 20000 (`waiting_max`); write at most 20000, or raise `waiting_max`",
        ),
        (
            "queue: { waiting_per_tenant_max: 0 }",
            "pools.a.queue.waiting_per_tenant_max: 0 is too small; write at least 1",
        ),
        (
            "queue: { bytes_max: 1MiB, bytes_per_tenant_max: 2MiB }",
            "pools.a.queue.bytes_per_tenant_max: 2MiB is more than the whole, 1MiB (`bytes_max`); write at most 1MiB, or raise `bytes_max`",
        ),
        (
            "queue: { bytes_max: 2GiB }",
            "pools.a.queue.bytes_max: 2GiB is more than the whole, 1GiB (`overload.held_bytes_max`); write at most 1GiB, or raise `overload.held_bytes_max`",
        ),
        (
            "queue: { wait_max: 6m }",
            "pools.a.queue.wait_max: 6m is longer than a whole exchange of service `w` may take, 5m (`timeout`); write at most 5m, or raise the service's `timeout`",
        ),
        (
            "queue: { wait_max: 30 }",
            "pools.a.queue.wait_max: `30` has no unit; write 30s, or 30ms for milliseconds",
        ),
        (
            "queue: { client_share: 0% }",
            "pools.a.queue.client_share: 0% is too small; write at least 1%",
        ),
        (
            "queue: { client_share: 0.1 }",
            "pools.a.queue.client_share: `0.1` is not a share; write whole percent, as 10%",
        ),
        (
            "queue: { waiting_max: -1 }",
            "pools.a.queue.waiting_max: `-1` is below 0; write digits only, as 20",
        ),
        (
            "streams_max: 100001",
            "pools.a.streams_max: 100001 is too large; write at most 100000",
        ),
    ]);
}

#[test]
fn a_limit_that_fits_the_largest_pool_of_the_service_is_fine() {
    let body = yaml("limits: { tenant: { in_flight: 21 } }", "").replace(
        "pool: a\n",
        "pool: a\n    pools_by_tenant: { \"064120000000\": b }\n",
    );
    Site::new(format!(
        "{body}  b: {{ endpoints: [\"10.0.0.3:80\"], concurrency: 50 }}\n"
    ))
    .loaded();
}

#[test]
fn a_default_follows_what_bounds_it() {
    let yaml = yaml(
        "timeout: 10s",
        "queue: { waiting_max: 500, bytes_max: 16MiB }",
    );
    let pool = &Site::new(format!("{yaml}client: {{ connections_max: 50 }}\n"))
        .loaded()
        .snapshot;
    assert_eq!(pool.client.connections_per_network_max, 50);
    let queue = &pool.pools[0].policy.queue;
    assert_eq!(queue.waiting_per_tenant_max, 500);
    assert_eq!(queue.bytes_per_tenant_max, 16 << 20);
    assert_eq!(queue.wait_max, Duration::from_secs(10));
}

#[test]
fn streams_and_waiting_places_may_be_none() {
    let yaml = yaml("", "queue: { waiting_max: 0 }\n    streams_max: 0");
    let pool = Site::new(yaml).loaded().snapshot.pools[0].clone();
    assert_eq!(pool.policy.queue.waiting_max, 0);
    assert_eq!(pool.policy.streams_max, 0);
}

#[test]
fn a_heavy_route_is_found_by_the_start_of_its_path() {
    let service = service(
        "costs: [{ path: /upload/huge, cost: 20 }, { path: /upload/, method: POST, cost: 4 }, { path: /upload, cost: 2 }]",
    );
    for (method, path, cost) in [
        ("POST", "/upload/1", 4),
        ("GET", "/upload/1", 2),
        ("PUT", "/upload/huge/1", 20),
        ("GET", "/uploads", 2),
        ("GET", "/Upload/1", 1),
        ("GET", "", 1),
    ] {
        assert_eq!(service.cost(method, path), cost, "{method} {path}");
    }
}

#[test]
fn a_cost_that_could_never_apply_is_refused() {
    check(&[
        (
            "costs: [{ path: upload, cost: 4 }]",
            "services.w.costs[0].path: `upload` does not start with /; write a path, as /healthz",
        ),
        (
            "costs: [{ path: \"/upload?x\", cost: 4 }]",
            "services.w.costs[0].path: `/upload?x` has a query; write how the path starts",
        ),
        (
            "costs: [{ path: \"/upload/*\", cost: 4 }]",
            "services.w.costs[0].path: `/upload/*` has a *; write how the path starts: what follows is free anyway",
        ),
        (
            "costs: [{ path: /upload/, method: psot, cost: 4 }]",
            "services.w.costs[0].method: `psot` is no method; write one in capital letters, as POST",
        ),
        (
            "costs: [{ path: /upload/, cost: 0 }]",
            "services.w.costs[0].cost: 0 is too small; write at least 1",
        ),
        (
            "costs: [{ path: /upload/, cost: 101 }]",
            "services.w.costs[0].cost: 101 is too large; write at most 100",
        ),
        (
            "costs: [{ path: /upload/, cost: 2 }, { path: /upload/a, method: POST, cost: 4 }]",
            "services.w.costs[1].path: is never reached: line 8 fits the same requests; put it in front of that one, or remove it",
        ),
        (
            "costs: [{ method: POST }]",
            "services.w.costs[0]: `cost` is missing; write cost: 4\nservices.w.costs[0]: `path` is missing; write path: /upload/",
        ),
    ]);
}

#[test]
fn budgets_of_the_process_have_bounds() {
    for (line, expected) in [
        (
            "client: { connections_max: 10, connections_per_network_max: 11 }",
            "client.connections_per_network_max: 11 is more than the whole, 10 (`connections_max`); write at most 10, or raise `connections_max`",
        ),
        (
            "client: { ipv4_prefix: 33 }",
            "client.ipv4_prefix: 33 is too large; write at most 32",
        ),
        (
            "client: { ipv4_prefix: 8 }",
            "client.ipv4_prefix: 8 is too small; write at least 16",
        ),
        (
            "client: { ipv6_prefix: 129 }",
            "client.ipv6_prefix: 129 is too large; write at most 128",
        ),
        (
            "client: { ipv6_prefix: /64 }",
            "client.ipv6_prefix: `/64` is not a whole number; write digits only, as 20",
        ),
        (
            "limits: { clients_max: 0 }",
            "limits.clients_max: 0 is too small; write at least 1000",
        ),
        (
            "overload: { lag_max: 1ms }",
            "overload.lag_max: 1ms is too small; write at least 10ms",
        ),
        (
            "overload: { file_handles: 0.9 }",
            "overload.file_handles: `0.9` is not a share; write whole percent, as 90%",
        ),
        (
            "overload: { held_bytes_max: 1GB }",
            "overload.held_bytes_max: `1GB` is not a size; write 1GiB (1 GiB is 1,073,741,824 bytes)",
        ),
    ] {
        let found = problems(format!("{HEAD}{BODY}{line}\n"));
        assert!(found.starts_with("schleuse.yaml:8:"), "{found}");
        assert!(found.ends_with(&format!(": {expected}")), "{found}");
    }
}

#[test]
fn a_rate_by_inhabitants_alone_is_warned_about_where_the_smallest_get_next_to_nothing() {
    assert_eq!(
        warnings(
            "limits: { tenant: { rate_per_1000_inhabitants: 0.2/s } }",
            ""
        ),
        [
            "schleuse.yaml:8:52: services.w.limits.tenant.rate_per_1000_inhabitants: Gröde with its 7 inhabitants gets 5.04/h; write `rate` as well, as rate: 1/s"
        ]
    );
    let both = "limits: { tenant: { rate: 1/s, rate_per_1000_inhabitants: 0.2/s } }";
    assert!(warnings(both, "").is_empty());
}

#[test]
fn what_is_legal_but_odd_is_a_warning() {
    assert_eq!(
        warnings(
            "limits: { tenant: { rate: 50/s, burst: 10m } }",
            "queue: { waiting_per_tenant_max: 100 }"
        ),
        [
            "schleuse.yaml:8:44: services.w.limits.tenant.burst: 30000 requests at once are more than pool `a` has seats and waiting places for a tenant, 120; write less, or raise `waiting_per_tenant_max`"
        ]
    );
    let yaml = format!("{HEAD}{BODY}client: {{ ipv6_prefix: 128 }}\n");
    assert_eq!(
        Site::new(yaml).warnings(),
        [
            "schleuse.yaml:8:24: client.ipv6_prefix: one machine has a whole /64 and is a new client with each of its addresses; write 64 or less"
        ]
    );
}

fn with_overrides(overrides: &str) -> String {
    format!("{HEAD}{BODY}").replace(
        "gemeinden.csv }",
        &format!("gemeinden.csv, overrides: {{ {overrides} }} }}"),
    )
}

#[test]
fn a_tenant_counts_its_weight_or_else_its_inhabitants() {
    let snapshot = Site::new(with_overrides(
        "\"110000000000\": { weight: 2000000 }, \"06412\": { weight: 5 }",
    ))
    .loaded()
    .snapshot;
    let weight = |ars: &str| snapshot.weight(TenantId::new(RegionalKey::parse_ars(ars).unwrap()));
    assert_eq!(weight("110000000000"), 2_000_000);
    assert_eq!(weight("06412"), 5);
    assert_eq!(weight("064120000000"), 775_790);
    assert_eq!(weight("010545459039"), 7);
    assert_eq!(weight("02"), 1, "nobody lives there");
    assert_eq!(snapshot.weight(TenantId::BUND), 4_480_062);
}

#[test]
fn a_weight_is_at_least_one_and_at_most_germany() {
    for (overrides, expected) in [
        (
            "\"110000000000\": { weight: 0 }",
            "tenants.overrides.110000000000.weight: 0 is too small; write at least 1",
        ),
        (
            "\"110000000000\": { weight: 100000001 }",
            "tenants.overrides.110000000000.weight: 100000001 is too large; write at most 100000000",
        ),
        (
            "\"110000000000\": { weight: -5 }",
            "tenants.overrides.110000000000.weight: `-5` is below 0; write digits only, as 20",
        ),
        (
            "\"053150000000\": { weight: 5 }",
            "tenants.overrides.053150000000: `053150000000` is in no row of the register; check it; a key that ceased belongs into `aliases`",
        ),
        (
            "\"110000000000\": {}",
            "tenants.overrides.110000000000: says nothing of `110000000000`; write `hosts` or `weight`, or remove it",
        ),
        (
            "\"110000000000\": { weight: 5, service: wohngeld }",
            "tenants.overrides.110000000000.service: is the service of no host; write `hosts`, or remove it",
        ),
    ] {
        let found = problems(with_overrides(overrides));
        assert!(found.starts_with("schleuse.yaml:3:"), "{found}");
        assert!(found.ends_with(&format!(": {expected}")), "{found}");
    }
}

#[test]
fn a_weight_that_no_pool_reads_is_warned_about() {
    let yaml = with_overrides("\"110000000000\": { weight: 5 }")
        .replace("a: { ", "a: { queue: { fair_by: equal }, ");
    assert_eq!(
        Site::new(yaml).warnings(),
        [
            "schleuse.yaml:3:76: tenants.overrides.110000000000.weight: has no effect: every pool has `fair_by: equal` or `none`; write fair_by: population, or remove it"
        ]
    );
}

#[test]
fn an_override_of_the_weight_alone_leads_nobody_to_a_service() {
    let yaml = with_overrides("\"110000000000\": { weight: 5 }")
        .replace("hosts: [wohngeld.example], ", "");
    assert_eq!(
        problems(yaml),
        "schleuse.yaml:5:3: services.wohngeld: no host leads to this service; write `hosts`, or `hosts` of a tenant in `tenants.overrides`"
    );
}

/// What is said of pools that are shared.
fn said_of_sharing(yaml: &str) -> Vec<String> {
    let warnings = Site::new(yaml).loaded().warnings;
    let said = warnings.iter().map(ToString::to_string);
    said.filter(|warning| warning.contains(SHARED)).collect()
}

#[test]
fn a_pool_whose_seats_one_of_several_tenants_can_take_is_warned_about_once() {
    let [warning] = &said_of_sharing(&yaml("", ""))[..] else {
        panic!("not one warning");
    };
    assert!(
        warning.ends_with(
            "schleuse.yaml:10:3: pools.a: several tenants share this pool, and slow uploads or long requests of one can hold all its seats: service `w` does not limit a tenant's requests in flight; write limits: { tenant: { in_flight: 5 } } in that service"
        ),
        "{warning}"
    );
    let all_seats = "limits: { tenant: { in_flight: 20 } }";
    assert_eq!(said_of_sharing(&yaml(all_seats, "")).len(), 1);
}

#[test]
fn a_pool_in_which_a_tenant_is_bounded_or_alone_is_fine() {
    let bounded = yaml("limits: { tenant: { in_flight: 19 } }", "");
    assert_eq!(said_of_sharing(&bounded), [""; 0]);
    let alone = yaml("", "").replace("responsible: gemeinde", "responsible: bund");
    assert_eq!(said_of_sharing(&alone), [""; 0]);
}

#[test]
fn places_for_which_there_is_no_memory_are_warned_about() {
    assert_eq!(
        warnings("", "queue: { waiting_max: 1000000, bytes_max: 64KiB }"),
        [
            "schleuse.yaml:12:47: pools.a.queue.bytes_max: 64KiB holds 16 waiting requests at most, 4 KiB each, far less than `waiting_max`, 1000000; write bytes_max: 4000000KiB or more, or waiting_max: 16"
        ]
    );
    let half = "queue: { waiting_max: 1000, waiting_per_tenant_max: 32, bytes_max: 2000KiB }";
    assert_eq!(warnings("", half), [""; 0]);
}
