//! Endpoints that take no connection: who was sent to nobody waits again and is served, not answered with their failure.

use std::net::{SocketAddr, TcpListener};

use schleuse_tests::{Client, Gate, Origin, eventually};

use crate::{
    full_pool::{IN_FLIGHT, WAITING, ask, gated, occupy, wait_waiting},
    one_service::{amt, before, label, refusal},
};

/// A port on which nobody listens.
pub(crate) fn dead_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Answers with the target and the length of the body.
pub(crate) fn listening(address: SocketAddr) -> Origin {
    Origin::serve_on(address, |request, conversation| {
        let text = format!("{} {}", request.target, request.body.len());
        let length = text.len();
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}"
        ));
    })
}

#[test]
fn a_queue_outlives_the_restart_of_the_only_backend() {
    let address = dead_port();
    let edge = before(
        &[address],
        "concurrency: 5\nslow_start: 0s\nretry: { budget: 0%, floor_per_second: 0 }",
    );
    let mut waiting: Vec<Client> = (0..30)
        .map(|number| {
            let mut client = edge.connect();
            let body = "x".repeat(10_000);
            client.send(format!(
                "POST /{number} HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 10000\r\n\r\n{body}"
            ));
            client
        })
        .collect();
    wait_waiting(&edge, 30);
    let origin = listening(address);
    for (number, client) in waiting.iter_mut().enumerate() {
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.text()),
            (200, format!("/{number} 10000").as_str())
        );
    }
    assert_eq!(origin.request_count(), 30, "each was sent once");
    assert_eq!(
        (
            edge.count("schleuse_pool_wait_seconds_count{pool=\"amt\"}"),
            edge.count("schleuse_pool_wait_seconds_bucket{pool=\"amt\",le=\"0.001\"}"),
        ),
        (30, 0),
        "each is counted once, with all that it waited"
    );
    assert_eq!((edge.count(WAITING), edge.count(IN_FLIGHT)), (0, 0));
}

#[test]
fn with_another_endpoint_that_serves_nobody_is_told_of_the_one_that_does_not() {
    let gate = Gate::default();
    let busy = gated(&gate);
    let pool = "concurrency: 1\nslow_start: 0s\nqueue: { wait_max: 20s }";
    let mut edge = amt(&[busy.address()], "", pool).start();
    let mut clients = vec![occupy(&edge, &busy)];
    edge.reload(amt(&[busy.address(), dead_port()], "", pool));
    // The only free seat is one that takes no connection.
    clients.extend((0..10).map(|_| ask(&edge, "/")));
    wait_waiting(&edge, 10);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(busy.request_count(), 11);
}

#[test]
fn a_client_that_leaves_while_it_waits_again_frees_its_place() {
    let address = dead_port();
    let edge = before(&[address], "slow_start: 0s");
    let left = ask(&edge, "/left");
    let mut stays = ask(&edge, "/stays");
    wait_waiting(&edge, 2);
    drop(left);
    wait_waiting(&edge, 1);
    let origin = listening(address);
    assert_eq!(stays.response().text(), "/stays 0");
    assert_eq!(origin.request_count(), 1);
}

#[test]
fn who_waited_in_vain_is_told_that_nobody_took_the_connection() {
    let edge = before(&[dead_port()], "queue: { wait_max: 300ms }");
    let mut client = ask(&edge, "/");
    let answer = client.response();
    assert_eq!(label(&answer), refusal(502, "connect_failed"));
    let line = edge.log().wait_line("\"/\"");
    assert!(
        line["waited_ms"]
            .as_f64()
            .is_some_and(|waited| waited > 0.0)
    );
    eventually("nothing is held", || {
        edge.count(WAITING) + edge.count(IN_FLIGHT) == 0
    });
}
