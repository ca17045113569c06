//! What a seat is for: a request that a backend works on. Not for uploads that trickle, nor for clients that read slowly,
//! nor for streams.

use std::sync::mpsc;

use schleuse_tests::{Edge, Gate, Origin, RunningEdge, eventually, message};

use crate::one_service::{PREFETCH_BYTES, amt, label, refusal};

/// One seat, and nobody waits long for it.
fn one_seat(origin: &Origin) -> RunningEdge {
    one_seat_config(origin).start()
}

fn one_seat_config(origin: &Origin) -> Edge {
    amt(&[origin.address()], "", "concurrency: 1\nslow_start: 0s")
}

#[test]
fn an_upload_that_trickles_does_not_take_a_seat() {
    let origin = Origin::ok("ok");
    let edge = one_seat(&origin);
    let mut slow: Vec<_> = (0..3).map(|_| edge.connect()).collect();
    for client in &mut slow {
        client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 6\r\n\r\nabc");
    }
    eventually("the uploads are in flight", || {
        edge.metric("schleuse_requests_in_flight") >= 3.0
    });
    assert_eq!(edge.get("amt.example", "/").text(), "ok");
    assert_eq!((origin.connection_count(), origin.request_count()), (1, 1));
    for client in &mut slow {
        client.send("def");
        assert_eq!(client.response().text(), "ok");
    }
    assert!(
        origin
            .requests()
            .iter()
            .skip(1)
            .all(|request| request.body == b"abcdef")
    );
}

#[test]
fn a_long_upload_goes_to_the_backend_before_it_has_ended() {
    let origin = Origin::ok("ok");
    let edge = one_seat(&origin);
    let mut client = edge.connect();
    client.send("PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 1000000\r\n\r\n");
    client.send("x".repeat(PREFETCH_BYTES - 1));
    eventually("the upload is in flight", || {
        edge.metric("schleuse_requests_in_flight") >= 1.0
    });
    assert_eq!(origin.connection_count(), 0);
    client.send("x");
    eventually("the backend has its start", || {
        origin.received(0).len() > PREFETCH_BYTES
    });
}

#[test]
fn an_upload_that_ends_in_the_middle_never_reaches_a_backend() {
    let origin = Origin::ok("ok");
    let edge = one_seat(&origin);
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 6\r\n\r\nabc");
    client.half_close();
    assert!(client.read_to_end().is_empty());
    assert_eq!(origin.connection_count(), 0);
}

#[test]
fn a_body_above_the_limit_is_refused_before_a_backend_is_asked() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "body_max: 1KiB", "").start();
    let mut client = edge.connect();
    let chunk = "x".repeat(0x800);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{chunk}\r\n0\r\n\r\n"
    ));
    assert_eq!(label(&client.response()), refusal(413, "body_too_large"));
    assert_eq!(origin.connection_count(), 0);
}

#[test]
fn a_client_that_reads_slowly_does_not_keep_the_seat_of_an_answer_that_has_come() {
    // More than the proxy's socket to a client takes that reads nothing, in pieces that it takes from the backend.
    const BYTES: usize = 16 << 20;
    let (all_sent, sent) = mpsc::channel();
    let origin = Origin::serve(move |request, conversation| {
        if request.target == "/quick" {
            return conversation.send(schleuse_tests::origin::ok("quick"));
        }
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n"
        ));
        conversation.send(vec![b'x'; BYTES]);
        let _ = all_sent.send(());
    });
    let edge = one_seat(&origin);
    let mut slow = edge.connect();
    slow.send("GET /large HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    message::read_head(&mut slow).unwrap().unwrap();
    // Reads until the backend has given its last byte to the system; some more is on its way in sockets still.
    let mut read = 0;
    while sent.try_recv().is_err() {
        read += slow.read_exact(4096).len();
    }
    while edge.metric("schleuse_pool_in_flight{pool=\"amt\"}") > 0.0 {
        read += slow.read_exact(4096).len();
    }
    assert!(read < BYTES, "the client has not got all of it");
    assert_eq!(edge.get("amt.example", "/quick").text(), "quick");
    slow.read_exact(BYTES - read);
}

#[test]
fn p08_who_waits_for_a_100_has_its_seat_at_once() {
    let go = Gate::default();
    let (gate, asked) = (go.clone(), mpsc::channel());
    let (tell, told) = asked;
    let origin = Origin::converse(move |conversation| {
        let Some(head) = conversation.request_head() else {
            return;
        };
        let _ = tell.send(());
        gate.pass();
        conversation.send("HTTP/1.1 100 Continue\r\n\r\n");
        let body = conversation.request_body(&head).unwrap();
        assert_eq!(body, b"hello");
        conversation.send(schleuse_tests::origin::ok("ok"));
    });
    let edge = one_seat(&origin);
    let mut client = edge.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    told.recv().unwrap();
    assert!(client.is_quiet(), "the 100 is the backend's to give");
    go.open();
    assert_eq!(client.response().status, 100);
    client.send("hello");
    assert_eq!(client.response().text(), "ok");
}
