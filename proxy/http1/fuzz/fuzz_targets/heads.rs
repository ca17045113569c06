//! Heads: nothing panics; however the bytes are split, the outcome is the same;
//! and what was accepted, written down and read again, is the same head.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use schleuse_http1::{
    Field, HeadLimits, Known, Reject, RequestHead, ResponseHead, ResponseTo, Version, encode,
    take_request, take_response,
};

fuzz_target!(|input: &[u8]| {
    let limits = HeadLimits {
        bytes_max: 1024,
        fields_max: 30,
    };
    let request = |buf: &mut BytesMut, scanned: &mut usize| take_request(buf, scanned, &limits);
    let whole = outcome(input, input.len(), request);
    let octetwise = outcome(input, 1, request);
    assert_eq!(
        whole.as_ref().map(request_facts),
        octetwise.as_ref().map(request_facts)
    );
    if let Ok(Some(head)) = whole {
        check_request(&head);
    }
    for (head_request, upgrade_asked) in [(false, false), (true, false), (false, true)] {
        let to = ResponseTo {
            head_request,
            upgrade_asked,
        };
        let response =
            |buf: &mut BytesMut, scanned: &mut usize| take_response(buf, scanned, &limits, to);
        let whole = outcome(input, input.len(), response);
        let octetwise = outcome(input, 1, response);
        assert_eq!(
            whole.as_ref().map(response_facts),
            octetwise.as_ref().map(response_facts)
        );
        if let Ok(Some(head)) = whole {
            check_response(&head, to);
        }
    }
});

/// What becomes of `input` when it arrives in pieces of `step` octets.
fn outcome<T>(
    input: &[u8],
    step: usize,
    take: impl Fn(&mut BytesMut, &mut usize) -> Result<Option<T>, Reject>,
) -> Result<Option<T>, Reject> {
    let (mut buf, mut scanned) = (BytesMut::new(), 0);
    for piece in input.chunks(step.max(1)) {
        buf.extend_from_slice(piece);
        if let Some(head) = take(&mut buf, &mut scanned)? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

type Facts = (String, Vec<(String, Vec<u8>, bool)>);

fn request_facts(head: &Option<RequestHead>) -> Option<Facts> {
    let head = head.as_ref()?;
    let meaning = (
        head.body(),
        head.keep_alive(),
        head.expect_continue(),
        head.websocket(),
    );
    let target = (
        head.method(),
        head.target(),
        head.path(),
        head.query(),
        head.host(),
    );
    let text = format!("{meaning:?} {target:?} {:?}", head.version());
    Some((text, field_facts(head.fields())))
}

fn response_facts(head: &Option<ResponseHead>) -> Option<Facts> {
    let head = head.as_ref()?;
    let meaning = (head.body(), head.keep_alive(), head.interim());
    let text = format!(
        "{meaning:?} {:?} {} {:?}",
        head.version(),
        head.status(),
        head.reason()
    );
    Some((text, field_facts(head.fields())))
}

/// All fields but Host, whose place a head in absolute-form does not say.
fn field_facts<'h>(fields: impl Iterator<Item = Field<'h>>) -> Vec<(String, Vec<u8>, bool)> {
    fields
        .filter(|field| field.known != Known::Host)
        .map(|field| {
            (
                field.name.to_owned(),
                field.value.to_vec(),
                field.hop_by_hop,
            )
        })
        .collect()
}

fn check_request(head: &RequestHead) {
    let mut out = BytesMut::new();
    let version: &[u8] = match head.version() {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    };
    for part in [
        head.method().as_bytes(),
        b" ",
        head.target().as_bytes(),
        version,
    ] {
        out.extend_from_slice(part);
    }
    if !head.host().is_empty() {
        encode::write_field(&mut out, "Host", head.host().as_bytes());
    }
    for field in head.fields().filter(|field| field.known != Known::Host) {
        encode::write_field(&mut out, field.name, field.value);
    }
    encode::write_head_end(&mut out);
    let again = take_request(&mut out, &mut 0, &HeadLimits::default());
    let again = again.expect("what is written from an accepted head is accepted");
    assert_eq!(request_facts(&again), request_facts(&Some(head.clone())));
    assert!(out.is_empty());
}

fn check_response(head: &ResponseHead, to: ResponseTo) {
    let mut out = BytesMut::new();
    encode::write_status_line(&mut out, head.version(), head.status(), head.reason());
    for field in head.fields() {
        encode::write_field(&mut out, field.name, field.value);
    }
    encode::write_head_end(&mut out);
    let again = take_response(&mut out, &mut 0, &HeadLimits::default(), to);
    let again = again.expect("what is written from an accepted head is accepted");
    assert_eq!(response_facts(&again), response_facts(&Some(head.clone())));
    assert!(out.is_empty());
}
