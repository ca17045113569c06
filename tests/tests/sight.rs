//! What operators see of a flood: who it is, what it does to the others, and nothing about any citizen.

use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, eventually};
use serde_json::Value;

use crate::{
    full_pool::{WAITING, gated, wait_waiting},
    one_service::{label, refusal},
};

const BERLIN: &str = "110000000000";
const HAMBURG: &str = "020000000000";
/// What nothing that operators see may contain.
const SECRETS: [&str; 5] = ["203.0.113.", "geheim", "session=", "Keks", "053340002002"];

/// One seat that a gate holds; Berlin may have three requests waiting.
fn before(origin: &Origin) -> RunningEdge {
    let limits = "tenant_from: [path]\nlimits: { tenant: { rate: 60/h, burst: 50 } }";
    let queue =
        "concurrency: 1\nslow_start: 0s\nqueue: { waiting_max: 100, waiting_per_tenant_max: 3 }";
    Edge::new()
        .top("trusted_proxies: [127.0.0.0/8]")
        .service("amt", limits)
        .service(
            "kreisamt",
            "responsible: kreis\ntenant_from: [path]\npool: amt",
        )
        .pool("amt", &[origin.address()], queue)
        .start()
}

/// Sends a request from a client of its own and does not wait for the answer.
fn send(edge: &RunningEdge, host: &str, place: &str, client: usize) -> Client {
    let mut connection = edge.connect();
    connection.send(format!(
        "GET /{place}/?geheim=1 HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 203.0.113.{client}\r\n\
         Cookie: session=geheim\r\nUser-Agent: Keks/1\r\n\r\n"
    ));
    connection
}

/// Berlin has one request in flight, three that wait and five that were refused; Hamburg has one that waits.
fn flood(edge: &RunningEdge, origin: &Origin) -> Vec<Client> {
    let mut clients = vec![send(edge, "amt.example", BERLIN, 1)];
    origin.wait_requests(1);
    for number in 2..=4 {
        clients.push(send(edge, "amt.example", BERLIN, number));
    }
    wait_waiting(edge, 3);
    for number in 5..=9 {
        let answer = send(edge, "amt.example", BERLIN, number).response();
        assert_eq!(label(&answer), refusal(503, "tenant_queue_full"));
    }
    clients.push(send(edge, "amt.example", HAMBURG, 10));
    wait_waiting(edge, 4);
    clients
}

/// Tenant and value of each in a ranking.
fn ranking(edge: &RunningEdge, by: &str) -> Vec<(String, u64)> {
    let top = edge.resource(&format!("/api/v1/top?by={by}"));
    assert_eq!(top["by"], by);
    let tenants = top["tenants"].as_array().unwrap().iter();
    let pair = |entry: &Value| {
        let tenant = entry["tenant"].as_str()?.to_owned();
        Some((tenant, entry["value"].as_u64()?))
    };
    tenants.filter_map(pair).collect()
}

/// A tenant's entry for the service `amt`.
fn traffic(edge: &RunningEdge, tenant: &str) -> Value {
    edge.resource(&format!("/api/v1/tenants/{tenant}"))["services"][0].clone()
}

#[test]
fn a_flood_is_seen_in_the_ranking_with_its_tenant_first() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = before(&origin);
    let _clients = flood(&edge, &origin);
    let pair = |tenant: &str, value| (tenant.to_owned(), value);
    let waiting = [pair(BERLIN, 3), pair(HAMBURG, 1)];
    assert_eq!(ranking(&edge, "waiting"), waiting);
    assert_eq!(ranking(&edge, "in_flight"), [pair(BERLIN, 1)]);
    eventually("refusals are counted", || {
        ranking(&edge, "refused") == [pair(BERLIN, 5)]
    });
    let first = &edge.resource("/api/v1/top?limit=1")["tenants"];
    assert_eq!(first.as_array().unwrap().len(), 1);
    assert_eq!(first[0]["name"], "Berlin, Stadt");
    gate.open();
}

#[test]
fn a_flood_is_seen_at_its_tenant_and_its_pool() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = before(&origin);
    let mut clients = flood(&edge, &origin);
    eventually("refusals are counted", || {
        traffic(&edge, BERLIN)["requests"]["refused"]["tenant_queue_full"] == 5
    });
    let berlin = traffic(&edge, BERLIN);
    assert_eq!(
        (&berlin["in_flight"], &berlin["waiting"]),
        (&1.into(), &3.into())
    );
    assert!(berlin["held_bytes"].as_u64().unwrap() > 0);
    assert!(berlin["ahead_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(berlin["weight"], 3_685_265);
    assert_eq!(berlin["requests"]["refused_recently"], 5);
    let limit = &berlin["limits"]["tenant"];
    assert_eq!(
        (&limit["mode"], &limit["over"]),
        (&"enforce".into(), &"wait".into())
    );
    assert_eq!(limit["tokens"], 49, "{limit}");
    assert_eq!(traffic(&edge, HAMBURG)["waiting"], 1);

    let pool = edge.resource("/api/v1/pools/amt");
    let numbers = ["waiting", "in_flight", "seats", "flows"].map(|key| pool[key].as_u64());
    assert_eq!(numbers, [Some(4), Some(1), Some(1), Some(2)]);
    assert!(pool["predicted_wait_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(pool["fair_by"], "population");
    assert_eq!(pool["bounds"]["waiting_per_tenant_max"], 3);
    assert_eq!(pool["requests"]["refused"]["tenant_queue_full"], 5);

    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    let after = edge.resource("/api/v1/pools/amt");
    assert_eq!(
        (&after["waiting"], &after["held_bytes"]),
        (&0.into(), &0.into())
    );
    assert_eq!(after["requests"]["admitted"], 5);
    assert!(after["requests"]["wait_p99_ms"].as_f64().unwrap() > 0.0);
    assert!(
        traffic(&edge, HAMBURG)["requests"]["wait_p50_ms"]
            .as_f64()
            .unwrap()
            > 0.0
    );
}

#[test]
fn a_flood_is_seen_in_the_metrics_and_in_full_while_its_tenant_has_a_lease() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = before(&origin);
    let _clients = flood(&edge, &origin);
    let berlin = format!("{{service=\"amt\",tenant=\"{BERLIN}\"}}");
    eventually("refusals are counted", || {
        edge.count(&format!("schleuse_top_refused_total{berlin}")) == 5
    });
    assert_eq!(edge.count(&format!("schleuse_top_waiting{berlin}")), 3);
    assert_eq!(edge.count(&format!("schleuse_top_in_flight{berlin}")), 1);
    let refused = "schleuse_pool_refused_total{pool=\"amt\",reason=\"tenant_queue_full\"}";
    assert_eq!(edge.count(refused), 5);
    assert!(edge.count("schleuse_pool_held_bytes{pool=\"amt\"}") > 0);
    let detail = format!("schleuse_tenant_waiting{berlin}");
    let shown = || edge.metrics().series.contains_key(&detail);
    assert!(!shown());

    let lease = format!("/api/v1/tenants/{BERLIN}/lease");
    let granted = edge.post(&format!("{lease}?ttl=10m"));
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(edge.count(&detail), 3);
    let reason = "schleuse_tenant_refused_total{reason=\"tenant_queue_full\",service=\"amt\",tenant=\"110000000000\"}";
    assert_eq!(edge.count(reason), 5);
    assert_eq!(edge.resource("/api/v1/leases")[0]["tenant"], BERLIN);
    assert_eq!(edge.log().wait_event("lease_granted")["ttl_seconds"], "600");

    assert_eq!(edge.post(&format!("{lease}?ttl=1s")).status, 200);
    eventually("the lease ends", || !shown());
    assert_eq!(edge.log().wait_event("lease_ended")["why"], "expired");
    assert_eq!(edge.resource("/api/v1/leases").as_array().unwrap().len(), 0);
    gate.open();
}

#[test]
fn a_lease_that_is_revoked_ends_at_once() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = before(&origin);
    let lease = format!("/api/v1/tenants/{BERLIN}/lease");
    assert_eq!(edge.post(&lease).status, 200);
    assert_eq!(edge.count("schleuse_leases"), 1);
    let mut admin = edge.admin();
    admin.send(format!("DELETE {lease} HTTP/1.1\r\nHost: admin\r\n\r\n"));
    assert_eq!(admin.response().status, 200);
    assert_eq!(edge.count("schleuse_leases"), 0);
    assert_eq!(edge.log().wait_event("lease_ended")["why"], "revoked");
}

#[test]
fn nothing_that_operators_see_names_a_client_or_the_key_a_citizen_came_with() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = before(&origin);
    let mut clients = flood(&edge, &origin);
    // Aachen's own key, for a service of which the Städteregion is in charge.
    clients.push(send(&edge, "kreisamt.example", "053340002002", 11));
    wait_waiting(&edge, 5);
    for tenant in [BERLIN, "05334"] {
        assert_eq!(
            edge.post(&format!("/api/v1/tenants/{tenant}/lease")).status,
            200
        );
    }
    let mut seen = String::new();
    for path in [
        "/metrics",
        "/api/v1/top?by=waiting",
        "/api/v1/top?by=refused",
        "/api/v1/top?by=in_flight",
        "/api/v1/tenants/110000000000",
        "/api/v1/tenants/05334",
        "/api/v1/pools",
        "/api/v1/leases",
        "/api/v1/status",
    ] {
        let answer = edge.admin().get("admin", path);
        assert_eq!(answer.status, 200, "{path}");
        seen.push_str(answer.text());
    }
    assert!(seen.contains("schleuse_tenant_waiting{service=\"kreisamt\",tenant=\"05334\"} 1"));
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{secret} is in what operators see");
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn each_refusal_by_a_limit_is_found_in_the_log_with_reason_limit_generation_and_wait() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let endpoints = [origin.address()];
    let one_seat = |queue: &str| format!("concurrency: 1\nslow_start: 0s\nqueue: {{ {queue} }}");
    let rate = "limits: { tenant: { rate: 1/h, burst: 1, over: refuse } }";
    let edge = Edge::new()
        .service("lang", "")
        .pool("lang", &endpoints, &one_seat("wait_max: 200ms"))
        .service("voll", "")
        .pool(
            "voll",
            &endpoints,
            &one_seat("waiting_per_tenant_max: 2, client_share: 50%"),
        )
        .service("rate", rate)
        .pool("rate", &endpoints, "")
        .service("leer", "")
        .pool("leer", &endpoints, "")
        .start();
    edge.set_mode("leer", origin.address(), "maintenance");
    let get = |service: &str| {
        let mut client = edge.connect();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: {BERLIN}.{service}.example\r\n\r\n"
        ));
        client
    };
    let _held = ["lang", "voll", "rate"].map(get);
    origin.wait_requests(3);
    let _waiting = get("voll");
    let waiting = WAITING.replace("amt", "voll");
    eventually("one waits", || edge.count(&waiting) == 1);
    for (service, status, reason, limit) in [
        ("lang", 503, "wait_expired", "pools.lang.queue.wait_max"),
        (
            "voll",
            429,
            "client_waiting",
            "pools.voll.queue.client_share",
        ),
        ("rate", 429, "tenant_rate", "services.rate.limits.tenant"),
        ("leer", 503, "no_endpoint", "pools.leer.endpoints"),
    ] {
        let answer = get(service).response();
        assert_eq!(label(&answer), refusal(status, reason));
        assert!(answer.text().contains(answer.reference()));
        let line = edge.log().wait_request(answer.reference());
        assert_eq!(
            (&line["refusal"], &line["limit"]),
            (&reason.into(), &limit.into())
        );
        assert_eq!(
            (&line["status"], &line["generation"]),
            (&status.into(), &1.into())
        );
        assert_eq!(
            (&line["service"], &line["tenant"]),
            (&service.into(), &BERLIN.into())
        );
        let waited = line["waited_ms"].as_f64().unwrap();
        assert_eq!(waited >= 200.0, reason == "wait_expired", "{line}");
    }
    gate.open();
}
