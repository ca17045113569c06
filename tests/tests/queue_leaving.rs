//! Clients that leave while they wait: their place is free, and their request reaches nobody.

use schleuse_tests::{Authority, Client, Edge, Gate, Origin, RunningEdge};

use crate::{
    full_pool::{IN_FLIGHT, WAITING, ask, gated, occupy, one_seat, wait_waiting},
    one_service::PREFETCH_BYTES,
};

/// What a client sends before it leaves.
const KINDS: [&str; 4] = [
    "no body",
    "a whole body",
    "more than is read",
    "the next request",
];

fn request(kind: &str) -> Vec<u8> {
    let head = |method: &str, length: usize| {
        format!(
            "{method} /leaves HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let body = |bytes: usize| "x".repeat(bytes);
    match kind {
        "no body" => head("GET", 0),
        "a whole body" => head("POST", 100) + &body(100),
        // The rest stays in the socket, and the end behind it has to be seen.
        "more than is read" => head("POST", 1_000_000) + &body(4 * PREFETCH_BYTES),
        _ => head("GET", 0) + &head("GET", 0),
    }
    .into_bytes()
}

fn leaves_without_a_trace(edge: &RunningEdge, origin: &Origin, connect: impl Fn() -> Client) {
    for kind in KINDS {
        for way in ["close", "reset", "half-close"] {
            let mut client = connect();
            client.send(request(kind));
            wait_waiting(edge, 1);
            match way {
                "close" => drop(client),
                "reset" => client.reset(),
                // Who says that nothing more comes is taken for gone, as by HAProxy's `abortonclose`.
                _ => assert!(client.half_close().read_to_end().is_empty(), "{kind}"),
            }
            wait_waiting(edge, 0);
        }
    }
    assert_eq!(origin.request_count(), 1, "the one that has the seat");
}

#[test]
fn a_client_that_leaves_while_it_waits_frees_its_place_and_reaches_nobody() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "").start();
    let mut first = occupy(&edge, &origin);
    leaves_without_a_trace(&edge, &origin, || edge.connect());
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(ask(&edge, "/next").response().text(), "/next");
    assert_eq!(origin.request_count(), 2);
}

#[test]
fn a_client_that_leaves_while_it_waits_is_noticed_under_tls() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let authority = Authority::new();
    let pair = authority.issue(&["amt.example"]);
    let edge = one_seat(&origin, "")
        .file("tls/amt.crt", pair.certificate)
        .file("tls/amt.key", pair.key)
        .tls("tls")
        .start();
    let mut first = occupy(&edge, &origin);
    let config = authority.client();
    leaves_without_a_trace(&edge, &origin, || {
        Client::secure(edge.https(), "amt.example", config.clone()).unwrap()
    });
    gate.open();
    assert_eq!(first.response().status, 200);
}

#[test]
fn the_place_of_one_that_left_goes_to_those_behind_it() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "").start();
    let mut first = occupy(&edge, &origin);
    let leaving = ask(&edge, "/leaves");
    wait_waiting(&edge, 1);
    let mut second = ask(&edge, "/second");
    wait_waiting(&edge, 2);
    drop(leaving);
    wait_waiting(&edge, 1);
    gate.open();
    assert_eq!(first.response().text(), "/first");
    assert_eq!(second.response().text(), "/second");
    assert_eq!(origin.request_count(), 2);
}

#[test]
fn many_that_leave_at_once_leave_nothing_behind() {
    const CLIENTS: u64 = 300;
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "client_share: 100%, wait_max: 60s").start();
    let mut first = occupy(&edge, &origin);
    let clients: Vec<_> = (0..CLIENTS).map(|_| ask(&edge, "/leaves")).collect();
    wait_waiting(&edge, CLIENTS);
    // Some seat is granted while they leave: whoever gets it must give it back.
    gate.open();
    drop(clients);
    assert_eq!(first.response().status, 200);
    wait_waiting(&edge, 0);
    schleuse_tests::eventually("nothing is in flight", || edge.count(IN_FLIGHT) == 0);
    assert_eq!(ask(&edge, "/next").response().text(), "/next");
}

#[test]
fn the_memory_of_many_that_left_goes_back_to_the_system_without_further_traffic() {
    const CLIENTS: u64 = 800;
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = one_seat(&origin, "client_share: 100%, wait_max: 200s")
        .environment("SCHLEUSE_WORKERS", "2")
        .start();
    let _first = occupy(&edge, &origin);
    let before = edge.resident_kib();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = edge.connect();
            client.send(request("more than is read"));
            client
        })
        .collect();
    wait_waiting(&edge, CLIENTS);
    let taken = edge.resident_kib() - before;
    assert!(taken > 16 * CLIENTS, "{taken} KiB for all of them");
    drop(clients);
    schleuse_tests::eventually("their memory is given back", || {
        // What a process takes lazily after its start is a few MiB, all of theirs more than twelve.
        edge.resident_kib() < before + taken / 2
    });
    gate.open();
}

#[test]
fn who_waits_for_a_100_gets_none_from_the_proxy_and_its_seat_in_its_turn() {
    let gate = Gate::default();
    let passing = gate.clone();
    let origin = Origin::converse(move |conversation| {
        while let Some(head) = conversation.request_head() {
            conversation.note(head.clone());
            passing.pass();
            if head.field("Expect").is_some() {
                conversation.send("HTTP/1.1 100 Continue\r\n\r\n");
                assert_eq!(conversation.request_body(&head).unwrap(), b"hello");
            }
            conversation.send(schleuse_tests::origin::ok(&head.target));
        }
    });
    let edge = one_seat(&origin, "").start();
    let mut first = occupy(&edge, &origin);
    let mut client = edge.connect();
    client.send(
        "POST /second HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    wait_waiting(&edge, 1);
    assert!(client.is_quiet());
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(client.response().status, 100);
    client.send("hello");
    assert_eq!(client.response().text(), "/second");
    assert_eq!(edge.count(WAITING), 0);
}

#[test]
fn a_waiting_client_that_sends_on_is_not_read_and_loses_nothing() {
    const BYTES: usize = 1 << 20;
    let gate = Gate::default();
    let passing = gate.clone();
    let origin = Origin::serve(move |request, conversation| {
        passing.pass();
        conversation.send(schleuse_tests::origin::ok(&request.body.len().to_string()));
    });
    let edge: Edge = one_seat(&origin, "");
    let edge = edge.start();
    let _first = occupy(&edge, &origin);
    let base = edge.resident_kib();
    let mut clients: Vec<_> = (1..=20)
        .map(|count| {
            let mut client = edge.connect();
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {BYTES}\r\n\r\n"
            ));
            client.send(vec![b'x'; BYTES / 8]);
            wait_waiting(&edge, count);
            client
        })
        .collect();
    assert!(
        edge.resident_kib() < base + 4 * 1024,
        "16 KiB of each, no more"
    );
    gate.open();
    for client in &mut clients {
        client.send(vec![b'x'; BYTES - BYTES / 8]);
        assert_eq!(client.response().text(), BYTES.to_string());
    }
}
