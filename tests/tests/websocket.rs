//! Tunnels after `101`: both ways at once, in either order of the two events that open them, until either side ends.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use schleuse_tests::{
    Client, Conversation, Edge, Origin, RunningEdge, eventually, message::Source as _,
};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: amt.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn before(origin: &Origin) -> RunningEdge {
    Edge::new()
        .service("amt", "responsible: bund\ntimeout: 1s")
        .top("client: { body_idle_max: 100ms, idle_max: 100ms }")
        .pool(
            "amt",
            &[origin.address()],
            "timeouts: { first_byte: 10s, idle: 100ms }",
        )
        .start()
}

/// Opens a tunnel.
fn upgraded(edge: &RunningEdge) -> Client {
    let mut client = edge.connect();
    let answer = client.send(UPGRADE).response();
    assert_eq!(answer.status, 101);
    client
}

#[test]
fn p12_the_handshake_passes_whole_in_both_directions() {
    let origin = Origin::serve(|_, conversation| {
        conversation.send(SWITCHING);
        conversation.echo_bytes();
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    let answer = client.send(UPGRADE).response();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("Upgrade"), Some("websocket"));
    assert_eq!(answer.field("Connection"), Some("upgrade"));
    assert_eq!(
        answer.field("Sec-WebSocket-Accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let request = &origin.requests()[0];
    assert_eq!(request.field("Upgrade"), Some("websocket"));
    assert_eq!(request.field("Connection"), Some("upgrade"));
    assert_eq!(
        request.field("Sec-WebSocket-Key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
}

#[test]
fn bytes_go_both_ways_at_once() {
    let origin = Origin::websocket_echo();
    let edge = before(&origin);
    let mut client = upgraded(&edge);
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    for _ in 0..8 {
        client.send(&block);
        assert!(client.read_exact(block.len()) == block);
    }
}

#[test]
fn a_tunnel_outlives_every_deadline_of_a_request() {
    let origin = Origin::websocket_echo();
    let edge = before(&origin);
    let mut client = upgraded(&edge);
    // Silent for longer than the idle limits, and open for longer than an exchange may take.
    let (_never, silence) = mpsc::channel::<()>();
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_millis(1500) {
        let _ = silence.recv_timeout(Duration::from_millis(300));
        client.send("ping");
        assert_eq!(client.read_exact(4), b"ping");
    }
}

#[test]
fn p13_what_the_client_sends_behind_its_head_waits_for_the_101() {
    // The client's bytes are at the proxy before the backend has answered.
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::serve(move |_, conversation| {
        gone.lock().unwrap().recv().unwrap();
        conversation.send(SWITCHING);
        conversation.echo_bytes();
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(format!("{UPGRADE}early"));
    origin.wait_requests(1);
    assert!(
        !origin.received(0).ends_with(b"early"),
        "nothing before the 101"
    );
    go.send(()).unwrap();
    assert_eq!(client.response().status, 101);
    assert_eq!(client.read_exact(5), b"early");
}

#[test]
fn p13_what_the_backend_sends_behind_its_101_arrives() {
    let origin = Origin::serve(|_, conversation| {
        conversation.send(format!("{SWITCHING}hello"));
        conversation.echo_bytes();
    });
    let edge = before(&origin);
    let mut client = upgraded(&edge);
    assert_eq!(client.read_exact(5), b"hello");
    client.send("again");
    assert_eq!(client.read_exact(5), b"again");
}

#[test]
fn p13_without_a_101_the_bytes_behind_the_head_are_the_next_request() {
    let origin = Origin::serve(|request, conversation| {
        let (status, body) = match request.field("Upgrade") {
            Some(_) => ("426 Upgrade Required", "not here"),
            None => ("200 OK", "next"),
        };
        let length = body.len();
        conversation.send(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(format!(
        "{UPGRADE}GET /next HTTP/1.1\r\nHost: amt.example\r\n\r\n"
    ));
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (426, "not here"));
    assert_eq!(client.response().text(), "next");
}

#[test]
fn a_101_that_switches_to_something_else_is_a_502() {
    let origin = Origin::fixed(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    let edge = before(&origin);
    let answer = edge.connect().send(UPGRADE).response();
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (502, &"upstream_invalid".into())
    );
    assert_eq!(origin.request_count(), 1, "a WebSocket is asked for once");
}

#[test]
fn when_the_backend_ends_its_last_bytes_arrive_and_the_client_is_told() {
    for reset in [false, true] {
        let origin = Origin::serve(move |_, conversation| {
            conversation.send(SWITCHING);
            conversation.send(vec![b'x'; 1 << 20]);
            if reset {
                // What was sent before a reset may be lost, but the tunnel ends.
                conversation.reset();
            } else {
                conversation.close();
            }
        });
        let edge = before(&origin);
        let mut client = upgraded(&edge);
        let got = client.read_to_end();
        assert!(reset || got.len() == 1 << 20, "{} bytes", got.len());
        eventually("the tunnel's line is in the log", || {
            edge.log().values().iter().any(|line| line["status"] == 101)
        });
    }
}

#[test]
fn when_the_client_ends_its_last_bytes_arrive_and_the_backend_is_told() {
    let (tell, told) = mpsc::channel();
    let origin = Origin::serve(move |_, conversation: &mut Conversation| {
        conversation.send(SWITCHING);
        while matches!(conversation.fill(), Ok(1..)) {}
        tell.send(std::mem::take(conversation.buffer())).unwrap();
    });
    let edge = before(&origin);
    let mut client = upgraded(&edge);
    client.send(vec![b'x'; 1 << 20]);
    client.half_close();
    assert_eq!(told.recv().unwrap().len(), 1 << 20);
    assert!(client.read_to_end().is_empty());
}

#[test]
fn a_client_that_resets_ends_the_tunnel_at_the_backend() {
    let origin = Origin::websocket_echo();
    let edge = before(&origin);
    let mut client = upgraded(&edge);
    client.send("ping");
    assert_eq!(client.read_exact(4), b"ping");
    client.reset();
    eventually("the backend's side is closed", || origin.open_count() == 0);
}

#[test]
fn a_slow_reader_of_a_tunnel_stops_the_other_side_and_loses_nothing() {
    const BYTES: usize = 32 << 20;
    let origin = Origin::serve(|_, conversation| {
        conversation.send(SWITCHING);
        let block = vec![b'x'; 1 << 20];
        for _ in 0..BYTES >> 20 {
            conversation.send(&block);
        }
        conversation.close();
    });
    let edge = before(&origin);
    let base = edge.resident_kib();
    let mut client = upgraded(&edge);
    let reader = thread::spawn(move || client.read_to_end().len());
    assert_eq!(reader.join().unwrap(), BYTES);
    assert!(edge.resident_kib() < base + 8 * 1024);
}
