//! What a reload leaves alone: those who wait, what they wait for, and how much a tenant has used of its rate.

use schleuse_tests::{Edge, Gate, Origin, RunningEdge, eventually};

use crate::{
    full_pool::{ask, gated, occupy, one_seat, wait_waiting},
    one_service::{amt, label, refusal},
};

#[test]
fn places_in_the_queue_survive_a_reload() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let mut edge = one_seat(&origin, "wait_max: 60s").start();
    let mut first = occupy(&edge, &origin);
    let mut waiting = Vec::new();
    for number in 1..=4 {
        waiting.push(ask(&edge, &format!("/{number}")));
        wait_waiting(&edge, number);
        let queue = format!("wait_max: {}s", 60 - number);
        edge.reload(one_seat(&origin, &queue));
        wait_waiting(&edge, number);
    }
    gate.open();
    assert_eq!(first.response().text(), "/first");
    for (number, client) in (1..).zip(&mut waiting) {
        assert_eq!(client.response().text(), format!("/{number}"));
    }
    let targets = origin.requests().into_iter().map(|request| request.target);
    let targets: Vec<_> = targets.collect();
    assert_eq!(targets, ["/first", "/1", "/2", "/3", "/4"]);
}

#[test]
fn p33_an_endpoint_that_a_reload_adds_serves_those_who_wait() {
    let gate = Gate::default();
    let (full, free) = (gated(&gate), Origin::ok("the new one"));
    let pool = "concurrency: 1\nslow_start: 0s";
    let mut edge = amt(&[full.address()], "", pool).start();
    let _first = occupy(&edge, &full);
    let mut waiting: Vec<_> = (1..=3)
        .map(|count| {
            let client = ask(&edge, "/");
            wait_waiting(&edge, count);
            client
        })
        .collect();
    edge.reload(amt(&[full.address(), free.address()], "", pool));
    for client in &mut waiting {
        assert_eq!(client.response().text(), "the new one");
    }
    gate.open();
}

#[test]
fn more_seats_by_a_reload_serve_those_who_wait() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let mut edge = one_seat(&origin, "").start();
    let _first = occupy(&edge, &origin);
    let _second = ask(&edge, "/second");
    wait_waiting(&edge, 1);
    edge.reload(amt(
        &[origin.address()],
        "",
        "concurrency: 2\nslow_start: 0s",
    ));
    origin.wait_requests(2);
    wait_waiting(&edge, 0);
    gate.open();
}

#[test]
fn fewer_seats_by_a_reload_hold_also_for_those_who_came_before_it() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let wide = "concurrency: 2\nslow_start: 0s";
    let mut edge = amt(&[origin.address()], "", wide).start();
    let mut served = vec![occupy(&edge, &origin), ask(&edge, "/second")];
    origin.wait_requests(2);
    for number in 1..=2 {
        served.push(ask(&edge, "/waits"));
        wait_waiting(&edge, number);
    }
    edge.reload(one_seat(&origin, ""));
    gate.open();
    for client in &mut served {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn p25_who_waits_in_a_pool_that_a_reload_removed_is_served_by_it() {
    let gate = Gate::default();
    let (old, new) = (gated(&gate), Origin::ok("new"));
    let pool = "concurrency: 1\nslow_start: 0s";
    let config = |name: &str, origin: &Origin| {
        Edge::new()
            .service("amt", &format!("responsible: bund\npool: {name}"))
            .pool(name, &[origin.address()], pool)
    };
    let mut edge = config("amt", &old).start();
    let mut first = occupy(&edge, &old);
    let mut second = ask(&edge, "/second");
    wait_waiting(&edge, 1);
    edge.reload(config("other", &new));
    assert_eq!(ask(&edge, "/").response().text(), "new");
    gate.open();
    assert_eq!(first.response().text(), "/first");
    assert_eq!(second.response().text(), "/second");
}

/// Berlin may ask once a minute and is served by this pool.
fn once_a_minute(origin: &Origin, pool: &str, burst: u32) -> Edge {
    let limits = format!(
        "limits: {{ tenant: {{ rate: 1/min, burst: {burst}, over: refuse }} }}\npool: amt\n\
         pools_by_tenant: {{ \"110000000000\": {pool} }}"
    );
    Edge::new()
        .service("amt", &limits)
        .pool("amt", &[origin.address()], "")
        .pool("other", &[origin.address()], "")
        .service("keeps", "pool: other")
}

fn asks_berlin(edge: &RunningEdge) -> u16 {
    edge.get("110000000000.amt.example", "/").status
}

#[test]
fn a_tenant_that_moves_to_another_pool_keeps_its_tokens() {
    let origin = Origin::ok("ok");
    let mut edge = once_a_minute(&origin, "amt", 1).start();
    assert_eq!(asks_berlin(&edge), 200);
    for pool in ["other", "amt", "other"] {
        edge.reload(once_a_minute(&origin, pool, 1));
        assert_eq!(asks_berlin(&edge), 429, "{pool}");
    }
    assert_eq!(edge.get("020000000000.amt.example", "/").status, 200);
}

#[test]
fn a_changed_burst_carries_the_used_tokens_over() {
    let origin = Origin::ok("ok");
    let mut edge = once_a_minute(&origin, "amt", 2).start();
    assert_eq!((asks_berlin(&edge), asks_berlin(&edge)), (200, 200));
    assert_eq!(asks_berlin(&edge), 429);
    // Two of three are used.
    edge.reload(once_a_minute(&origin, "amt", 3));
    assert_eq!((asks_berlin(&edge), asks_berlin(&edge)), (200, 429));
    for burst in [1, 3, 1, 3] {
        edge.reload(once_a_minute(&origin, "amt", burst));
        assert_eq!(asks_berlin(&edge), 429);
    }
}

#[test]
fn a_tenant_that_waits_for_its_rate_goes_on_waiting_across_a_reload() {
    let origin = Origin::ok("ok");
    let config = |seconds: u32| {
        amt(
            &[origin.address()],
            "limits: { tenant: { rate: 2/s, burst: 1 } }",
            &format!("queue: {{ wait_max: {seconds}s }}"),
        )
    };
    let mut edge = config(20).start();
    assert_eq!(ask(&edge, "/").response().status, 200);
    let mut waiting: Vec<_> = (0..3).map(|_| ask(&edge, "/")).collect();
    edge.reload(config(21));
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    let refused = amt(
        &[origin.address()],
        "limits: { tenant: { rate: 2/min, burst: 1, over: refuse } }",
        "",
    );
    edge.reload(refused);
    assert_eq!(
        label(&ask(&edge, "/").response()),
        refusal(429, "tenant_rate")
    );
}

#[test]
fn a_limit_that_a_reload_lifts_holds_nobody_any_longer_who_waits_for_it() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let pool = "concurrency: 10\nslow_start: 0s\nqueue: { wait_max: 60s }";
    let limits = "limits: { tenant: { in_flight: 1 } }";
    let mut edge = amt(&[origin.address()], limits, pool).start();
    let _first = occupy(&edge, &origin);
    let _waiting = [ask(&edge, "/"), ask(&edge, "/")];
    wait_waiting(&edge, 2);
    edge.reload(amt(&[origin.address()], "", pool));
    origin.wait_requests(3);
    gate.open();
}

#[test]
fn an_upload_that_began_before_a_reload_does_not_bring_the_old_limit_back() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let pool = "concurrency: 10\nslow_start: 0s\nqueue: { wait_max: 60s }";
    let limited = |in_flight: u32| {
        let limits = format!("limits: {{ tenant: {{ in_flight: {in_flight} }} }}");
        amt(&[origin.address()], &limits, pool)
    };
    let mut edge = limited(5).start();
    let mut upload = edge.connect();
    upload.send("POST /upload HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 2\r\n\r\n.");
    eventually("its head is read", || {
        edge.count("schleuse_requests_in_flight") == 1
    });
    edge.reload(limited(1));
    let mut others = vec![occupy(&edge, &origin)];
    for count in 1..=2 {
        others.push(ask(&edge, "/"));
        wait_waiting(&edge, count);
    }
    upload.send(".");
    wait_waiting(&edge, 3);
    gate.open();
    for client in &mut others {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(upload.response().status, 200);
}
