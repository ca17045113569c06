//! When a pool is idle: a request or a tunnel that lasts longer than the rest is one, whatever was answered meanwhile.

use schleuse_tests::{Edge, Gate, Origin, RunningEdge, eventually, origin};

/// A quick descent to nothing, to watch it; somebody else stops the endpoints.
const SCALE: &str = "scale: { keda: {}, min: 0, cold_start: 1s, idle_after: 1s, hold_down: 0s, descent_per_minute: 100% }";

fn desired(edge: &RunningEdge, pool: &str) -> Option<u64> {
    let pool = edge.resource(&format!("/api/v1/pools/{pool}"));
    pool["scale"]["desired"].as_u64()
}

/// How often it was decided that the pool needs nobody.
fn rests(edge: &RunningEdge, pool: &str) -> usize {
    let decided = edge.log().events("scale_decided").into_iter();
    let is_rest =
        |line: &serde_json::Value| line["pool"] == pool && line["decision"]["replicas"] == 0;
    decided.filter(is_rest).count()
}

fn request(service: &str, more: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: 110000000000.{service}.example\r\n{more}\r\n")
}

#[test]
fn p35_nothing_is_stopped_under_a_long_request_or_a_tunnel() {
    let gate = Gate::default();
    let held = gate.clone();
    let long = Origin::serve(move |_, conversation| {
        held.pass();
        conversation.send(origin::ok("at last"));
    });
    let (tunnel, quick) = (Origin::websocket_echo(), Origin::ok("fine"));
    let edge = [("long", &long), ("tunnel", &tunnel), ("quick", &quick)]
        .into_iter()
        .fold(Edge::new(), |edge, (name, origin)| {
            edge.service(name, "")
                .pool(name, &[origin.address()], SCALE)
        })
        .start();
    let mut asks = edge.connect();
    asks.send(request("long", ""));
    long.wait_requests(1);
    let mut talks = edge.connect();
    talks.send(request(
        "tunnel",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    ));
    assert_eq!(talks.response().status, 101);
    // Began last, so the time after which a pool is idle is over for the others when it is over for this one.
    let before = rests(&edge, "quick");
    assert_eq!(edge.get("110000000000.quick.example", "/").status, 200);
    eventually("it sleeps again", || rests(&edge, "quick") > before);
    for pool in ["long", "tunnel"] {
        assert_eq!(desired(&edge, pool), Some(1), "{pool}");
    }
    gate.open();
    assert_eq!(asks.response().text(), "at last");
    drop(talks);
    for pool in ["long", "tunnel"] {
        eventually("now it may sleep", || desired(&edge, pool) == Some(0));
    }
}
