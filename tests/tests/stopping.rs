//! Stopping: readiness goes first, what is in flight ends, and nothing waits for what does not.

use nix::sys::signal::Signal;
use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, eventually, origin::ok};

const HOST: &str = "110000000000.wohngeld.example";
const GET: &str = "GET / HTTP/1.1\r\nHost: 110000000000.wohngeld.example\r\n\r\n";

/// A backend that answers when the gate is open.
fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |_, conversation| {
        gate.pass();
        conversation.send(ok("late"));
    })
}

fn start(origin: &Origin, drain_max: &str) -> RunningEdge {
    let drain_max = format!("drain_max: {drain_max}");
    Edge::new().top(&drain_max).origin(origin.address()).start()
}

/// Stops while one request waits for its backend; the client that does.
fn stop_with_one_in_flight(edge: &RunningEdge, origin: &Origin) -> Client {
    let mut client = edge.connect();
    client.send(GET);
    origin.wait_requests(1);
    edge.signal(Signal::SIGTERM);
    edge.log().wait_event("stopping");
    client
}

#[test]
fn p40_an_idle_process_ends_at_once_and_closes_idle_connections() {
    let origin = Origin::ok("fine");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        // Far longer than the test waits.
        let mut edge = start(&origin, "10m");
        let (mut used, mut fresh) = (edge.connect(), edge.connect());
        assert_eq!(used.get(HOST, "/").status, 200);
        edge.signal(signal);
        assert_eq!(edge.wait_exit().code(), Some(0), "{signal}");
        assert!(used.read_to_end().is_empty());
        assert!(fresh.read_to_end().is_empty());
    }
}

#[test]
fn a_request_in_flight_ends_with_connection_close_and_then_the_process_does() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let mut edge = start(&origin, "10m");
    let mut client = stop_with_one_in_flight(&edge, &origin);

    let ready = edge.admin().get("admin", "/readyz");
    assert_eq!((ready.status, ready.text()), (503, "stopping\n"));
    assert_eq!(edge.admin().get("admin", "/livez").status, 200);
    eventually("new connections are refused", || {
        Client::try_connect(edge.http()).is_err()
    });

    gate.open();
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, "late"));
    assert_eq!(answer.field("Connection"), Some("close"));
    assert!(client.read_to_end().is_empty());
    assert_eq!(edge.wait_exit().code(), Some(0));
    edge.log().wait_event("stopped");
    assert_eq!(edge.log().wait_line("\"reference\"")["status"], 200);
}

#[test]
fn a_request_whose_head_is_half_there_is_still_answered() {
    let origin = Origin::ok("fine");
    let mut edge = start(&origin, "10m");
    let mut client = edge.connect();
    client.send(&GET[..20]);
    edge.wait_metric("schleuse_requests_in_flight", 1.0);
    edge.signal(Signal::SIGTERM);
    edge.log().wait_event("stopping");
    client.send(&GET[20..]);
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("Connection")),
        (200, Some("close"))
    );
    assert_eq!(edge.wait_exit().code(), Some(0));
}

#[test]
fn who_connected_before_the_signal_is_served_though_nobody_had_accepted_yet() {
    let origin = Origin::ok("fine");
    let mut edge = start(&origin, "10m");
    edge.signal(Signal::SIGSTOP);
    let mut clients: Vec<_> = (0..20).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    edge.signal(Signal::SIGTERM);
    edge.signal(Signal::SIGCONT);
    for client in &mut clients {
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.field("Connection")),
            (200, Some("close"))
        );
    }
    assert_eq!(edge.wait_exit().code(), Some(0));
}

#[test]
fn a_tunnel_goes_on_until_its_client_ends_it() {
    let origin = Origin::websocket_echo();
    let mut edge = start(&origin, "10m");
    let mut tunnel = edge.connect();
    tunnel.send(format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(tunnel.response().status, 101);
    edge.signal(Signal::SIGTERM);
    edge.log().wait_event("listener_closed");
    tunnel.send("still here");
    assert_eq!(tunnel.read_exact(10), b"still here");
    drop(tunnel);
    assert_eq!(edge.wait_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_whatever_is_in_flight() {
    let origin = Origin::hanging();
    let mut edge = start(&origin, "10m");
    let mut client = stop_with_one_in_flight(&edge, &origin);
    edge.signal(Signal::SIGTERM);
    edge.log().wait_event("stopping_at_once");
    assert_eq!(edge.wait_exit().code(), Some(0));
    assert!(client.read_to_end().is_empty());
}

#[test]
fn drain_max_bounds_how_long_a_request_may_take() {
    let origin = Origin::hanging();
    let mut edge = start(&origin, "1s");
    let mut client = stop_with_one_in_flight(&edge, &origin);
    let passed = edge.log().wait_event("drain_max_passed");
    assert_eq!(passed["requests"], "1");
    assert_eq!(edge.wait_exit().code(), Some(0));
    assert!(client.read_to_end().is_empty());
}

#[test]
fn four_workers_stop_under_load_and_every_answer_that_a_backend_gave_arrives() {
    let origin = Origin::serve(|_, conversation| conversation.send(ok("fine"))).forgetful();
    for _ in 0..5 {
        let before = origin.request_count();
        let mut edge = Edge::new()
            .top("drain_max: 10m")
            .environment("SCHLEUSE_WORKERS", "4")
            .origin(origin.address())
            .start();
        let address = edge.http();
        let clients: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(move || ask_until_the_end(address)))
            .collect();
        eventually("the load is on", || origin.request_count() >= before + 400);
        edge.signal(Signal::SIGTERM);
        let status = edge.wait_exit();
        let answered: usize = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();

        assert_eq!(status.code(), Some(0), "{}", edge.errors().text());
        assert_eq!(edge.errors().text(), "");
        assert!(edge.log().events("panic").is_empty());
        // An answer that a backend gave and no client got would be a request that was cut off.
        assert_eq!(answered, origin.request_count() - before);
        let logged = edge.log().values();
        let logged = logged.iter().filter(|line| line["status"] == 200).count();
        assert_eq!(logged, answered, "each has its line in the log");
    }
}

/// Asks one thing after another until the connection ends, which must be between two answers; how many came.
fn ask_until_the_end(address: std::net::SocketAddr) -> usize {
    let mut client = Client::connect(address);
    let mut answered = 0;
    while client.try_send(GET).is_ok() {
        match client.try_response_to("GET") {
            Ok(Some(answer)) => {
                assert_eq!(answer.status, 200);
                answered += 1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => panic!("{error}"),
            Ok(None) | Err(_) => break,
        }
    }
    answered
}
