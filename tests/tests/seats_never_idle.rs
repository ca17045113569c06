//! P33: never a free seat, somebody who waits, and nothing happens, however the seat became free. And never more requests
//! at a backend than it has seats, whatever the config does meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use schleuse_tests::{Client, Edge, Gate, Load, Origin, RunningEdge, eventually, origin::ok};

use crate::fair_line::{BERLIN, HAMBURG, config};

const WAITING: &str = "schleuse_pool_waiting{pool=\"wohngeld\"}";

fn ask(edge: &RunningEdge, tenant: &str, target: &str) -> Client {
    let mut client = edge.connect();
    client.send(format!(
        "GET /{tenant}/{target} HTTP/1.1\r\nHost: wohngeld.example\r\n\r\n"
    ));
    client
}

/// A backend that does what a request's path says, and holds those of `/held` until the gate opens.
fn scripted(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |request, conversation| {
        let what = request.target.rsplit('/').next().unwrap_or_default();
        if what != "quick" {
            gate.pass();
        }
        match what {
            "close" => conversation.close(),
            "reset" => conversation.reset(),
            "half" => {
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
                conversation.close();
            }
            "nonsense" => conversation.send("nonsense\r\n\r\n"),
            "500" => conversation.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
            _ => conversation.send(ok("served")),
        }
    })
}

/// Somebody has the only seat, and somebody else waits.
fn one_waits(edge: &RunningEdge, origin: &Origin, first: &str) -> (Client, Client) {
    let before = origin.request_count();
    let holder = ask(edge, BERLIN, first);
    origin.wait_requests(before + 1);
    let waiting = ask(edge, HAMBURG, "quick");
    eventually("the second waits", || edge.count(WAITING) == 1);
    (holder, waiting)
}

#[test]
fn p33_a_seat_that_a_failed_answer_gives_back_goes_to_who_waits() {
    for failure in ["close", "reset", "half", "nonsense", "500"] {
        let gate = Gate::default();
        let origin = scripted(&gate);
        let edge = config(1, "fair_by: equal", &[origin.address()]).start();
        let (_holder, mut waiting) = one_waits(&edge, &origin, failure);
        gate.open();
        assert_eq!(waiting.response().text(), "served", "{failure}");
    }
}

#[test]
fn p33_a_seat_whose_client_left_goes_to_who_waits() {
    let origin = scripted(&Gate::default());
    let edge = config(1, "fair_by: equal", &[origin.address()]).start();
    let (holder, mut waiting) = one_waits(&edge, &origin, "held");
    drop(holder);
    assert_eq!(waiting.response().text(), "served");
}

#[test]
fn p33_seats_that_a_reload_brings_go_to_who_waits() {
    let (gate, spare) = (Gate::default(), Origin::ok("served"));
    let origin = scripted(&gate);
    let raised = config(2, "fair_by: equal", &[origin.address()]);
    let joined = config(1, "fair_by: equal", &[origin.address(), spare.address()]);
    for change in [raised, joined] {
        let mut edge = config(1, "fair_by: equal", &[origin.address()]).start();
        let (_holder, mut waiting) = one_waits(&edge, &origin, "held");
        edge.reload(change);
        assert_eq!(waiting.response().text(), "served");
    }
    gate.open();
}

#[test]
fn p33_an_endpoint_that_is_taken_in_again_serves_who_waits() {
    let (gate, spare) = (Gate::default(), Origin::ok("served"));
    let origin = scripted(&gate);
    let edge = config(1, "fair_by: equal", &[origin.address(), spare.address()]).start();
    edge.set_mode("wohngeld", spare.address(), "maintenance");
    let (_holder, mut waiting) = one_waits(&edge, &origin, "held");
    edge.set_mode("wohngeld", spare.address(), "ready");
    assert_eq!(waiting.response().text(), "served");
    gate.open();
}

/// A backend that knows how many requests it has at once, and the most it had.
fn counting(at_once: &Arc<(AtomicUsize, AtomicUsize)>) -> Origin {
    let at_once = at_once.clone();
    Origin::serve(move |_, conversation| {
        let now = at_once.0.fetch_add(1, SeqCst) + 1;
        at_once.1.fetch_max(now, SeqCst);
        std::thread::sleep(Duration::from_millis(1)); // the service time of this backend
        at_once.0.fetch_sub(1, SeqCst);
        conversation.send(ok("served"));
    })
    .forgetful()
}

#[test]
fn no_reload_puts_more_requests_at_a_backend_than_it_has_seats() {
    let at_once = Arc::<(AtomicUsize, AtomicUsize)>::default();
    let origin = counting(&at_once);
    let (one, two, three) = (
        Origin::ok("served"),
        Origin::ok("served"),
        Origin::ok("served"),
    );
    let others = [one.address(), two.address(), three.address()];
    let with = |seats: usize, others: &[std::net::SocketAddr]| -> Edge {
        let endpoints: Vec<_> = [origin.address()].iter().chain(others).copied().collect();
        config(seats, "fair_by: equal", &endpoints)
    };
    let mut edge = with(3, &[]).start();
    let load = Load::new(
        12,
        {
            let address = edge.http();
            move || Client::connect(address)
        },
        |client| match client
            .get("wohngeld.example", &format!("/{BERLIN}/"))
            .status
        {
            200 => Ok(()),
            status => Err(format!("{status}")),
        },
    );
    for round in 0..8 {
        edge.reload(with(1 + round % 3, &others[..round % 4]));
        load.wait_answers(20);
    }
    let (_, failures) = load.stop();
    assert_eq!(failures, Vec::<String>::new());
    assert!(at_once.1.load(SeqCst) <= 3, "{at_once:?}");
}
