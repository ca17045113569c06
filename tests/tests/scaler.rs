//! The scaler of the real binary: its port is there from the start, and it is no reason to wait at the end.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use schleuse_tests::{Client, Edge, Origin, RunningEdge};

/// RFC 9113 §3.4: the preface and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn scaler_of(edge: &RunningEdge) -> SocketAddr {
    let events = edge.log().events("listening");
    let event = events
        .iter()
        .find(|event| event["listener"] == "scaler")
        .unwrap();
    event["address"].as_str().unwrap().parse().unwrap()
}

/// Connects and waits for the first frame, which is SETTINGS.
fn speak(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(OPENING);
    let head = client.read_exact(9);
    assert_eq!(head[3], 4, "{head:?}");
    client
}

#[test]
fn p37_the_port_speaks_http2_when_the_process_says_that_it_is_ready() {
    let edge = Edge::new()
        .top("scaler: { address: \"127.0.0.1:0\" }")
        .origin(Origin::ok("fine").address())
        .start();
    speak(scaler_of(&edge));
}

#[test]
fn a_connection_of_keda_does_not_delay_a_stop() {
    let mut edge = Edge::new()
        .top("drain_max: 10m\nscaler: { address: \"127.0.0.1:0\" }")
        .origin(Origin::ok("fine").address())
        .start();
    let mut keda = speak(scaler_of(&edge));
    edge.signal(Signal::SIGTERM);
    assert_eq!(edge.wait_exit().code(), Some(0));
    assert!(!keda.read_to_end().is_empty(), "a GOAWAY");
}

#[test]
fn a_port_in_use_is_said_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = Edge::new()
        .top(&format!("scaler: {{ address: \"{address}\" }}"))
        .origin(Origin::ok("fine").address());
    let directory = config.write();
    let mut edge = RunningEdge::spawn(config, directory.path());
    assert_eq!(edge.wait_exit().code(), Some(1));
    let said = edge.errors().text();
    assert!(
        said.contains(&format!("cannot listen on {address} (scaler)")),
        "{said}"
    );
}
