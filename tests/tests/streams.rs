//! Streams go on beside the seats: WebSocket, server-sent events, gRPC.

use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, eventually, message};

use crate::{
    full_pool::{IN_FLIGHT, ask, wait_waiting},
    one_service::{amt, label, refusal},
};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: amt.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// One seat, one connection for it, and this many streams.
fn one_seat(origin: &Origin, streams_max: u32) -> Edge {
    let pool =
        format!("concurrency: 1\nconnections_max: 1\nslow_start: 0s\nstreams_max: {streams_max}");
    amt(&[origin.address()], "timeout: 1s", &pool)
}

fn upgraded(edge: &RunningEdge) -> Client {
    let mut client = edge.connect();
    assert_eq!(client.send(UPGRADE).response().status, 101);
    client
}

#[test]
fn websockets_keep_neither_seats_nor_connections_from_requests() {
    let origin = Origin::websocket_echo();
    let edge = one_seat(&origin, 5).start();
    let mut tunnels: Vec<_> = (0..5).map(|_| upgraded(&edge)).collect();
    assert_eq!(edge.count(IN_FLIGHT), 0);
    for _ in 0..3 {
        assert_eq!(edge.get("amt.example", "/").text(), "no upgrade");
    }
    for tunnel in &mut tunnels {
        tunnel.send("ping");
        assert_eq!(tunnel.read_exact(4), b"ping");
    }
}

#[test]
fn one_stream_too_many_is_refused_and_a_place_comes_free_with_an_end() {
    let origin = Origin::websocket_echo();
    let edge = one_seat(&origin, 1).start();
    let tunnel = upgraded(&edge);
    let mut client = edge.connect();
    let refused = client.send(UPGRADE).response();
    assert_eq!(label(&refused), refusal(503, "streams_full"));
    eventually("its connection to the backend is closed", || {
        origin.open_count() == 1
    });
    assert_eq!(edge.count(IN_FLIGHT), 0);
    drop(tunnel);
    eventually("a stream may begin", || {
        edge.connect().send(UPGRADE).response().status == 101
    });
}

/// Answers `/events` with a stream of this type that waits for the gate before it ends, all else with `ok`.
fn streaming(kind: &'static str, gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |request, conversation| {
        if request.target != "/events" {
            return conversation.send(schleuse_tests::origin::ok("ok"));
        }
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
        ));
        gate.pass();
        conversation.send("3\r\ntwo\r\n0\r\n\r\n");
    })
}

#[test]
fn event_streams_and_grpc_go_on_outside_the_seats() {
    for kind in ["text/event-stream; charset=utf-8", "application/grpc+proto"] {
        let gate = Gate::default();
        let origin = streaming(kind, &gate);
        let edge = one_seat(&origin, 1).start();
        let mut events = ask(&edge, "/events");
        message::read_head(&mut events).unwrap().unwrap();
        assert_eq!(events.read_exact(8), b"3\r\none\r\n");
        assert_eq!(edge.count(IN_FLIGHT), 0, "{kind}");
        assert_eq!(edge.get("amt.example", "/").text(), "ok");
        let refused = ask(&edge, "/events").response();
        assert_eq!(label(&refused), refusal(503, "streams_full"), "{kind}");
        gate.open();
        assert_eq!(events.read_exact(13), b"3\r\ntwo\r\n0\r\n\r\n");
    }
}

#[test]
fn any_other_answer_keeps_its_seat_to_its_end() {
    let gate = Gate::default();
    let origin = streaming("text/plain", &gate);
    let edge = one_seat(&origin, 1).start();
    let mut slow = ask(&edge, "/events");
    message::read_head(&mut slow).unwrap().unwrap();
    let mut second = ask(&edge, "/");
    wait_waiting(&edge, 1);
    gate.open();
    assert_eq!(slow.read_exact(8), b"3\r\none\r\n");
    assert_eq!(second.response().text(), "ok");
}

#[test]
fn an_event_stream_outlives_the_time_for_a_whole_exchange() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let origin = Origin::serve(move |_, conversation| {
        conversation.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for () in gone.lock().unwrap().iter() {
            conversation.send("3\r\none\r\n");
        }
    });
    let edge = one_seat(&origin, 1).start();
    let mut events = ask(&edge, "/events");
    message::read_head(&mut events).unwrap().unwrap();
    let opened = std::time::Instant::now();
    let (_never, silence) = std::sync::mpsc::channel::<()>();
    while opened.elapsed() < std::time::Duration::from_millis(1500) {
        let _ = silence.recv_timeout(std::time::Duration::from_millis(300));
        go.send(()).unwrap();
        assert_eq!(events.read_exact(8), b"3\r\none\r\n");
    }
}
