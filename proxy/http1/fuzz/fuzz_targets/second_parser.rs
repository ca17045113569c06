//! What the proxy sends on means to llhttp exactly what the message meant to us:
//! same method, target or status, same fields, same body, and the next message
//! starts where ours does. An input that starts with `HTTP/` is an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use schleuse_http1_fuzz::message::{
    NamedValue, forward_request, forward_response, read_request, read_response,
};
use schleuse_http1_fuzz::second::{self, Message};

const NEXT_REQUEST: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";
const NEXT_RESPONSE: &[u8] = b"HTTP/1.1 299 next\r\nContent-Length: 0\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    if input.starts_with(b"HTTP/") {
        check_response(input);
    } else {
        check_request(input);
    }
});

fn check_request(input: &[u8]) {
    let Some((head, body)) = read_request(input) else {
        return;
    };
    // Sent on as HTTP/1.1, a request without Host needs a name that routing alone can give.
    if head.host().is_empty() {
        return;
    }
    let (mut sent, fields) = forward_request(&head, &body);
    sent.extend_from_slice(NEXT_REQUEST);
    let (messages, error) = second::read(&sent, false);
    // llhttp knows a fixed list of methods, and takes PRI, SOURCE and the like for other protocols.
    if matches!(error, "HPE_INVALID_METHOD" | "HPE_INVALID_CONSTANT") && messages.len() < 2 {
        return;
    }
    let [first, next @ ..] = &messages[..] else {
        panic!("llhttp found no message: {error}");
    };
    assert_eq!(first.method, head.method().as_bytes());
    assert_eq!(text(&first.target), head.target());
    check_message(first, &fields, &body.data);
    assert_eq!(first.upgrade, head.websocket());
    if head.websocket() {
        assert!(next.is_empty(), "{error}");
        return;
    }
    assert_eq!(error, "HPE_OK");
    let [next] = next else {
        panic!("llhttp found {} messages after ours", next.len());
    };
    assert_eq!((text(&next.target), next.ended), ("/next".into(), true));
}

fn check_response(input: &[u8]) {
    let Some((head, body)) = read_response(input) else {
        return;
    };
    let (mut sent, fields) = forward_response(&head, &body);
    sent.extend_from_slice(NEXT_RESPONSE);
    let (messages, error) = second::read(&sent, true);
    assert_eq!(error, "HPE_OK");
    let [first, next] = &messages[..] else {
        panic!("llhttp found {} messages", messages.len());
    };
    assert_eq!(first.status, usize::from(head.status()));
    check_message(first, &fields, &body.data);
    assert_eq!((next.status, next.ended), (299, true));
}

fn check_message(found: &Message, fields: &[NamedValue], body: &[u8]) {
    assert_eq!(found.fields, fields);
    assert_eq!(found.body, body);
    assert!(found.ended);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
