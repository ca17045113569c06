//! The operators' listener: readiness, endpoints that are taken out and come back, answers to whatever is asked.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use schleuse_tests::{Edge, Gate, Origin, RunningEdge, eventually, origin::ok};

const HOST: &str = "110000000000.wohngeld.example";

fn before(origins: &[&Origin], options: &str) -> Edge {
    let endpoints: Vec<_> = origins.iter().map(|origin| origin.address()).collect();
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &endpoints, options)
}

/// An endpoint as `/api/v1/pools/wohngeld` shows it.
fn endpoint(edge: &RunningEdge, address: SocketAddr) -> serde_json::Value {
    let pool = edge.resource("/api/v1/pools/wohngeld");
    let endpoints = pool["endpoints"].as_array().unwrap();
    let named = endpoints
        .iter()
        .find(|endpoint| endpoint["address"] == address.to_string());
    named.unwrap().clone()
}

#[test]
fn an_endpoint_in_drain_or_maintenance_gets_nothing_new_and_comes_back_when_ready() {
    let (one, two) = (Origin::ok("one"), Origin::ok("two"));
    let edge = before(&[&one, &two], "slow_start: 0s").start();
    for mode in ["drain", "maintenance"] {
        edge.set_mode("wohngeld", one.address(), mode);
        assert_eq!(endpoint(&edge, one.address())["mode"], mode);
        for _ in 0..20 {
            assert_eq!(edge.get(HOST, "/").text(), "two");
        }
        edge.set_mode("wohngeld", one.address(), "ready");
        eventually("the endpoint serves again", || {
            edge.get(HOST, "/").text() == "one"
        });
    }
    let events = edge.log().wait_events("endpoint_mode", 4);
    assert_eq!(events[1]["mode"], "ready");
    assert_eq!(events[1]["endpoint"], one.address().to_string());
}

#[test]
fn a_request_in_flight_at_an_endpoint_in_maintenance_ends_by_itself() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let one = Origin::serve(move |_, conversation| {
        waiting.pass();
        conversation.send(ok("one"));
    });
    let edge = before(&[&one], "").start();
    let mut client = edge.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    one.wait_requests(1);
    edge.set_mode("wohngeld", one.address(), "maintenance");
    assert_eq!(endpoint(&edge, one.address())["in_flight"], 1);
    assert_eq!(edge.get(HOST, "/").status, 503);
    gate.open();
    assert_eq!(client.response().text(), "one");
}

#[test]
fn readiness_says_whether_any_pool_can_serve_and_liveness_does_not_care() {
    let origin = Origin::ok("fine");
    let edge = before(&[&origin], "").start();
    let answers = || ["/readyz", "/livez"].map(|path| edge.admin().get("admin", path).status);
    assert_eq!(answers(), [200, 200]);
    edge.set_mode("wohngeld", origin.address(), "maintenance");
    assert_eq!(answers(), [503, 200]);
    edge.set_mode("wohngeld", origin.address(), "ready");
    assert_eq!(answers(), [200, 200]);
}

#[test]
fn an_endpoint_whose_probes_fail_is_left_out_until_they_succeed_again() {
    let well = Arc::new(AtomicBool::new(true));
    let state = well.clone();
    let one = Origin::serve(move |request, conversation| {
        match (request.target.as_str(), state.load(SeqCst)) {
            ("/healthz", false) => {
                conversation.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
            }
            _ => conversation.send(ok("one")),
        }
    });
    let two = Origin::ok("two");
    let health = "slow_start: 0s\nhealth: { path: /healthz, interval: 100ms, healthy_after: 2, unhealthy_after: 2 }";
    let edge = before(&[&one, &two], health).start();
    eventually("the endpoint serves", || {
        edge.get(HOST, "/").text() == "one"
    });

    // The first probe of an endpoint decides alone.
    edge.wait_metric("schleuse_probes_total{result=\"ok\"}", 4.0);
    well.store(false, SeqCst);
    let event = edge.log().wait_event("endpoint_unhealthy");
    assert_eq!(event["endpoint"], one.address().to_string());
    assert_eq!(endpoint(&edge, one.address())["healthy"], false);
    for _ in 0..20 {
        assert_eq!(edge.get(HOST, "/").text(), "two");
    }
    well.store(true, SeqCst);
    edge.log()
        .wait_event_with("endpoint_healthy", &one.address().to_string());
    eventually("the endpoint serves again", || {
        edge.get(HOST, "/").text() == "one"
    });
    assert!(edge.metric("schleuse_probes_total{result=\"ok\"}") >= 2.0);
    assert!(edge.metric("schleuse_probes_total{result=\"failed\"}") >= 2.0);
    let probe = one
        .requests()
        .into_iter()
        .find(|request| request.target == "/healthz")
        .unwrap();
    assert_eq!(probe.field("Host"), Some(&*one.address().to_string()));
}

#[test]
fn a_pool_without_a_healthy_endpoint_is_not_ready_and_one_that_accepts_again_is() {
    let origin = Origin::ok("fine");
    let address = origin.address();
    let edge = before(
        &[&origin],
        "health: { interval: 100ms, healthy_after: 1, unhealthy_after: 1 }",
    )
    .start();
    eventually("ready", || {
        edge.admin().get("admin", "/readyz").status == 200
    });
    drop(origin);
    edge.log().wait_event("endpoint_unhealthy");
    assert_eq!(edge.admin().get("admin", "/readyz").status, 503);
    let _back = Origin::serve_on(address, |_, conversation| conversation.send(ok("back")));
    eventually("ready again", || {
        edge.admin().get("admin", "/readyz").status == 200
    });
    assert_eq!(edge.get(HOST, "/").text(), "back");
}

#[test]
fn what_is_unknown_is_told_apart_from_what_is_wrong() {
    let origin = Origin::ok("fine");
    let edge = before(&[&origin], "").start();
    let address = origin.address();
    for (request, status) in [
        ("GET /".to_owned(), 404),
        ("GET /api/v2/status".to_owned(), 404),
        ("GET /api/v1/pools/none".to_owned(), 404),
        ("POST /livez".to_owned(), 405),
        ("DELETE /api/v1/status".to_owned(), 405),
        (
            format!("POST /api/v1/pools/none/endpoints/{address}/drain"),
            404,
        ),
        (
            "POST /api/v1/pools/wohngeld/endpoints/10.9.9.9:1/drain".to_owned(),
            404,
        ),
        (
            "POST /api/v1/pools/wohngeld/endpoints/nonsense/drain".to_owned(),
            400,
        ),
        (
            format!("POST /api/v1/pools/wohngeld/endpoints/{address}/off"),
            404,
        ),
    ] {
        let mut admin = edge.admin();
        admin.send(format!(
            "{request} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = admin.response();
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
        assert_eq!(
            answer.field("Content-Type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], status);
    }
}

#[test]
fn head_is_answered_as_get_without_a_body_and_connections_are_kept() {
    let origin = Origin::ok("fine");
    let edge = before(&[&origin], "").start();
    let mut admin = edge.admin();
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/api/v1/status",
        "/api/v1/pools",
    ] {
        admin.send(format!("HEAD {path} HTTP/1.1\r\nHost: admin\r\n\r\n"));
        let head = admin.response_to("HEAD");
        assert_eq!(
            (head.status, head.field("Cache-Control")),
            (200, Some("no-store")),
            "{path}"
        );
        assert!(admin.get("admin", path).body.len() > 1, "{path}");
    }
}

#[test]
fn the_public_side_knows_nothing_of_the_admin_api() {
    let origin = Origin::echo();
    let edge = before(&[&origin], "").start();
    let answer = edge.get(HOST, "/api/v1/status");
    assert_eq!(answer.json()["target"], "/api/v1/status");
    assert_eq!(edge.get("admin", "/metrics").status, 404);
}
