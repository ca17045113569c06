//! Backends that are gone, refuse, hang or come back: what is asked again, of whom, and what never is.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use schleuse_tests::{Origin, eventually};

use crate::one_service::{POST, amt, before, label, refusal};

/// A port on which nobody listens.
fn dead_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn nobody_at_the_port_is_a_502_and_another_endpoint_is_asked_whatever_the_method() {
    let edge = before(&[dead_port()], "queue: { wait_max: 300ms }");
    let answer = edge.connect().send(POST).response();
    assert_eq!(label(&answer), refusal(502, "connect_failed"));

    let origin = Origin::ok("alive");
    let edge = before(
        &[dead_port(), origin.address()],
        "retry: { floor_per_second: 1000 }",
    );
    for sent in 1..=20 {
        // Nothing was written, so even a POST goes to another endpoint.
        assert_eq!(edge.connect().send(POST).response().text(), "alive");
        assert_eq!(origin.request_count(), sent);
    }
}

/// A listener whose full backlog drops further SYNs, while it and what fills it live.
struct BlackHole {
    address: SocketAddr,
    _listener: socket2::Socket,
    _filling: Vec<TcpStream>,
}

fn black_hole() -> BlackHole {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        filling.push(connection);
    }
    BlackHole {
        address,
        _listener: listener,
        _filling: filling,
    }
}

#[test]
fn a_connect_that_nobody_answers_is_a_504() {
    let hole = black_hole();
    let timeouts =
        "timeouts: { connect: 200ms }\nretry: { floor_per_second: 1000 }\nqueue: { wait_max: 1s }";
    let edge = before(&[hole.address], timeouts);
    let answer = edge.connect().send(POST).response();
    assert_eq!(label(&answer), refusal(504, "connect_timeout"));

    let origin = Origin::ok("alive");
    let edge = before(&[hole.address, origin.address()], timeouts);
    for _ in 0..6 {
        assert_eq!(edge.connect().send(POST).response().text(), "alive");
    }
}

#[test]
fn an_exchange_whose_time_ends_while_it_connects_says_nothing_of_the_endpoint() {
    let hole = black_hole();
    let edge = amt(&[hole.address], "timeout: 1s", "timeouts: { connect: 1m }").start();
    let answer = edge.connect().send(POST).response();
    assert_eq!(label(&answer), refusal(504, "exchange_timeout"));
    let endpoint = &edge.resource("/api/v1/pools/amt")["endpoints"][0];
    assert_eq!(endpoint["failures"], 0);
}

#[test]
fn a_backend_that_hangs_is_a_504_and_a_post_is_not_sent_again() {
    let origin = Origin::hanging();
    let spare = Origin::ok("alive");
    let edge = before(&[origin.address()], "timeouts: { first_byte: 300ms }");
    let answer = edge.connect().send(POST).response();
    assert_eq!(label(&answer), refusal(504, "first_byte_timeout"));
    assert_eq!(origin.request_count(), 1);
    eventually("the hanging connection is closed", || {
        origin.open_count() == 0
    });

    // A GET may be asked of another endpoint.
    let edge = before(
        &[origin.address(), spare.address()],
        "timeouts: { first_byte: 300ms }\nretry: { floor_per_second: 1000 }",
    );
    for _ in 0..6 {
        assert_eq!(edge.get("amt.example", "/").text(), "alive");
    }
}

#[test]
fn p11_a_stale_connection_costs_a_get_nothing_and_a_post_is_never_sent_twice() {
    // Each connection answers once and breaks at the second request, after it was read.
    for reset in [false, true] {
        let origin = Origin::converse(move |conversation| {
            for turn in 0.. {
                let Some(head) = conversation.request_head() else {
                    return;
                };
                let _ = conversation.request_body(&head);
                conversation.note(head);
                if turn == 1 {
                    return if reset {
                        conversation.reset();
                    } else {
                        conversation.close();
                    };
                }
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let edge = before(&[origin.address()], "retry: { attempts_max: 1 }");
        let mut client = edge.connect();
        assert_eq!(client.get("amt.example", "/1").text(), "ok");
        // Read on the stale connection, answered on a fresh one.
        assert_eq!(client.get("amt.example", "/2").text(), "ok");
        assert_eq!(origin.request_count(), 3);
        let answer = client.send(POST).response();
        assert_eq!(label(&answer), refusal(502, "upstream_reset"));
        let posts = origin
            .requests()
            .iter()
            .filter(|request| request.method == "POST")
            .count();
        assert_eq!(posts, 1);
        assert_eq!(
            client.get("amt.example", "/3").text(),
            "ok",
            "the client's connection goes on"
        );
    }
}

#[test]
fn a_backend_that_closed_an_idle_connection_is_connected_to_anew() {
    let origin = Origin::serve(|_, conversation| {
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        conversation.close();
    });
    let edge = before(&[origin.address()], "");
    for _ in 0..20 {
        let answer = edge.connect().send(POST).response();
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        eventually("the idle connection is closed", || origin.open_count() == 0);
    }
    assert_eq!(origin.request_count(), 20);
}

#[test]
fn a_backend_that_is_killed_and_comes_back_is_used_again() {
    let origin = Origin::ok("before");
    let address = origin.address();
    let edge = before(
        &[address],
        "ejection: { base: 1ms, max: 1ms }\nslow_start: 0s\nqueue: { wait_max: 300ms }",
    );
    assert_eq!(edge.get("amt.example", "/").text(), "before");
    drop(origin);
    let answer = edge.get("amt.example", "/");
    assert_eq!(label(&answer), refusal(502, "connect_failed"));
    let origin = Origin::serve_on(address, |_, conversation| {
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter");
    });
    eventually("it is used again", || {
        let answer = edge.get("amt.example", "/");
        answer.status == 200 && answer.text() == "after"
    });
    drop(origin);
}

#[test]
fn retries_stay_within_their_budget() {
    for (options, per_request) in [
        ("retry: { budget: 0%, floor_per_second: 0 }", 1),
        ("retry: { attempts_max: 2, floor_per_second: 10000 }", 2),
        ("retry: { attempts_max: 3, floor_per_second: 10000 }", 3),
    ] {
        let broken = || Origin::serve(|_, conversation| conversation.close());
        let (one, other) = (broken(), broken());
        let endpoints = [one.address(), other.address()];
        let edge = before(
            &endpoints,
            &format!("{options}\nejection: {{ ejected_share_max: 0% }}"),
        );
        let mut client = edge.connect();
        for _ in 0..10 {
            let answer = client.get("amt.example", "/");
            assert_eq!(label(&answer), refusal(502, "upstream_reset"));
        }
        let attempts = one.request_count() + other.request_count();
        assert_eq!(attempts, 10 * per_request, "{options}");
    }
}

#[test]
fn an_endpoint_that_was_tried_is_asked_last() {
    let broken = Origin::serve(|_, conversation| conversation.close());
    let fine = Origin::ok("fine");
    let edge = before(
        &[broken.address(), fine.address()],
        "retry: { floor_per_second: 10000 }\nejection: { ejected_share_max: 0% }",
    );
    let mut client = edge.connect();
    for _ in 0..30 {
        assert_eq!(client.get("amt.example", "/").text(), "fine");
    }
    assert_eq!(fine.request_count(), 30, "one retry each is enough");
}

#[test]
fn p29_when_every_endpoint_fails_the_client_sees_the_backends_own_answer() {
    let failing =
        || Origin::fixed("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nbroken");
    let (one, other) = (failing(), failing());
    let edge = before(
        &[one.address(), other.address()],
        "ejection: { consecutive_failures: 2, ejected_share_max: 100%, base: 1h, max: 1h }",
    );
    let mut client = edge.connect();
    for _ in 0..50 {
        let answer = client.get("amt.example", "/");
        assert_eq!((answer.status, answer.text()), (500, "broken"));
    }
}

#[test]
fn p28_one_address_with_two_ports_is_two_endpoints() {
    let (one, other) = (Origin::ok("one"), Origin::ok("other"));
    let edge = before(&[one.address(), other.address()], "slow_start: 0s");
    eventually("both are asked", || {
        edge.get("amt.example", "/");
        one.request_count() > 0 && other.request_count() > 0
    });
}
