//! Backends that lie, stop or talk too much: what the client gets, and that the next client gets its own answer from a
//! clean connection.

use std::sync::{Mutex, mpsc};

use schleuse_tests::{Client, Edge, Origin, eventually};

use crate::one_service::{POST, PREFETCH_BYTES, amt, before, label, refusal};

/// Sends `answer` to whatever asks for `/bad`, and the number of the connection to all others.
fn lying(answer: &'static str) -> Origin {
    Origin::serve(move |request, conversation| {
        if request.target == "/bad" {
            conversation.send(answer);
        } else {
            let number = conversation.number().to_string();
            let length = number.len();
            conversation.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{number}"
            ));
        }
    })
}

/// Like [`lying`], and ends the connection behind the answer.
fn stopping(answer: &'static str, reset: bool) -> Origin {
    Origin::serve(move |request, conversation| {
        if request.target != "/bad" {
            return conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        conversation.send(answer);
        if reset {
            conversation.reset();
        } else {
            conversation.close();
        }
    })
}

#[test]
fn an_answer_that_is_no_clean_http_is_a_502_and_leaves_nothing_behind() {
    let lies = [
        ("garbage", "\x16\x03\x01 what is this\r\n\r\n"),
        ("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
        (
            "a status above 599",
            "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "CL and TE",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        ),
        (
            "a list of lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        ),
        (
            "a negative length",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        ),
        (
            "gzip as coding",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunked twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a coding on HTTP/1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a folded field",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        ),
        ("LF for CRLF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        (
            "CR in a value",
            "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "NUL in a value",
            "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "a space before a colon",
            "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        ),
        (
            "P07: a 101 that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
    ];
    for (name, lie) in lies {
        let origin = lying(lie);
        let edge = before(&[origin.address()], "");
        let answer = edge.connect().send(POST).response();
        assert_eq!(label(&answer), refusal(502, "upstream_invalid"), "{name}");
        // The connection that lied was number 0; a POST that was sent is sent once.
        assert_eq!(edge.get("amt.example", "/").text(), "1", "{name}");
        assert_eq!(origin.request_count(), 2, "{name}");
        eventually("the connection that lied is closed", || {
            origin.open_count() == 1
        });
    }
}

#[test]
fn p10_interim_answers_pass_and_a_flood_of_them_is_a_502() {
    let origin = Origin::serve(|request, conversation| {
        let count = if request.target == "/flood" { 1000 } else { 3 };
        conversation.send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 5\r\n\r\n".repeat(count),
        );
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal");
    });
    let edge = before(&[origin.address()], "retry: { attempts_max: 1 }");
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    for _ in 0..3 {
        let interim = client.response();
        assert_eq!(
            (interim.status, interim.field("Link")),
            (103, Some("</a.css>"))
        );
        // RFC 9110 §15.2: no 1xx has a body, whatever it says.
        assert_eq!(interim.field("Content-Length"), None);
    }
    assert_eq!(client.response().text(), "final");

    client.send("GET /flood HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    let last = loop {
        let answer = client.response();
        if answer.status != 103 {
            break answer;
        }
    };
    assert_eq!(label(&last), refusal(502, "upstream_invalid"));
    assert_eq!(client.get("amt.example", "/").status, 103);
}

#[test]
fn p10_an_http_1_0_client_gets_no_interim_answer() {
    let origin = Origin::fixed(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send("GET / HTTP/1.0\r\nHost: amt.example\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, "ok"));
}

#[test]
fn p10_bytes_behind_an_answer_never_become_another_clients_answer() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (name, answer, method, body) in [
        (
            "a second answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "GET",
            "ok",
        ),
        (
            "behind the last chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "GET",
            "ok",
        ),
        ("behind a 204", "HTTP/1.1 204 No Content\r\n\r\n", "GET", ""),
        (
            "behind a 304",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 41\r\n\r\n",
            "GET",
            "",
        ),
        (
            "behind the answer to HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n",
            "HEAD",
            "",
        ),
        (
            "a body longer than announced",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "GET",
            "",
        ),
    ] {
        let origin = lying(String::leak(format!("{answer}{evil}")));
        let edge = before(&[origin.address()], "");
        let mut client = edge.connect();
        client.send(format!(
            "{method} /bad HTTP/1.1\r\nHost: amt.example\r\n\r\n"
        ));
        let got = client.response_to(method);
        assert_eq!(got.text(), body, "{name}");
        assert_eq!(client.get("amt.example", "/").text(), "1", "{name}");
        assert_eq!(edge.get("amt.example", "/").text(), "1", "{name}");
    }
}

#[test]
fn p10_an_answer_that_comes_while_its_connection_is_idle_is_nobodys() {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::serve(move |request, conversation| {
        let number = conversation.number();
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"
        ));
        if request.target == "/first" {
            gone.lock().unwrap().recv().unwrap();
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            tell.send(()).unwrap();
        }
    });
    let edge = before(&[origin.address()], "");
    assert_eq!(edge.get("amt.example", "/first").text(), "0");
    go.send(()).unwrap();
    told.recv().unwrap();
    assert_eq!(edge.get("amt.example", "/second").text(), "1");
}

#[test]
fn an_answer_that_breaks_off_ends_the_clients_connection_and_is_never_padded() {
    for (name, answer) in [
        (
            "shorter than announced",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        ),
        (
            "no last chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
        (
            "half a chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        ),
        (
            "half a chunk size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n8",
        ),
        (
            "half a trailer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y",
        ),
    ] {
        for reset in [false, true] {
            let origin = stopping(answer, reset);
            let edge = before(&[origin.address()], "");
            let mut client = edge.connect();
            client.send("GET /bad HTTP/1.1\r\nHost: amt.example\r\n\r\n");
            assert_incomplete(&mut client, name);
            assert_eq!(edge.get("amt.example", "/").text(), "ok", "{name}");
            // Once begun, an answer is not asked for again.
            assert_eq!(origin.request_count(), 2, "{name}");
            edge.wait_metric("schleuse_answers_aborted_total", 1.0);
        }
    }
}

fn assert_incomplete(client: &mut Client, name: &str) {
    let got = client.try_response_to("GET");
    assert!(!matches!(got, Ok(Some(_))), "{name}: looks whole: {got:?}");
}

#[test]
fn chunks_that_turn_to_garbage_end_the_clients_connection() {
    for garbage in [
        "zz\r\n",
        "4\nhalf",
        "-1\r\n",
        "4\r\nhalfX",
        "10000000000000000\r\n",
    ] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfair\r\n";
        let origin = lying(String::leak(format!("{head}{garbage}")));
        let edge = before(&[origin.address()], "");
        let mut client = edge.connect();
        client.send("GET /bad HTTP/1.1\r\nHost: amt.example\r\n\r\n");
        assert_incomplete(&mut client, garbage);
        assert_eq!(edge.get("amt.example", "/").text(), "1", "{garbage}");
    }
}

#[test]
fn an_answer_without_length_ends_with_its_connection_and_only_in_order() {
    let answer = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end";
    let origin = stopping(answer, false);
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    let whole = client.get("amt.example", "/bad");
    assert_eq!(whole.text(), "until the end");
    assert_eq!(whole.field("Transfer-Encoding"), Some("chunked"));
    assert_eq!(
        client.get("amt.example", "/").text(),
        "ok",
        "the client's connection is kept"
    );

    let origin = stopping(answer, true);
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send("GET /bad HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    assert_incomplete(&mut client, "reset");
    // Where the end of the connection is the end of the body, only a reset tells that it is not whole.
    let mut client = edge.connect();
    client.send("GET /bad HTTP/1.0\r\nHost: amt.example\r\n\r\n");
    assert_incomplete(&mut client, "reset towards HTTP/1.0");
}

#[test]
fn an_old_backend_without_keep_alive_is_asked_over_a_connection_each() {
    let origin = Origin::serve(|_, conversation| {
        let number = conversation.number();
        conversation.send(format!(
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n{number}"
        ));
    });
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    for number in 0..3 {
        let answer = client.get("amt.example", "/");
        assert_eq!(
            (answer.version.as_str(), answer.text()),
            ("HTTP/1.1", &*number.to_string())
        );
    }
    eventually("no connection is kept", || origin.open_count() == 0);
}

#[test]
fn a_backend_that_stops_in_the_middle_breaks_the_answer_off() {
    let origin = Origin::serve(|_, conversation| {
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        conversation.wait_for_the_peer();
    });
    let edge = before(&[origin.address()], "timeouts: { idle: 300ms }");
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    assert_incomplete(&mut client, "stopped");
    eventually("the connection is closed", || origin.open_count() == 0);
}

#[test]
fn an_exchange_that_takes_longer_than_the_service_allows_is_a_504() {
    let origin = Origin::hanging();
    let edge = amt(&[origin.address()], "timeout: 1s", "").start();
    let answer = edge.get("amt.example", "/");
    assert_eq!(label(&answer), refusal(504, "exchange_timeout"));
    assert_eq!(origin.request_count(), 1);
}

#[test]
fn p09_an_early_refusal_of_an_upload_reaches_the_client() {
    let answer =
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big";
    for close in [true, false] {
        let origin = Origin::converse(move |conversation| {
            if conversation.request_head().is_none() {
                return;
            }
            conversation.send(answer);
            if !close {
                conversation.wait_for_the_peer();
            }
        });
        let edge = before(&[origin.address()], "");
        let mut client = edge.connect();
        let body = vec![b'x'; 8 << 20];
        client.send(format!(
            "POST /bad HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        let _ = client.try_send(body);
        let answer = client.response();
        assert_eq!(
            (answer.status, answer.text()),
            (413, "too big"),
            "close: {close}"
        );
        let endpoint = &edge.resource("/api/v1/pools/amt")["endpoints"][0];
        assert_eq!(endpoint["failures"], 0, "close: {close}");
    }
}

#[test]
fn an_early_answer_is_whole_at_the_client_while_its_upload_goes_on() {
    let origin = Origin::converse(|conversation| {
        let Some(head) = conversation.request_head() else {
            return;
        };
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        if conversation.request_body(&head).is_ok() {
            conversation.note(head);
        }
    });
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    let half = "x".repeat(PREFETCH_BYTES);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {}\r\n\r\n{half}",
        2 * half.len()
    ));
    assert_eq!(client.response().text(), "early");
    client.send(half);
    // The rest is read away, and the connection serves the next request.
    client.send("GET /../x HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    assert_eq!(client.response().status, 400);
    // The upstream connection, of which nobody knows how much was read, is closed.
    eventually("the upstream is closed", || origin.open_count() == 0);
}

#[test]
fn connections_are_shared_inside_a_service_and_by_option_inside_a_tenant_only() {
    for (isolation, expected) in [("service", ["0", "0", "0"]), ("tenant", ["0", "1", "0"])] {
        let origin = lying("");
        let edge = Edge::new()
            .environment("SCHLEUSE_WORKERS", "1")
            .service("amt", &format!("isolation: {isolation}"))
            .pool("amt", &[origin.address()], "")
            .start();
        let targets = ["/11000000/", "/06412000/", "/11000000/"];
        let numbers = targets.map(|target| edge.get("amt.example", target).text().to_owned());
        assert_eq!(numbers, expected, "{isolation}");
    }
}

#[test]
fn two_services_never_share_a_connection() {
    let origin = lying("");
    let edge = Edge::new()
        .environment("SCHLEUSE_WORKERS", "1")
        .service("amt", "responsible: bund\npool: one")
        .service("kasse", "responsible: bund\npool: one")
        .pool("one", &[origin.address()], "")
        .start();
    let hosts = ["amt.example", "kasse.example", "amt.example"];
    let numbers = hosts.map(|host| edge.get(host, "/").text().to_owned());
    assert_eq!(numbers, ["0", "1", "0"]);
}
