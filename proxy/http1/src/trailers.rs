//! The trailer section of a chunked body, and which trailers go on.
//!
//! A server may merge trailers into the fields (RFC 9110 §6.5.1), after the
//! proxy judged those. So everything that frames, routes, authenticates,
//! conditions or describes a message is dropped from the trailers, as is every
//! name that the proxy sets itself; what is left serves checksums and gRPC.

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::known::Known;
use crate::scan::Section;
use crate::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadLimits, Reject, diagnosis};

/// Name and value of one trailer.
pub type Trailer = (Bytes, Bytes);

/// Names that [`Known`] does not hold and RFC 9110 §6.5.1 rules out.
const FORBIDDEN: &[&str] = &[
    "age",
    "cache-control",
    "clear-site-data",
    "content-encoding",
    "content-range",
    "etag",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "max-forwards",
    "pragma",
    "range",
    "strict-transport-security",
    "vary",
    "warning",
];

/// Takes the section up to and including its empty line off the front of `buf`, once complete.
///
/// # Errors
/// [`Reject::TrailersTooLarge`], or what is wrong with a line.
pub(crate) fn take_trailers(
    buf: &mut BytesMut,
    scanned: &mut usize,
    limits: &HeadLimits,
) -> Result<Option<Vec<Trailer>>, Reject> {
    match &**buf {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => {
            buf.advance(2);
            return Ok(Some(Vec::new()));
        }
        [b'\r', ..] => return Err(Reject::BareCr),
        _ => {}
    }
    let section = Section {
        start: 0,
        bytes_max: limits.bytes_max.min(HEAD_BYTES_CEILING),
    };
    let end = section.end(buf, scanned).map_err(|reject| match reject {
        Reject::TargetTooLong | Reject::HeadTooLarge => Reject::TrailersTooLarge,
        other => other,
    })?;
    let Some(end) = end else {
        return Ok(None);
    };
    let section = crate::fields::take(buf, end).freeze();
    parse(&section, limits.fields_max).map(Some)
}

fn parse(section: &Bytes, fields_max: usize) -> Result<Vec<Trailer>, Reject> {
    let room = fields_max.min(FIELDS_CEILING);
    let mut fields: SmallVec<[_; 8]> = SmallVec::from_elem(httparse::EMPTY_HEADER, room);
    let fields = match httparse::parse_headers(section, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Ok(httparse::Status::Partial) => return Err(Reject::Malformed),
        Err(error) => {
            return Err(match diagnosis::field_section(section, error) {
                Reject::TooManyFields => Reject::TrailersTooLarge,
                other => other,
            });
        }
    };
    Ok(fields
        .iter()
        .filter(|field| is_allowed(field.name))
        .map(|field| {
            (
                section.slice_ref(field.name.as_bytes()),
                section.slice_ref(field.value),
            )
        })
        .collect())
}

fn is_allowed(name: &str) -> bool {
    Known::of(name.as_bytes()) == Known::Other
        && !name.contains('_')
        && !FORBIDDEN
            .iter()
            .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_grpc_trailers_go_on() {
        for name in [
            "Digest",
            "Repr-Digest",
            "grpc-status",
            "Grpc-Message",
            "Server-Timing",
        ] {
            assert!(is_allowed(name), "{name}");
        }
    }

    #[test]
    fn trailers_that_could_change_the_message_do_not() {
        for name in [
            "Content-Length",
            "TRANSFER-ENCODING",
            "host",
            "Connection",
            "Trailer",
            "TE",
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "Schleuse-Tenant",
            "schleuse-x",
            "Schleuse_Tenant",
            "X-Forwarded-For",
            "Forwarded",
            "Content-Encoding",
            "Content-Type",
            "Range",
            "If-Match",
            "Cache-Control",
            "Expect",
            "Location",
            "Via",
            "Traceparent",
            "Date",
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }
}
