//! P33: a seat is free, somebody waits, and nothing happens. Whatever frees a seat, the next request gets it.

use schleuse_tests::{Edge, Gate, Origin, origin::ok};

use crate::{
    full_pool::{ask, gated, occupy, one_seat, wait_waiting},
    one_service::amt,
};

/// A backend that does what the target says once the gate is open, and answers `/next` at once.
fn obedient(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |request, conversation| {
        let target = request.target.as_str();
        if target == "/next" {
            return conversation.send(ok("next"));
        }
        gate.pass();
        match target {
            "/answer" => conversation.send(ok("first")),
            "/failure" => conversation.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
            "/reset" => conversation.reset(),
            "/garbage" => conversation.send("SMTP ready\r\n\r\n"),
            "/cut-off" => {
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
                conversation.close();
            }
            "/events" => conversation.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\none",
            ),
            _ => conversation.wait_for_the_peer(),
        }
    })
}

fn config(origin: &Origin, streams_max: u32) -> Edge {
    let pool = format!(
        "concurrency: 1\nslow_start: 0s\nstreams_max: {streams_max}\ntimeouts: {{ first_byte: 1s }}"
    );
    amt(&[origin.address()], "", &pool)
}

#[test]
fn p33_however_a_request_ends_at_its_backend_the_next_one_gets_its_seat() {
    for (target, streams_max) in [
        ("/answer", 1),
        ("/failure", 1),
        ("/reset", 1),
        ("/garbage", 1),
        ("/cut-off", 1),
        ("/events", 1), // goes on outside the seats
        ("/events", 0), // is refused
        ("/nothing-comes", 1),
    ] {
        let gate = Gate::default();
        let origin = obedient(&gate);
        let edge = config(&origin, streams_max).start();
        let _first = ask(&edge, target);
        origin.wait_requests(1);
        let mut next = ask(&edge, "/next");
        wait_waiting(&edge, 1);
        gate.open();
        assert_eq!(next.response().text(), "next", "{target}");
    }
}

#[test]
fn p33_when_the_client_of_a_request_leaves_the_next_one_gets_its_seat() {
    let gate = Gate::default();
    let origin = obedient(&gate);
    let edge = one_seat(&origin, "").start();
    let first = ask(&edge, "/answer");
    origin.wait_requests(1);
    let mut next = ask(&edge, "/next");
    wait_waiting(&edge, 1);
    drop(first);
    assert_eq!(next.response().text(), "next");
    gate.open();
}

#[test]
fn p33_an_endpoint_that_comes_back_serves_those_who_wait() {
    let gate = Gate::default();
    let (full, back) = (gated(&gate), Origin::ok("back"));
    let pool = "concurrency: 1\nslow_start: 0s";
    let edge = amt(&[full.address(), back.address()], "", pool).start();
    edge.set_mode("amt", back.address(), "maintenance");
    let _first = occupy(&edge, &full);
    let mut next = ask(&edge, "/");
    wait_waiting(&edge, 1);
    edge.set_mode("amt", back.address(), "ready");
    assert_eq!(next.response().text(), "back");
    gate.open();
}

#[test]
fn p33_seats_that_a_slow_start_adds_serve_those_who_wait_though_nothing_else_happens() {
    const SEATS: usize = 8;
    let gate = Gate::default();
    let (full, new) = (gated(&gate), gated(&gate));
    let config = |endpoints: &[&Origin]| {
        let addresses: Vec<_> = endpoints.iter().map(|origin| origin.address()).collect();
        amt(
            &addresses,
            "",
            &format!("concurrency: {SEATS}\nslow_start: 2s"),
        )
    };
    let mut edge = config(&[&full]).start();
    let _served: Vec<_> = (0..SEATS).map(|_| ask(&edge, "/")).collect();
    full.wait_requests(SEATS);
    let _waiting: Vec<_> = (0..SEATS).map(|_| ask(&edge, "/")).collect();
    wait_waiting(&edge, SEATS as u64);
    edge.reload(config(&[&full, &new]));
    // No request ends: all seats come from the ramp.
    new.wait_requests(SEATS);
    wait_waiting(&edge, 0);
    gate.open();
}
