//! Answers of our own: a plain German page for people, problem+json (RFC 9457) for machines, each with the reference
//! under which an operator finds the request in the log. No product name, no technical detail, nothing of another
//! tenant (BSI IT-Grundschutz APP.3.2.A12).

use bytes::Bytes;
use schleuse_core::Refusal;
use schleuse_http1::{BodyLength, Known, RequestHead};

use crate::{
    exchange::{Answer, ClientError, Responder},
    log::push_string,
    reference::Reference,
};

/// Sends the answer for `refusal`.
///
/// # Errors
///
/// [`ClientError`] when the client could not take it.
pub async fn refuse<R: Responder>(
    responder: &mut R,
    refusal: Refusal,
    reference: &Reference,
    head: Option<&RequestHead>,
) -> Result<(), ClientError> {
    let person = head.is_some_and(wants_html);
    let (kind, body) = if person {
        ("text/html; charset=utf-8", page(refusal, reference))
    } else {
        ("application/problem+json", problem(refusal, reference))
    };
    let retry_after = refusal
        .retry_after()
        .map(|after| whole_seconds(after).to_string());
    let allow: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    let mut fields: Vec<(&str, &[u8])> = vec![
        ("Content-Type", kind.as_bytes()),
        ("Cache-Control", b"no-store"),
        ("X-Content-Type-Options", b"nosniff"),
        ("X-Request-Id", reference.as_str().as_bytes()),
    ];
    if person {
        fields.push((
            "Content-Security-Policy",
            b"default-src 'none'; style-src 'unsafe-inline'",
        ));
        fields.push(("Content-Language", b"de"));
    }
    if let Some(seconds) = &retry_after {
        fields.push(("Retry-After", seconds.as_bytes()));
    }
    if refusal.status() == 405 {
        fields.push(("Allow", allow));
    }
    let answer = Answer {
        status: refusal.status(),
        upstream: None,
        fields: &fields,
    };
    responder.begin(&answer, BodyLength::Length(body.len() as u64));
    responder.data(Bytes::from(body)).await?;
    responder.end(&[]).await
}

/// Sends a redirect that keeps method and body (308).
///
/// # Errors
///
/// [`ClientError`] when the client could not take it.
pub async fn redirect<R: Responder>(responder: &mut R, location: &str) -> Result<(), ClientError> {
    let fields: [(&str, &[u8]); 2] = [
        ("Location", location.as_bytes()),
        ("Cache-Control", b"no-store"),
    ];
    responder.begin(
        &Answer {
            status: 308,
            upstream: None,
            fields: &fields,
        },
        BodyLength::Empty,
    );
    responder.end(&[]).await
}

/// Rounded up, at least 1: who waits exactly that long must not come too early (RFC 9110 §10.2.3).
fn whole_seconds(after: std::time::Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

/// Whether `Accept` prefers HTML: a browser names `text/html`, a program `application/json` or nothing.
fn wants_html(head: &RequestHead) -> bool {
    head.get(Known::Accept).is_some_and(|accept| {
        quality(accept, b"text/html").is_some_and(|html| {
            html > 0.0
                && [&b"application/problem+json"[..], b"application/json"]
                    .iter()
                    .all(|kind| quality(accept, kind).is_none_or(|json| html >= json))
        })
    })
}

/// The q-value given to exactly this media type (RFC 9110 §12.5.1); none when it is not named.
fn quality(accept: &[u8], kind: &[u8]) -> Option<f32> {
    accept.split(|byte| *byte == b',').find_map(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        if !parts.next()?.eq_ignore_ascii_case(kind) {
            return None;
        }
        let weight = parts.find_map(|part| {
            part.strip_prefix(b"q=")
                .or_else(|| part.strip_prefix(b"Q="))
        });
        Some(weight.map_or(1.0, |weight| {
            std::str::from_utf8(weight)
                .ok()
                .and_then(|weight| weight.parse().ok())
                .unwrap_or(0.0)
        }))
    })
}

fn problem(refusal: Refusal, reference: &Reference) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":");
    push_string(&mut out, refusal.to_string().as_bytes());
    out.extend_from_slice(b",\"status\":");
    out.extend_from_slice(itoa::Buffer::new().format(refusal.status()).as_bytes());
    out.extend_from_slice(b",\"reason\":");
    push_string(&mut out, refusal.label().as_bytes());
    out.extend_from_slice(b",\"reference\":");
    push_string(&mut out, reference.as_str().as_bytes());
    out.extend_from_slice(b"}\n");
    out
}

/// The page fits the first congestion window (14 kB), needs nothing from elsewhere, reflows at 320 px and says its state
/// in the title (WCAG 2.1: 1.4.10, 2.4.2, 3.1.1).
fn page(refusal: Refusal, reference: &Reference) -> Vec<u8> {
    let text = refusal.citizen_text();
    let pieces = [
        "<!doctype html>\n<html lang=\"de\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>",
        text.title,
        "</title>\n<style>\nbody{font:1.125rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:0}\n\
         main{max-width:38rem;margin:0 auto;padding:3rem 1rem}\nh1{font-size:1.6rem;line-height:1.25}\n\
         code{font-size:1rem;overflow-wrap:anywhere}\n</style>\n</head>\n<body>\n<main>\n<h1>",
        text.title,
        "</h1>\n<p>",
        text.sentence,
        "</p>\n<p>Wenn Sie sich deswegen an die Behörde wenden, nennen Sie bitte diese Kennung:<br><code>",
        reference.as_str(),
        "</code></p>\n</main>\n</body>\n</html>\n",
    ];
    pieces.concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn head(accept: &str) -> RequestHead {
        RequestHead::from_parts("GET", "/", "a.example", [("accept", accept.as_bytes())]).unwrap()
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_a_problem() {
        assert!(wants_html(&head(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        )));
        assert!(!wants_html(&head("*/*")));
        assert!(!wants_html(&head("application/json")));
        assert!(!wants_html(&head("application/json, text/html;q=0.5")));
        assert!(!wants_html(&head("text/html;q=0")));
    }

    #[test]
    fn p32_a_wait_is_told_in_whole_seconds_rounded_up_and_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
    }

    #[test]
    fn both_forms_carry_the_reference() {
        let reference = Reference::new();
        for body in [
            page(Refusal::NoTenant, &reference),
            problem(Refusal::NoTenant, &reference),
        ] {
            assert!(
                String::from_utf8(body)
                    .unwrap()
                    .contains(reference.as_str())
            );
        }
    }
}
