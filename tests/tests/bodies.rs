//! How bodies are framed and asked for: trailers, the end of input, `Expect`, and bodies that are too large.

use schleuse_tests::{
    Client, Origin, eventually,
    message::{self, Framing, Source as _},
};

use crate::one_service::{amt, before, fair_chunk, label, refusal};

#[test]
fn trailers_pass_in_both_directions_without_those_that_could_be_believed() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
         X-Sum: 2\r\nSet-Cookie: a=b\r\nContent-Length: 7\r\nTransfer-Encoding: x\r\nCache-Control: public\r\n\r\n",
    );
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
         X-Sum: 1\r\nSchleuse-Tenant: 1\r\nSchleuse_Tenant: 1\r\nHost: b\r\nX-Forwarded-For: 1\r\nCookie: c\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(answer.text(), "abc");
    assert_eq!(answer.trailers, [("X-Sum".to_owned(), b"2".to_vec())]);
    let request = &origin.requests()[0];
    assert_eq!(request.body, b"abc");
    assert_eq!(request.trailers, [("X-Sum".to_owned(), b"1".to_vec())]);
}

#[test]
fn p02_the_end_of_input_in_any_state_of_a_body_ends_the_exchange() {
    for part in [
        "",
        "5",
        "5;x",
        "5\r",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello",
        "5\r\nhello\r",
        "5\r\nhello\r\n",
        "0\r\n",
        "0\r\nX: y\r\n",
    ] {
        let origin = Origin::ok("ok");
        let edge = before(&[origin.address()], "");
        let mut client = edge.connect();
        client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(fair_chunk());
        eventually("the backend got the fair part", || {
            origin.received(0).ends_with(b"fair\r\n")
        });
        client.send(part);
        client.half_close();
        client.read_to_end();
        eventually("the upstream is closed", || origin.open_count() == 0);
        assert!(
            !origin.received(0).ends_with(b"0\r\n\r\n"),
            "{part:?}: a last chunk that nobody sent"
        );
        assert_eq!(origin.request_count(), 0, "{part:?}");
        eventually("nothing is in flight", || {
            edge.metric("schleuse_requests_in_flight") < 1.0
        });
    }
}

#[test]
fn p08_a_100_comes_from_the_backend_and_the_body_after_it() {
    let origin = Origin::converse(|conversation| {
        while let Some(head) = conversation.request_head() {
            assert_eq!(head.field("Expect"), Some("100-continue"));
            assert!(conversation.buffer().is_empty(), "no body before the 100");
            conversation.send("HTTP/1.1 100 Continue\r\n\r\n");
            let body = conversation.request_body(&head).unwrap();
            assert_eq!(body, b"hello");
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
        ));
        assert_eq!(client.response().status, 100);
        let chunked = framing.ends_with("chunked");
        client.send(if chunked {
            "5\r\nhello\r\n0\r\n\r\n"
        } else {
            "hello"
        });
        let answer = client.response();
        assert_eq!((answer.text(), answer.field("Connection")), ("ok", None));
    }
}

#[test]
fn p08_a_backend_that_answers_no_100_is_the_one_that_hangs() {
    let origin = Origin::converse(|conversation| {
        conversation.request_head();
        conversation.wait_for_the_peer();
    });
    let edge = before(&[origin.address()], "timeouts: { first_byte: 300ms }");
    let mut client = edge.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(label(&answer), refusal(504, "first_byte_timeout"));
    assert_eq!(answer.field("Connection"), Some("close"));
}

#[test]
fn p08_a_client_that_does_not_wait_for_its_100_is_served_all_the_same() {
    let origin = Origin::ok("ok");
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(origin.requests()[0].body, b"hello");
}

#[test]
fn a_body_over_the_limit_is_a_413_that_the_client_can_read() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "body_max: 1KiB", "").start();
    let mut client = edge.connect();
    client.send("PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 1024\r\n\r\n");
    client.send([b'x'; 1024]);
    assert_eq!(client.response().text(), "ok");
    // The client is still sending when the refusal comes: closing at once would be a reset, which can destroy the
    // refusal before it is read (RFC 9112 §9.6). What it sends is taken for a while, up to 4 MiB.
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {}\r\n\r\n",
        10 << 20
    ));
    client.send(vec![b'x'; 3 << 20]);
    assert_refused(&mut client);
    let mut client = edge.connect();
    client.send("PUT / HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send([&b"300000\r\n"[..], &vec![b'x'; 3 << 20]].concat());
    assert_refused(&mut client);
    assert_eq!(origin.request_count(), 1);
}

fn assert_refused(client: &mut Client) {
    let answer = client.response();
    assert_eq!(label(&answer), refusal(413, "body_too_large"));
    assert!(client.read_to_end().is_empty());
}

#[test]
fn a_short_body_behind_a_refusal_costs_no_connection() {
    let origin = Origin::ok("ok");
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send("POST /../x HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 400);
    assert_eq!(client.get("amt.example", "/").text(), "ok");
}

#[test]
fn a_refusal_in_front_of_a_long_body_says_that_the_connection_ends() {
    let origin = Origin::ok("ok");
    let edge = before(&[origin.address()], "");
    for (length, connection) in [(65_536, None), (65_537, Some("close"))] {
        let mut client = edge.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: other.example\r\nContent-Length: {length}\r\n\r\nabc"
        ));
        let answer = client.response();
        assert_eq!(label(&answer), refusal(404, "unknown_host"));
        assert_eq!(answer.field("Connection"), connection, "{length}");
    }
}

#[test]
fn an_empty_chunked_body_is_a_chunked_body() {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    let answer = client.response();
    let framing = message::framing(&answer.fields).unwrap();
    assert_eq!((answer.status, framing), (200, Some(Framing::Chunked)));
    assert_eq!(
        message::framing(&origin.requests()[0].fields).unwrap(),
        Some(Framing::Chunked)
    );
}
