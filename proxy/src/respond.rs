//! Answers of our own: a plain page in German or English for people, problem+json (RFC 9457) for machines, each with the
//! reference under which an operator finds the request in the log. No product name, no technical detail, nothing of
//! another tenant (BSI IT-Grundschutz APP.3.2.A12).
//!
//! A refusal must be cheap (≤ 20 µs of CPU): a flood of them is when the proxy has least time. So nothing is formatted
//! that is not needed, and the connection stays open: a new one, with TLS, would cost many times as much.

mod body;
mod negotiate;
mod rate_limit;
mod when;

use std::time::Duration;

use bytes::Bytes;
use schleuse_config::FallbackPage;
use schleuse_core::Refusal;
use schleuse_http1::{BodyLength, RequestHead};
use smallvec::SmallVec;

pub use rate_limit::RateLimitShown;

use crate::{
    exchange::{Answer, ClientError, Responder},
    reference::Reference,
};
use rate_limit::whole_seconds;

/// A refusal with what is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'r> {
    /// Why.
    pub refusal: Refusal,
    /// Under which the log has it.
    pub reference: &'r Reference,
    /// None: the request could not be read.
    pub head: Option<&'r RequestHead>,
    /// For `Retry-After`; none: what the refusal itself says.
    pub retry_after: Option<Duration>,
    /// The rate that refused, for `RateLimit`.
    pub rate_limit: Option<RateLimitShown>,
    /// What people are shown instead of our own page.
    pub page: Option<&'r FallbackPage>,
}

const HTML: &[u8] = b"text/html; charset=utf-8";
/// Our own page needs its style alone.
const OUR_PAGE_MAY: &[u8] = b"default-src 'none'; style-src 'unsafe-inline'";
/// A service's page may have a logo and a font in it. Nothing that runs, and nothing from elsewhere: the service itself
/// cannot be asked now, and others are not to learn who was turned away.
const FALLBACK_PAGE_MAY: &[u8] =
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; \
    base-uri 'none'; form-action 'none'";

impl<'r> Refused<'r> {
    /// A refusal of which nothing more is known than its reason.
    pub fn new(refusal: Refusal, reference: &'r Reference, head: Option<&'r RequestHead>) -> Self {
        Self {
            refusal,
            reference,
            head,
            retry_after: None,
            rate_limit: None,
            page: None,
        }
    }
}

/// Sends the answer.
///
/// # Errors
///
/// [`ClientError`] when the client could not take it.
pub async fn refuse<R: Responder>(
    responder: &mut R,
    refused: &Refused<'_>,
) -> Result<(), ClientError> {
    let body = begin(responder, refused);
    responder.data(Bytes::from(body)).await?;
    responder.end(&[]).await
}

/// Not async: the fields, with their buffers, would otherwise be part of every future that can refuse.
fn begin<R: Responder>(responder: &mut R, refused: &Refused<'_>) -> Vec<u8> {
    let (refusal, reference) = (refused.refusal, refused.reference);
    let mut seconds = itoa::Buffer::new();
    let retry_after = refused.retry_after.or(refusal.retry_after());
    let shown = retry_after.map(|after| seconds.format(whole_seconds(after)));
    let language = refused
        .head
        .filter(|head| negotiate::wants_html(head))
        .map(negotiate::language);
    let page = refused.page.filter(|_| language.is_some());
    let (kind, body): (&[u8], _) = match (page, language) {
        (Some(page), _) => (
            HTML,
            body::fallback_page(page, reference, shown.unwrap_or_default()),
        ),
        (None, Some(language)) => (HTML, body::page(refusal, retry_after, language, reference)),
        (None, None) => (
            b"application/problem+json",
            body::problem(refusal, reference),
        ),
    };
    let rate_limit = refused
        .rate_limit
        .map(|shown| (shown.policy(), shown.state()));
    let mut fields: SmallVec<[(&str, &[u8]); 10]> = SmallVec::new();
    fields.push(("Content-Type", kind));
    fields.push(("Cache-Control", b"no-store"));
    fields.push(("X-Content-Type-Options", b"nosniff"));
    fields.push(("X-Request-Id", reference.as_str().as_bytes()));
    if page.is_some() {
        fields.push(("Content-Security-Policy", FALLBACK_PAGE_MAY));
    } else if let Some(language) = language {
        fields.push(("Content-Security-Policy", OUR_PAGE_MAY));
        fields.push(("Content-Language", language.tag().as_bytes()));
    }
    if let Some(seconds) = shown {
        fields.push(("Retry-After", seconds.as_bytes()));
    }
    if let Some((policy, state)) = &rate_limit {
        fields.push(("RateLimit-Policy", policy));
        fields.push(("RateLimit", state));
    }
    if refusal.status() == 405 {
        fields.push(("Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    let answer = Answer {
        status: refusal.status(),
        upstream: None,
        fields: &fields,
    };
    responder.begin(&answer, BodyLength::Length(body.len() as u64));
    body
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
