//! The request head as the backend gets it: composed from the parsed form, never copied.
//!
//! Order matters for safety. First go the received end-to-end fields (hop-by-hop ones, and those named in `Connection`,
//! are gone by then), without framing and without everything that only we may say; then what the operator sets; then
//! ours. A client can so neither set nor remove a field that a backend believes.

use std::net::IpAddr;

use bytes::BytesMut;
use schleuse_config::{HeaderPart, HeaderValue, Service};
use schleuse_core::{RegionalKey, Register, TenantId};
use schleuse_http1::{
    BodyLength, Known, RequestHead, Version,
    encode::{
        write_chunked_coding, write_content_length, write_field, write_head_end, write_request_line,
    },
};

use crate::{
    context::RequestContext,
    forwarding,
    reference::{new_traceparent, valid_request_id, valid_traceparent},
    text::push_ip,
};

/// Writes the head for `service` and `tenant` into `out`.
pub fn compose(
    out: &mut BytesMut,
    context: &RequestContext<'_>,
    head: &RequestHead,
    service: &Service,
    tenant: TenantId,
    strip: usize,
) {
    write_target(out, head, service, strip);
    write_field(out, "Host", head.host().as_bytes());
    let traced = head.get(Known::Traceparent).is_some_and(valid_traceparent);
    head.write_fields(out, |known, name| {
        passes(known, name, service, traced) && believed(name, service, context.trusted)
    });
    for (name, value) in &service.headers_set {
        let about = About {
            register: &context.live.snapshot.register,
            service,
            tenant,
            client: context.client,
        };
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        write_set_value(out, value, &about);
        out.extend_from_slice(b"\r\n");
    }
    if !traced {
        write_field(out, "traceparent", &new_traceparent(&context.reference));
    }
    write_field(out, "X-Request-Id", request_id(context, head));
    forwarding::write(out, head, context.info, context.trusted);
    out.extend_from_slice(match head.version() {
        Version::Http10 => b"Via: 1.0 schleuse\r\n",
        Version::Http11 => b"Via: 1.1 schleuse\r\n",
    });
    write_field(out, "Schleuse-Service", service.name.as_bytes());
    write_field(
        out,
        "Schleuse-Tenant",
        tenant.text(&mut [0; RegionalKey::DIGITS_MAX]).as_bytes(),
    );
    match head.body() {
        BodyLength::Length(length) => write_content_length(out, length),
        BodyLength::Chunked => write_chunked_coding(out),
        // A POST without content says so (RFC 9110 §8.6); some backends answer 411 otherwise.
        BodyLength::Empty if head.get(Known::ContentLength).is_some() => {
            write_content_length(out, 0);
        }
        BodyLength::Empty | BodyLength::UntilClose => {}
    }
    if head.websocket() {
        out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    }
    write_head_end(out);
}

/// The request id of a trusted proxy is kept, so that one name holds over all hops.
fn request_id<'a>(context: &'a RequestContext<'_>, head: &'a RequestHead) -> &'a [u8] {
    let received = context
        .trusted
        .then(|| head.get(Known::XRequestId))
        .flatten();
    received
        .filter(|id| valid_request_id(id))
        .unwrap_or(context.reference.as_str().as_bytes())
}

/// The request line: path and query go out byte for byte, but for the prefix that the operator has cut or added.
pub fn write_target(out: &mut BytesMut, head: &RequestHead, service: &Service, strip: usize) {
    let cut = if service.strip_prefix { strip } else { 0 };
    if (cut == 0 && service.add_prefix.is_empty()) || head.path() == "*" {
        return write_request_line(out, head.method(), head.target());
    }
    out.extend_from_slice(head.method().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(service.add_prefix.as_bytes());
    let path = head.path().get(cut..).unwrap_or_default();
    out.extend_from_slice(if path.is_empty() {
        b"/"
    } else {
        path.as_bytes()
    });
    if let Some(query) = head.query() {
        out.extend_from_slice(b"?");
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Whether a received end-to-end field is passed on as it is.
fn passes(known: Known, name: &[u8], service: &Service, traced: bool) -> bool {
    match known {
        Known::Other => {}
        Known::Host
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::XRequestId
        | Known::SchleuseService
        | Known::SchleuseTenant
        | Known::SchleuseOther => return false,
        Known::Traceparent | Known::Tracestate => return traced,
        known if forwarding::describes_hops(known) => return false,
        _ => {}
    }
    let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(name);
    !service.headers_set.iter().any(|(set, _)| is(set))
        && !service.headers_remove.iter().any(|removed| is(removed))
}

/// Whether a trailer of the body goes out.
pub fn trailer_passes(name: &[u8], service: &Service, trusted: bool) -> bool {
    passes(Known::of(name), name, service, false) && believed(name, service, trusted)
}

/// A client must not tell a backend the tenant in the field by which our proxies do.
fn believed(name: &[u8], service: &Service, trusted: bool) -> bool {
    let tenant_header = service.tenant_header.as_deref();
    trusted || !tenant_header.is_some_and(|header| header.as_bytes().eq_ignore_ascii_case(name))
}

/// What placeholders stand for.
#[derive(Debug)]
pub struct About<'a> {
    /// Names the tenant.
    pub register: &'a Register,
    /// Whose rules they are.
    pub service: &'a Service,
    /// Whose request it is.
    pub tenant: TenantId,
    /// Where it comes from.
    pub client: IpAddr,
}

/// Writes the value of a field that the operator sets.
pub fn write_set_value(out: &mut BytesMut, value: &HeaderValue, about: &About<'_>) {
    for part in &value.0 {
        match part {
            HeaderPart::Text(text) => out.extend_from_slice(text.as_bytes()),
            HeaderPart::TenantArs => {
                let digits = &mut [0; RegionalKey::DIGITS_MAX];
                out.extend_from_slice(about.tenant.text(digits).as_bytes());
            }
            HeaderPart::TenantName => {
                percent_encode(out, about.register.name(about.tenant).unwrap_or_default());
            }
            HeaderPart::Service => out.extend_from_slice(about.service.name.as_bytes()),
            HeaderPart::ClientIp => push_ip(out, about.client),
        }
    }
}

/// Field values are ASCII (RFC 9110 §5.5); names of places are not.
fn percent_encode(out: &mut BytesMut, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.extend_from_slice(&[byte]);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}
