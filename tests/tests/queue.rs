//! Waiting for a seat: who gets one and when, who gets none and what it is told.

use std::thread;

use schleuse_tests::{Client, Edge, Gate, Origin, Response, eventually};

use crate::{
    full_pool::{IN_FLIGHT, WAITING, ask, gated, occupy, one_seat, wait_waiting},
    one_service::{amt, label, refusal},
};

fn targets(origin: &Origin) -> Vec<String> {
    let requests = origin.requests();
    requests.into_iter().map(|request| request.target).collect()
}

#[test]
fn requests_wait_for_a_full_pool_and_are_served_in_the_order_of_their_arrival() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "").start();
    let mut first = occupy(&edge, &origin);
    let mut waiting: Vec<Client> = Vec::new();
    for number in 1..=5 {
        waiting.push(ask(&edge, &format!("/{number}")));
        wait_waiting(&edge, number);
    }
    assert_eq!(origin.request_count(), 1);
    gate.open();
    assert_eq!(first.response().text(), "/first");
    for (number, client) in (1..).zip(&mut waiting) {
        assert_eq!(client.response().text(), format!("/{number}"));
    }
    assert_eq!(targets(&origin), ["/first", "/1", "/2", "/3", "/4", "/5"]);
    assert_eq!((edge.count(WAITING), edge.count(IN_FLIGHT)), (0, 0));
    let waited = |path: &str| edge.log().wait_line(path)["waited_ms"].as_f64();
    assert_eq!(waited("\"/first\""), None);
    assert!(waited("\"/1\"").is_some_and(|waited| waited > 0.0));
}

#[test]
fn who_has_waited_too_long_is_told_when_to_come_again_and_keeps_its_connection() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "wait_max: 200ms").start();
    let mut first = occupy(&edge, &origin);
    let mut client = ask(&edge, "/late");
    let answer = client.response();
    assert_eq!(label(&answer), refusal(503, "wait_expired"));
    assert!(seconds(&answer, "Retry-After") >= 1);
    assert_eq!(answer.field("Connection"), None);
    assert_eq!(edge.count(WAITING), 0);
    gate.open();
    first.response();
    assert_eq!(client.get("amt.example", "/again").text(), "/again");
    assert_eq!(targets(&origin), ["/first", "/again"]);
}

fn seconds(answer: &Response, field: &str) -> u64 {
    let value = answer.field(field).expect(field);
    value.parse().expect("whole seconds")
}

#[test]
fn who_would_wait_longer_than_allowed_is_told_so_at_once() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "wait_max: 5s").start();
    let _first = occupy(&edge, &origin);
    // Of a backend that nothing is known of a request is taken to need 100 ms.
    let mut waiting = Vec::new();
    let refused = loop {
        let mut client = ask(&edge, "/");
        eventually("it waits or has an answer", || {
            !client.is_quiet() || edge.count(WAITING) > waiting.len() as u64
        });
        if !client.is_quiet() {
            break client.response();
        }
        waiting.push(client);
    };
    assert_eq!(label(&refused), refusal(503, "wait_too_long"));
    assert!(seconds(&refused, "Retry-After") >= 1);
    assert_eq!(edge.count(WAITING), waiting.len() as u64);
    gate.open();
}

#[test]
fn places_are_bounded_per_tenant_and_per_pool() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let pool =
        "concurrency: 1\nslow_start: 0s\nqueue: { waiting_max: 3, waiting_per_tenant_max: 2 }";
    let edge = Edge::new()
        .top("trusted_proxies: [127.0.0.0/8]")
        .service("amt", "tenant_from: [path]")
        .pool("amt", &[origin.address()], pool)
        .start();
    let ask = |place: &str, client: u32| {
        let mut connection = edge.connect();
        connection.send(format!(
            "GET /{place}/ HTTP/1.1\r\nHost: amt.example\r\nX-Forwarded-For: 192.0.2.{client}\r\n\r\n"
        ));
        connection
    };
    let mut waiting = vec![ask("11000000", 1)];
    origin.wait_requests(1);
    for (count, place) in (1..).zip(["11000000", "11000000", "02000000"]) {
        waiting.push(ask(place, count));
        wait_waiting(&edge, count.into());
        if count == 2 {
            let refused = ask("11000000", 9).response();
            assert_eq!(label(&refused), refusal(503, "tenant_queue_full"));
        }
    }
    let refused = ask("06412000", 9).response();
    assert_eq!(label(&refused), refusal(503, "queue_full"));
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_client_network_that_holds_its_share_of_the_places_gets_no_more() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "waiting_per_tenant_max: 10, client_share: 20%").start();
    let _first = occupy(&edge, &origin);
    let _waiting: Vec<_> = (1..=2)
        .map(|count| {
            let client = ask(&edge, "/");
            wait_waiting(&edge, count);
            client
        })
        .collect();
    let refused = ask(&edge, "/").response();
    assert_eq!(label(&refused), refusal(429, "client_waiting"));
    gate.open();
}

#[test]
fn without_places_a_full_pool_refuses_at_once() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "waiting_max: 0").start();
    let _first = occupy(&edge, &origin);
    let refused = ask(&edge, "/").response();
    assert_eq!(refused.status, 503);
    gate.open();
}

#[test]
fn a_tenant_at_its_limit_in_flight_waits_while_others_pass() {
    assert_second_waits("in_flight: 1");
}

#[test]
fn an_observed_rate_leaves_the_limit_in_flight_in_force() {
    assert_second_waits("in_flight: 1, rate: 1000/s, mode: observe");
}

fn assert_second_waits(limit: &str) {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = Edge::new()
        .service(
            "amt",
            &format!("tenant_from: [path]\nlimits: {{ tenant: {{ {limit} }} }}"),
        )
        .pool("amt", &[origin.address()], "concurrency: 5\nslow_start: 0s")
        .start();
    let mut first = ask(&edge, "/11000000/first");
    origin.wait_requests(1);
    let mut second = ask(&edge, "/11000000/second");
    wait_waiting(&edge, 1);
    let mut other = ask(&edge, "/02000000/");
    origin.wait_requests(2);
    assert_eq!(targets(&origin), ["/11000000/first", "/02000000/"]);
    gate.open();
    for client in [&mut first, &mut second, &mut other] {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn requests_that_wait_are_finished_when_the_process_stops() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "").start();
    let mut first = occupy(&edge, &origin);
    let mut second = ask(&edge, "/second");
    wait_waiting(&edge, 1);
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    edge.log().wait_event("stopping");
    gate.open();
    assert_eq!(first.response().text(), "/first");
    assert_eq!(second.response().text(), "/second");
}

#[test]
fn one_worker_hands_a_seat_to_a_request_that_waits_on_another() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "")
        .environment("SCHLEUSE_WORKERS", "4")
        .start();
    let mut clients = vec![occupy(&edge, &origin)];
    for number in 1..=20 {
        clients.push(ask(&edge, &format!("/{number}")));
        wait_waiting(&edge, number);
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    let expected: Vec<_> = (1..=20).map(|number| format!("/{number}")).collect();
    assert_eq!(targets(&origin)[1..], expected);
}

#[test]
fn never_more_are_in_flight_than_there_are_seats() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };
    const SEATS: usize = 3;
    let (inside, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let seen = most.clone();
    let origin = Origin::serve(move |_, conversation| {
        seen.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::yield_now();
        inside.fetch_sub(1, SeqCst);
        conversation.send(schleuse_tests::origin::ok("ok"));
    });
    let pool = format!("concurrency: {SEATS}\nslow_start: 0s");
    let edge = amt(&[origin.address()], "", &pool)
        .environment("SCHLEUSE_WORKERS", "2")
        .start();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = edge.connect();
                for _ in 0..50 {
                    assert_eq!(client.get("amt.example", "/").status, 200);
                }
            });
        }
    });
    assert_eq!(origin.request_count(), 16 * 50);
    let most = most.load(SeqCst);
    assert!(most <= SEATS, "{most} at once");
    assert_eq!((edge.count(WAITING), edge.count(IN_FLIGHT)), (0, 0));
}

#[test]
fn a_backend_that_recovers_is_asked_by_those_that_wait() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "wait_max: 20s").start();
    let _first = occupy(&edge, &origin);
    edge.set_mode("amt", origin.address(), "maintenance");
    let refused = ask(&edge, "/").response();
    assert_eq!(label(&refused), refusal(503, "no_endpoint"));
    edge.set_mode("amt", origin.address(), "ready");
    let mut second = ask(&edge, "/second");
    wait_waiting(&edge, 1);
    gate.open();
    assert_eq!(second.response().text(), "/second");
}

#[test]
fn a_wait_of_nobody_costs_no_time_of_the_next() {
    // The clock of the pool has nothing to do any more, and starts again for the next who waits.
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "wait_max: 100ms").start();
    let mut first = occupy(&edge, &origin);
    for _ in 0..3 {
        let refused = ask(&edge, "/").response();
        assert_eq!(label(&refused), refusal(503, "wait_expired"));
    }
    gate.open();
    assert_eq!(first.response().status, 200);
}
