//! An origin over real sockets: what it answers, counts, and survives.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    distribution::Distribution,
    draw::{Purpose, Stream},
};

const LONG: Duration = Duration::from_secs(20);

fn origin(settings: Settings) -> Running {
    start(&settings).unwrap()
}

fn send(origin: &Running, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(origin.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The whole answer of a connection that closes after it.
fn ask(origin: &Running, head: &str, body: &str) -> String {
    let request = format!(
        "{head}\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    send(origin, &request).read_to_string(&mut answer).unwrap();
    answer
}

fn command(origin: &Running, head: &str) -> String {
    let mut stream = TcpStream::connect(origin.control.unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn commanded(settings: Settings) -> Running {
    origin(Settings {
        control: Some(Settings::default().listen),
        ..settings
    })
}

#[test]
fn an_answer_has_the_status_size_and_type_that_were_asked_for() {
    let origin = origin(Settings::default());
    let answer = ask(
        &origin,
        "GET /?status=503&retry_after=2&size=20000B&type=text/html HTTP/1.1",
        "",
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("content-length: 20000"), "{head}");
    assert!(
        head.contains("retry-after: 2") && head.contains("content-type: text/html"),
        "{head}"
    );
    assert_eq!(body.len(), 20_000);
    let stream = ask(&origin, "GET /?parts=3&every=1ms&size=10B HTTP/1.1", "");
    assert!(stream.contains("transfer-encoding: chunked"), "{stream}");
    assert_eq!(stream.matches("..........\r\n").count(), 3, "{stream}");
    assert!(ask(&origin, "GET /?status=5 HTTP/1.1", "").starts_with("HTTP/1.1 400 "));
}

#[test]
fn the_drawn_service_time_is_told_is_that_of_citizen_and_step_and_was_really_taken() {
    let service = Distribution::Exponential(Duration::from_millis(3));
    let origin = origin(Settings {
        service,
        seed: 7,
        ..Settings::default()
    });
    for citizen in 0..20 {
        let head = format!("GET / HTTP/1.1\r\n{CITIZEN}: {citizen}\r\n{STEP}: 2");
        let before = Instant::now();
        let answer = ask(&origin, &head, "");
        let took = before.elapsed();
        let drawn = service.draw(&mut Stream::new(7, citizen, Purpose::Service(2)));
        assert!(
            answer.contains(&format!("{SERVICE}: {}\r\n", drawn.as_nanos())),
            "{answer}"
        );
        assert!(took >= drawn, "{took:?} {drawn:?}");
    }
    assert_eq!(origin.report().service.count, 20);
}

#[test]
fn it_counts_by_tenant_step_status_and_bytes() {
    let origin = origin(Settings::default());
    for _ in 0..3 {
        ask(
            &origin,
            &format!("POST /a HTTP/1.1\r\n{TENANT}: 011\r\n{STEP}: 4"),
            "12345",
        );
    }
    ask(
        &origin,
        "GET /064120000000/x?status=404&size=7B HTTP/1.1",
        "",
    );
    ask(&origin, "HEAD /064120000000/x HTTP/1.1", "");
    let report = origin.report();
    let rows: Vec<(&str, &str, u16, u64, u64, u64)> = report
        .rows
        .iter()
        .map(|row| {
            let (key, counts) = (&row.key, row.counts);
            assert_eq!(counts.answered, counts.requests);
            (
                &*key.tenant,
                &*key.step,
                key.status,
                counts.requests,
                counts.received_bytes,
                counts.sent_bytes,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("011", "4", 200, 3, 15, 3 * 128),
            ("064120000000", "GET /*/x", 404, 1, 0, 7),
            ("064120000000", "HEAD /*/x", 200, 1, 0, 0),
        ]
    );
    assert_eq!(report.response.count, 5);
}

#[test]
fn one_that_hangs_answers_nobody_until_it_is_resumed() {
    let origin = commanded(Settings::default());
    assert!(command(&origin, "POST /hang").contains("done"));
    let mut waiting = send(
        &origin,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    waiting.set_nonblocking(true).unwrap();
    // The control port is served by the same thread, so the request was taken before the second command is.
    let hung = command(&origin, "GET /counts");
    assert!(hung.contains("\"rows\":[]"), "{hung}");
    assert_eq!(
        waiting.read(&mut [0; 1]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    waiting.set_nonblocking(false).unwrap();
    command(&origin, "POST /resume");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(command(&origin, "POST /hang?for=1ms").contains("done"));
    assert!(
        ask(&origin, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 200 "),
        "it resumes by itself"
    );
}

#[test]
fn a_crash_ends_every_connection_and_what_was_under_way_counts_as_not_answered() {
    let origin = commanded(Settings {
        service: Distribution::Fixed(Duration::from_hours(1)),
        ..Settings::default()
    });
    let mut waiting = send(&origin, "GET /011000000000/ HTTP/1.1\r\nHost: a\r\n\r\n");
    while origin.report().service.count == 0 {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert!(command(&origin, "POST /crash?restart=1ms").contains("done"));
    let mut rest = Vec::new();
    let _ = waiting.read_to_end(&mut rest);
    assert_eq!(rest, b"", "nothing was answered");
    // The socket is closed a moment before the request's account is.
    while origin.report().rows.is_empty() {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    let row = &origin.report().rows[0];
    assert_eq!(
        (row.key.status, row.counts.requests, row.counts.answered),
        (0, 1, 0)
    );
    // It comes back at the same address.
    command(&origin, "POST /service?draw=0ms");
    while TcpStream::connect(origin.address).is_err() {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert!(ask(&origin, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 200 "));
    origin.crash(None);
    assert_eq!(origin.wait(), Ended::Crashed);
}

#[test]
fn while_it_starts_cold_connections_are_refused() {
    let origin = origin(Settings {
        cold_start: Duration::from_hours(1),
        ..Settings::default()
    });
    let refused = TcpStream::connect(origin.address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn beyond_its_concurrency_requests_wait_and_beyond_its_line_they_are_refused() {
    let origin = origin(Settings {
        concurrency: 1,
        waiting_max: 0,
        service: Distribution::Fixed(Duration::from_hours(1)),
        ..Settings::default()
    });
    let _held = send(&origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while origin.report().service.count == 0 {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert!(ask(&origin, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 503 "));
}

#[test]
fn an_upgraded_connection_echoes_and_a_crash_ends_it() {
    let origin = origin(Settings::default());
    let mut socket = send(
        &origin,
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    socket
        .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .unwrap();
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, &[0x81, 2, b'h', b'i']);
    origin.crash(None);
    assert_eq!(socket.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn http2_is_spoken_to_whoever_begins_with_its_preface() {
    let origin = origin(Settings::default());
    let mut stream = send(&origin, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "its first frame is SETTINGS (RFC 9113 §3.4)");
}
