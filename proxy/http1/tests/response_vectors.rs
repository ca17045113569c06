//! Response heads by name, from `vectors/responses_*.txt`: what each must become.

mod support;

use bytes::BytesMut;
use schleuse_http1::{HeadLimits, Known, Reject, ResponseHead, ResponseTo, take_response};
use support::{octets, rows};

const GET: ResponseTo = ResponseTo {
    head_request: false,
    upgrade_asked: false,
};
const WEBSOCKET: ResponseTo = ResponseTo {
    head_request: false,
    upgrade_asked: true,
};
const HEAD: ResponseTo = ResponseTo {
    head_request: true,
    upgrade_asked: false,
};

fn parse(head: &[u8], to: ResponseTo) -> Result<ResponseHead, Reject> {
    let mut buf = BytesMut::from(head);
    take_response(&mut buf, &mut 0, &HeadLimits::default(), to)?.ok_or(Reject::Malformed)
}

#[test]
fn each_refused_response_has_its_reason() {
    for [reason, name, head] in rows(include_str!("vectors/responses_refused.txt")) {
        let refused = parse(&octets(head), GET).map_err(Reject::label).err();
        assert_eq!(refused, Some(reason), "{name}");
    }
}

#[test]
fn each_accepted_response_means_what_it_says() {
    for [body, flags, asked_by, name, text] in rows(include_str!("vectors/responses_meant.txt")) {
        let to = match asked_by {
            "HEAD" => HEAD,
            "websocket" => WEBSOCKET,
            _ => GET,
        };
        let head = parse(&octets(text), to).expect(name);
        assert_eq!(format!("{:?}", head.body()), body, "{name}");
        assert_eq!(head.keep_alive(), flags.contains("keep_alive"), "{name}");
        assert_eq!(head.interim(), flags.contains("interim"), "{name}");
    }
}

#[test]
fn p07_a_101_to_something_else_than_websocket_is_refused() {
    for fields in [
        "Upgrade: h2c\r\nConnection: Upgrade",
        "Upgrade: websocket",
        "Connection: Upgrade",
    ] {
        let text = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n");
        let refused = parse(text.as_bytes(), WEBSOCKET).err();
        assert_eq!(refused, Some(Reject::UnexpectedUpgrade), "{fields}");
    }
}

#[test]
fn a_length_on_a_status_that_cannot_have_one_ends_here() {
    for (status, ends_here) in [(103, true), (204, true), (304, false), (200, false)] {
        let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 3\r\n\r\n");
        let head = parse(text.as_bytes(), HEAD).unwrap();
        let length = head
            .fields()
            .find(|field| field.known == Known::ContentLength);
        let hop_by_hop = length.map(|field| field.hop_by_hop);
        assert_eq!(hop_by_hop, Some(ends_here), "{status}");
    }
}

#[test]
fn the_reason_is_given_as_received() {
    for (line, reason) in [
        ("HTTP/1.1 200 OK", &b"OK"[..]),
        ("HTTP/1.1 404 Not  Found ", b"Not  Found "),
        ("HTTP/1.1 200 ", b""),
        ("HTTP/1.1 200", b""),
    ] {
        let head = parse(format!("{line}\r\nX: y\r\n\r\n").as_bytes(), GET).unwrap();
        assert_eq!(head.reason(), reason, "{line:?}");
        assert_eq!(head.fields().next().map(|field| field.name), Some("X"));
    }
}

#[test]
fn a_backend_may_use_underscores_in_names() {
    let head = parse(b"HTTP/1.1 200 OK\r\nX_Y: z\r\n\r\n", GET).unwrap();
    assert_eq!(head.fields().count(), 1);
}

#[test]
fn garbage_is_refused_at_its_first_octet() {
    let mut buf = BytesMut::from(&b"<"[..]);
    let refused = take_response(&mut buf, &mut 0, &HeadLimits::default(), GET).err();
    assert_eq!(refused, Some(Reject::BadStatusLine));
}
