//! Those who start replicas, when something goes wrong: the proxy is killed, the program crashes, the receiver of orders
//! fails or never answers.

use std::{
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use nix::sys::signal::Signal;
use schleuse_tests::{Edge, Origin, RunningEdge, binary, eventually, origin};
use serde_json::Value;

const HOST: &str = "110000000000.wohngeld.example";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn processes(command: &str, scale: &str) -> RunningEdge {
    let options = format!("scale:\n  process: {{ command: [{command}] }}\n  {scale}");
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &options)
        .start()
}

fn pool(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/pools/wohngeld")
}

fn endpoints(edge: &RunningEdge) -> Vec<SocketAddr> {
    let pool = pool(edge);
    let endpoints = pool["endpoints"].as_array().unwrap().iter();
    endpoints
        .map(|endpoint| endpoint["address"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn no_replica_outlives_a_proxy_that_is_killed() {
    let binary = binary::path().display();
    let command = format!("\"{binary}\", demo-backend, --name, w, --port, \"{{port}}\"");
    let mut edge = processes(&command, "min: 3");
    eventually("three serve", || endpoints(&edge).len() == 3);
    let replicas = endpoints(&edge);
    edge.signal(Signal::SIGKILL);
    edge.wait_exit();
    for replica in replicas {
        eventually("nobody listens there", || {
            TcpStream::connect(replica).is_err()
        });
    }
}

#[test]
fn of_a_program_that_crashes_no_more_is_started_however_many_are_asked_for() {
    let edge = processes("\"false\"", "min: 1\n  max: 9\n  service_time: 10s");
    edge.log().wait_event("crash_loop");
    eventually("the failed starts are known", || {
        pool(&edge)["scale"]["failing_starts"].as_u64() >= Some(3)
    });
    let mut clients: Vec<_> = (0..30).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    }
    let mut held = Value::Null;
    eventually("more are wanted", || {
        held = pool(&edge)["scale"].clone();
        held["wanted"].as_u64() >= Some(9)
    });
    assert!(held["desired"].as_u64() <= Some(2), "{held}");
    let reasons = held["reasons"].as_array().unwrap();
    assert!(
        reasons.iter().any(|reason| reason["reason"] == "failing"),
        "{held}"
    );
}

/// A pool of one endpoint whose replicas somebody else starts, at the receiver's address.
fn told(receiver: &Origin, backend: &Origin, timeout: &str) -> RunningEdge {
    let options = format!(
        "scale: {{ webhook: {{ url: \"http://{}/\", secret: {{ file: k }}, timeout: {timeout} }}, min: 2 }}",
        receiver.address()
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[backend.address()], &options)
        .file("k", SECRET)
        .start()
}

#[test]
fn an_order_that_is_refused_is_repeated_under_its_key_until_it_is_taken() {
    let asked = AtomicUsize::new(0);
    let receiver = Origin::serve(move |_, conversation| {
        conversation.send(if asked.fetch_add(1, SeqCst) < 2 {
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            origin::ok("taken")
        });
    });
    let backend = Origin::ok("fine");
    let edge = told(&receiver, &backend, "5s");
    assert_eq!(
        edge.log().wait_event("webhook_taken")["failures_before"],
        "2"
    );
    let orders = receiver.requests();
    let keys: Vec<_> = orders
        .iter()
        .map(|order| order.field("idempotency-key"))
        .collect();
    assert!(
        keys.len() == 3 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    assert_eq!(edge.get(HOST, "/").status, 200);
}

#[test]
fn a_receiver_that_never_answers_delays_neither_traffic_nor_the_stop() {
    let (receiver, backend) = (Origin::hanging(), Origin::ok("fine"));
    let edge = told(&receiver, &backend, "1m");
    receiver.wait_requests(1);
    assert_eq!(edge.get(HOST, "/").status, 200);
    assert_eq!(edge.stop().code(), Some(0));
}

#[test]
fn an_order_that_hangs_delays_no_wake_of_another_pool() {
    let (receiver, backend) = (Origin::hanging(), Origin::ok("fine"));
    let told = format!(
        "scale: {{ webhook: {{ url: \"http://{}/\", secret: {{ file: k }}, timeout: 1m }}, min: 0 }}",
        receiver.address()
    );
    let binary = binary::path().display();
    let started = format!(
        "scale:\n  min: 0\n  process: {{ command: [\"{binary}\", demo-backend, --name, w, --port, \"{{port}}\"] }}"
    );
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[backend.address()], &told)
        .service("bafoeg", "")
        .pool("bafoeg", &[], &started)
        .file("k", SECRET)
        .start();
    let mut asks = edge.connect();
    asks.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    receiver.wait_requests(1);
    assert_eq!(edge.get("110000000000.bafoeg.example", "/").status, 200);
    // Whoever was told answers nothing; the endpoint does, and that is what counts.
    assert_eq!(asks.response().text(), "fine");
}

#[test]
fn a_program_that_never_listens_holds_up_its_own_pool_alone_and_no_stop() {
    let never = "scale:\n  min: 0\n  cold_start: 1s\n  process: { command: [sleep, \"3600\"], start_max: 500ms }";
    let backend = Origin::ok("fine");
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], never)
        .service("bafoeg", "")
        .pool("bafoeg", &[backend.address()], "")
        .start();
    let mut asks = edge.connect();
    asks.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(edge.get("110000000000.bafoeg.example", "/").text(), "fine");
    let refused = asks.response();
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some());
    assert_eq!(edge.stop().code(), Some(0));
}

#[test]
fn a_restart_leaves_a_sleeping_pool_asleep_whose_endpoints_stand_in_the_config() {
    let receiver = Origin::ok("taken");
    let options = format!(
        "scale: {{ webhook: {{ url: \"http://{}/\", secret: {{ file: k }} }}, min: 0 }}",
        receiver.address()
    );
    // A port that is free and that nobody is given: its replica sleeps.
    let nobody = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    nobody
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let nobody = nobody.local_addr().unwrap().as_socket().unwrap();
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[nobody], &options)
        .file("k", SECRET)
        .start();
    let desired = |number: usize| {
        receiver.wait_requests(number);
        let order: Value = serde_json::from_slice(&receiver.requests()[number - 1].body).unwrap();
        order["desired"].clone()
    };
    assert_eq!(desired(1), 0);
    let mut asks = edge.connect();
    asks.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(desired(2), 1);
}
