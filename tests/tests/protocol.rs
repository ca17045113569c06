//! HTTP/1.1 between client and backend where a vector's one line does not say it: sizes, splits, order, what becomes of
//! an answer, trusted hops, header rules.

use schleuse_tests::{Edge, Origin, Request, RunningEdge, message::values};

use crate::one_service::{self, label, refusal};

fn before(origin: &Origin) -> RunningEdge {
    one_service::before(&[origin.address()], "")
}

fn edge(origin: &Origin, options: &str) -> Edge {
    one_service::amt(&[origin.address()], options, "")
}

/// Answers with the target.
fn named() -> Origin {
    Origin::serve(|Request { target, .. }, conversation| {
        let length = target.len();
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}"
        ));
    })
}

#[test]
fn a_head_of_too_many_fields_or_bytes_is_refused_and_one_at_the_limit_is_served() {
    let origin = named();
    let edge = before(&origin);
    let fields = |count: usize| "X: y\r\n".repeat(count - 1); // Host is one
    let padding = |bytes: usize| {
        let around = "GET / HTTP/1.1\r\nHost: amt.example\r\nX: \r\n\r\n".len();
        format!("X: {}\r\n", "a".repeat(bytes - around))
    };
    for (name, fields, expected) in [
        ("100 fields", fields(100), None),
        ("101 fields", fields(101), Some((431, "too_many_fields"))),
        ("32 KiB", padding(32 * 1024), None),
        (
            "a byte more",
            padding(32 * 1024 + 1),
            Some((431, "head_too_large")),
        ),
    ] {
        let answer = edge.connect().get_with("amt.example", "/", &fields);
        match expected {
            None => assert_eq!(answer.status, 200, "{name}"),
            Some((status, reason)) => {
                assert_eq!(label(&answer), refusal(status, reason), "{name}");
            }
        }
    }
    assert_eq!(origin.request_count(), 2);
}

#[test]
fn a_target_longer_than_a_head_is_refused_before_it_ends() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    let _ = client.try_send(format!("GET /{}", "a".repeat(40 * 1024)));
    assert_eq!(label(&client.response()), refusal(414, "target_too_long"));
    assert!(client.read_to_end().is_empty());
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn limits_of_heads_are_the_configs() {
    let origin = named();
    let edge = edge(&origin, "")
        .top("client: { head_bytes_max: 1KiB, head_fields_max: 10 }")
        .start();
    let answer = edge
        .connect()
        .get_with("amt.example", "/", &"X: y\r\n".repeat(10));
    assert_eq!(label(&answer).0, 431);
    let long = format!("X: {}\r\n", "a".repeat(1024));
    let answer = edge.connect().get_with("amt.example", "/", &long);
    assert_eq!(label(&answer).0, 431);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_the_same_request() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    let request = "POST /a?b HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;x\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    for byte in request.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "/a?b");
    let request = &origin.requests()[0];
    assert_eq!(request.body, b"hello");
    assert_eq!(request.trailers, [("X-Sum".to_owned(), b"1".to_vec())]);
}

#[test]
fn fifty_requests_in_one_write_are_answered_in_order() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    let requests: Vec<_> = (0..50)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nHost: amt.example\r\n\r\n"))
        .collect();
    client.send(requests.concat());
    for number in 0..50 {
        assert_eq!(client.response().text(), format!("/{number}"));
    }
    assert!(client.is_quiet());
}

#[test]
fn a_refusal_between_two_requests_keeps_its_place() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: amt.example\r\n\r\nGET /a/../b HTTP/1.1\r\nHost: amt.example\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: amt.example\r\n\r\n",
    );
    assert_eq!(client.response().text(), "/1");
    assert_eq!(client.response().status, 400);
    assert_eq!(client.response().text(), "/3");
}

#[test]
fn nothing_behind_a_close_is_served() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: amt.example\r\nConnection: close\r\n\r\n\
         GET /2 HTTP/1.1\r\nHost: amt.example\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(
        (answer.text(), answer.field("Connection")),
        ("/1", Some("close"))
    );
    assert!(client.read_to_end().is_empty());
    assert_eq!(origin.request_count(), 1);
}

#[test]
fn an_http_1_0_client_never_gets_chunks() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send("GET / HTTP/1.0\r\nHost: amt.example\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response();
    assert_eq!(answer.field("Transfer-Encoding"), None);
    assert_eq!(answer.field("Content-Length"), None);
    // The end of the body is the end of the connection, so it cannot be kept.
    assert_eq!(
        (answer.field("Connection"), answer.text()),
        (Some("close"), "abc")
    );
}

#[test]
fn an_http_1_0_client_keeps_its_connection_where_a_length_allows_it() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    for target in ["/1", "/2"] {
        client.send(format!(
            "GET {target} HTTP/1.0\r\nHost: amt.example\r\nConnection: keep-alive\r\n\r\n"
        ));
        let answer = client.response();
        assert_eq!(
            (answer.text(), answer.field("Connection")),
            (target, Some("keep-alive"))
        );
    }
    client.send("GET /3 HTTP/1.0\r\nHost: amt.example\r\n\r\n");
    assert_eq!(client.response().text(), "/3");
    assert!(client.read_to_end().is_empty());
}

#[test]
fn the_answer_to_head_says_a_length_and_has_no_body() {
    let origin = Origin::serve(|request, conversation| {
        let body = if request.method == "HEAD" { "" } else { "abc" };
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"1\"\r\n\r\n{body}"
        ));
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(
        "HEAD / HTTP/1.1\r\nHost: amt.example\r\n\r\nGET / HTTP/1.1\r\nHost: amt.example\r\n\r\n",
    );
    let answer = client.response_to("HEAD");
    assert_eq!(
        (answer.field("Content-Length"), answer.field("ETag")),
        (Some("3"), Some("\"1\""))
    );
    assert_eq!(client.response().text(), "abc");
}

#[test]
fn the_answer_to_a_refused_head_request_has_no_body_either() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send("HEAD /../x HTTP/1.1\r\nHost: amt.example\r\n\r\nGET /next HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status, 400);
    assert_eq!(client.response().text(), "/next");
}

#[test]
fn answers_that_have_no_body_get_no_framing_that_says_otherwise() {
    let origin = Origin::serve(|request, conversation| {
        conversation.send(match request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"1\"\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        });
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    // RFC 9110 §8.6: no Content-Length in a 204; in a 304 it is the length that a 200 would have.
    let answer = client.get("amt.example", "/204");
    assert_eq!((answer.status, answer.field("Content-Length")), (204, None));
    let answer = client.get("amt.example", "/304");
    assert_eq!(
        (answer.status, answer.field("Content-Length")),
        (304, Some("10"))
    );
    assert_eq!(client.get("amt.example", "/200").text(), "ok");
}

#[test]
fn hop_by_hop_fields_of_an_answer_end_here() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nConnection: x-one, keep-alive\r\nX-One: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Two: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let edge = before(&origin);
    let answer = edge.get("amt.example", "/");
    for name in [
        "Connection",
        "X-One",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Upgrade",
    ] {
        assert!(values(&answer.fields, name).is_empty(), "{name}");
    }
    assert_eq!(answer.field("X-Two"), Some("2"));
    assert_eq!(values(&answer.fields, "Set-Cookie"), [b"a=1", b"b=2"]);
}

#[test]
fn p06_a_trusted_proxys_chain_is_read_from_right_to_left() {
    let origin = named();
    let edge = edge(
        &origin,
        "request: { headers: { set: { X-Client: \"{client.ip}\" } } }",
    )
    .top("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]")
    .start();
    let mut client = edge.connect();
    let chain = |chain: &str| format!("X-Forwarded-For: {chain}\r\nX-Forwarded-Proto: https\r\n");
    for (sent, believed) in [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7:4711", "198.51.100.7"),
        ("6.6.6.6, [2001:db8::7]:4711", "2001:db8::7"),
        ("6.6.6.6, ::ffff:198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, unknown", "127.0.0.1"),
        ("10.1.1.1", "10.1.1.1"),
    ] {
        client.get_with("amt.example", "/", &chain(sent));
        let requests = origin.requests();
        let request = requests.last().unwrap();
        assert_eq!(request.field("X-Client"), Some(believed), "{sent}");
        let whole = format!("{sent}, 127.0.0.1");
        assert_eq!(request.field("X-Forwarded-For"), Some(whole.as_str()));
        assert_eq!(request.field("X-Forwarded-Proto"), Some("https"));
    }
}

#[test]
fn a_trusted_proxys_request_id_is_kept_and_a_clients_is_not() {
    let origin = named();
    let trusting = edge(&origin, "")
        .top("trusted_proxies: [127.0.0.1/32]")
        .start();
    let plain = before(&origin);
    let field = "X-Request-Id: abcdef0123456789\r\n";
    trusting.connect().get_with("amt.example", "/", field);
    plain.connect().get_with("amt.example", "/", field);
    let requests = origin.requests();
    assert_eq!(requests[0].field("X-Request-Id"), Some("abcdef0123456789"));
    assert_ne!(requests[1].field("X-Request-Id"), Some("abcdef0123456789"));
}

#[test]
fn a_trace_is_passed_on_and_one_that_is_malformed_started_anew() {
    let origin = named();
    let edge = before(&origin);
    let mut client = edge.connect();
    let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    client.get_with(
        "amt.example",
        "/",
        &format!("traceparent: {sent}\r\ntracestate: a=b\r\n"),
    );
    client.get_with(
        "amt.example",
        "/",
        "traceparent: 00-0-0-01\r\ntracestate: a=b\r\n",
    );
    client.get("amt.example", "/");
    let requests = origin.requests();
    assert_eq!(requests[0].field("traceparent"), Some(sent));
    assert_eq!(requests[0].field("tracestate"), Some("a=b"));
    for request in &requests[1..] {
        // W3C Trace Context §3.2: version, trace id, parent id, flags.
        let started = request.field("traceparent").unwrap();
        let lengths: Vec<_> = started.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2], "{started}");
        assert_eq!(request.field("tracestate"), None);
    }
}

#[test]
fn header_rules_win_over_the_client_and_p05_cannot_be_nominated_away() {
    let origin = named();
    let edge = edge(
        &origin,
        "request: { headers: { set: { X-Dienst: \"{service}\" }, remove: [X-Debug] } }",
    )
    .start();
    let fields =
        "X-Dienst: mine\r\nx-dienst: again\r\nX-Debug: 1\r\nX-Other: 2\r\nConnection: X-Dienst\r\n";
    edge.connect().get_with("amt.example", "/", fields);
    let request = &origin.requests()[0];
    assert_eq!(request.field("X-Dienst"), Some("amt"));
    assert_eq!(request.field("X-Debug"), None);
    assert_eq!(request.field("X-Other"), Some("2"));
}

#[test]
fn p08_an_answer_by_exception_ends_the_connection_and_says_so() {
    // RFC 9110 §10.1.1: a final answer instead of 100 says whether the connection goes on; the client may or may not
    // send its body now, so it cannot.
    let origin = Origin::converse(|conversation| {
        if conversation.request_head().is_some() {
            conversation.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
        }
    });
    let edge = before(&origin);
    let mut client = edge.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (401, "no"));
    assert_eq!(answer.field("Connection"), Some("close"));
    assert!(client.read_to_end().is_empty());
}
