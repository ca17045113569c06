//! Request heads by name, from `vectors/requests_*.txt`: what each must become.

mod support;

use bytes::BytesMut;
use schleuse_http1::{BodyLength, HeadLimits, Known, Reject, RequestHead, Version, take_request};
use support::{octets, rows};

fn parse(text: &str) -> Result<RequestHead, Reject> {
    parse_octets(text.as_bytes())
}

fn parse_octets(octets: &[u8]) -> Result<RequestHead, Reject> {
    let mut buf = BytesMut::from(octets);
    let head = take_request(&mut buf, &mut 0, &HeadLimits::default())?;
    head.ok_or(Reject::Malformed)
}

#[test]
fn each_refused_request_has_its_reason() {
    for [reason, name, head] in rows(include_str!("vectors/requests_refused.txt")) {
        let refused = parse_octets(&octets(head)).map_err(Reject::label).err();
        assert_eq!(refused, Some(reason), "{name}");
    }
}

#[test]
fn each_target_is_sent_on_as_it_was_meant() {
    for row in rows(include_str!("vectors/requests_routed.txt")) {
        let [target, path, query, host, name, text] = row;
        let head = parse_octets(&octets(text)).expect(name);
        let dash = |text: &str| {
            if text == "-" {
                String::new()
            } else {
                text.to_owned()
            }
        };
        assert_eq!((head.target(), head.path()), (target, path), "{name}");
        assert_eq!(head.query().is_none(), query == "-", "{name}");
        assert_eq!(head.query().unwrap_or_default(), dash(query), "{name}");
        assert_eq!(head.host(), dash(host), "{name}");
    }
}

#[test]
fn each_accepted_request_means_what_it_says() {
    for [body, flags, name, text] in rows(include_str!("vectors/requests_meant.txt")) {
        let head = parse_octets(&octets(text)).expect(name);
        let meant = [
            ("keep_alive", head.keep_alive()),
            ("expect_continue", head.expect_continue()),
            ("websocket", head.websocket()),
        ];
        for (flag, is_set) in meant {
            assert_eq!(flags.contains(flag), is_set, "{name}: {flag}");
        }
        assert_eq!(format!("{:?}", head.body()), body, "{name}");
    }
}

#[test]
fn a_host_in_a_target_without_a_path_leaves_the_host_field_as_it_was() {
    let head = parse("GET http://a.b?c HTTP/1.1\r\nHost: A.b\r\nX: y\r\n\r\n").unwrap();
    let fields: Vec<_> = head
        .fields()
        .map(|field| (field.name, field.value))
        .collect();
    assert_eq!(fields, [("Host", &b"A.b"[..]), ("X", b"y")]);
}

/// The names of the fields that go on.
fn passed(text: &str) -> Vec<String> {
    let Ok(head) = parse(&text.replace('~', "\r\n")) else {
        return Vec::new();
    };
    head.fields()
        .filter(|field| !field.hop_by_hop)
        .map(|field| field.name.to_owned())
        .collect()
}

#[test]
fn hop_by_hop_fields_end_here() {
    let names = passed(
        "GET / HTTP/1.1~Host: a~Connection: close~Keep-Alive: 5~Proxy-Connection: x~TE: trailers~\
         Trailer: x~Transfer-Encoding: chunked~Upgrade: x~HTTP2-Settings: x~Proxy: x~\
         Proxy-Authorization: x~Proxy-Authenticate: x~Accept: x~~",
    );
    assert_eq!(names, ["Host", "Accept"]);
}

#[test]
fn fields_named_by_connection_end_here() {
    let names = passed(
        "GET / HTTP/1.1~x-One: 1~Host: a~Connection: X-One, close~Connection: x-two~X-Two: 2~X-Three: 3~~",
    );
    assert_eq!(names, ["Host", "X-Three"]);
}

#[test]
fn p05_fields_that_the_proxy_decides_by_cannot_be_nominated() {
    let names = passed(
        "POST / HTTP/1.1~Host: a~Content-Length: 1~X-Forwarded-For: x~Schleuse-Tenant: x~Via: x~\
         X-Request-Id: x~Connection: host, content-length, x-forwarded-for, schleuse-tenant, via, x-request-id~~",
    );
    assert_eq!(
        names,
        [
            "Host",
            "Content-Length",
            "X-Forwarded-For",
            "Schleuse-Tenant",
            "Via",
            "X-Request-Id"
        ]
    );
}

#[test]
fn an_expectation_that_is_not_waited_for_ends_here() {
    assert_eq!(
        passed("POST / HTTP/1.0~Expect: 100-continue~Content-Length: 1~~"),
        ["Content-Length"]
    );
    let waiting = passed("POST / HTTP/1.1~Host: a~Expect: 100-continue~Content-Length: 1~~");
    assert_eq!(waiting, ["Host", "Expect", "Content-Length"]);
}

#[test]
fn names_with_an_underscore_are_dropped_and_counted() {
    let head = parse("GET / HTTP/1.1\r\nHost: a\r\nSchleuse_Tenant: x\r\nA_B: c\r\n\r\n").unwrap();
    assert_eq!(head.fields().count(), 1);
    assert_eq!(head.dropped_underscore(), 2);
}

#[test]
fn leading_zeros_of_a_length_are_not_passed_on() {
    let head = parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0010\r\n\r\n").unwrap();
    assert_eq!(head.get(Known::ContentLength), Some(&b"10"[..]));
    assert_eq!(head.body(), BodyLength::Length(10));
}

#[test]
fn any_token_is_a_method() {
    for method in ["get", "PROPFIND", "M-SEARCH", "connect", "X!#$%&'*+.^_`|~0"] {
        let head =
            parse_octets(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(head.method(), method);
        assert_eq!(head.version(), Version::Http11);
    }
}

#[test]
fn octets_beyond_ascii_in_a_value_go_on_as_they_are() {
    let head = parse_octets(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\t b\r\n\r\n").unwrap();
    let value = head.fields().last().map(|field| field.value);
    assert_eq!(value, Some(&b"\xe4\xff\t b"[..]));
}

#[test]
fn too_many_fields_are_refused_and_one_fewer_is_taken() {
    let head = |fields: usize| {
        let text = "X: y\r\n".repeat(fields - 1);
        parse(&format!("GET / HTTP/1.1\r\nHost: a\r\n{text}\r\n")).map(|head| head.fields().count())
    };
    assert_eq!(head(100), Ok(100));
    assert_eq!(head(101), Err(Reject::TooManyFields));
}

#[test]
fn a_head_or_a_target_over_the_limit_is_refused_before_it_is_whole() {
    let limits = HeadLimits::default();
    let refuse = |text: String| {
        let mut buf = BytesMut::from(text.as_bytes());
        take_request(&mut buf, &mut 0, &limits).err()
    };
    let long = "a".repeat(limits.bytes_max);
    assert_eq!(refuse(format!("GET /{long}")), Some(Reject::TargetTooLong));
    let head = format!("GET / HTTP/1.1\r\nX: {long}");
    assert_eq!(refuse(head), Some(Reject::HeadTooLarge));
}

#[test]
fn too_many_connection_options_are_refused() {
    let head = |count: usize| {
        let options = "a,".repeat(count);
        parse(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n"
        ))
    };
    assert!(head(32).is_ok());
    assert_eq!(head(33).err(), Some(Reject::TooManyConnectionOptions));
}

#[test]
fn what_follows_a_head_stays_in_the_buffer() {
    let mut buf = BytesMut::from(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"[..]);
    let mut scanned = 0;
    let head = take_request(&mut buf, &mut scanned, &HeadLimits::default());
    assert!(head.unwrap().is_some());
    assert_eq!((&buf[..], scanned), (&b"body"[..], 0));
}
