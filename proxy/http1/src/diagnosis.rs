//! Names what is wrong with a head that `httparse` refused.
//!
//! `httparse` says only in which part an octet was unexpected. A refused head
//! is rare, so it is read again, slowly, line by line, for the reason that goes
//! into the log. Nothing is accepted here.

use crate::Reject;
use crate::grammar::{is_blank, is_field_value, is_token, trim};

/// The reason for a request head, `head` from its request line on.
pub(crate) fn request(head: &[u8], error: httparse::Error) -> Reject {
    diagnose(head, error, request_line)
}

/// The reason for a response head.
pub(crate) fn response(head: &[u8], error: httparse::Error) -> Reject {
    diagnose(head, error, status_line)
}

/// The reason for a section of field lines alone.
pub(crate) fn field_section(section: &[u8], error: httparse::Error) -> Reject {
    lines(section)
        .find_map(field_line)
        .unwrap_or_else(|| by_kind(error))
}

fn diagnose(
    head: &[u8],
    error: httparse::Error,
    first_line: fn(&[u8]) -> Option<Reject>,
) -> Reject {
    let mut lines = lines(head);
    lines
        .next()
        .and_then(first_line)
        .or_else(|| lines.find_map(field_line))
        .unwrap_or_else(|| by_kind(error))
}

const fn by_kind(error: httparse::Error) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => Reject::TooManyFields,
        _ => Reject::Malformed,
    }
}

/// The lines without their CRLF; a lone CR stays inside its line.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

fn request_line(line: &[u8]) -> Option<Reject> {
    if memchr::memchr(b'\r', line).is_some() {
        return Some(Reject::BareCr);
    }
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return Some(Reject::BadRequestLine);
    };
    if !is_token(method) {
        return Some(Reject::BadMethod);
    }
    if target.is_empty() {
        return Some(Reject::BadRequestLine);
    }
    version_fault(version, Reject::BadVersion)
        .or_else(|| (!target.iter().all(u8::is_ascii_graphic)).then_some(Reject::TargetCharacter))
}

fn status_line(line: &[u8]) -> Option<Reject> {
    if memchr::memchr(b'\r', line).is_some() {
        return Some(Reject::BareCr);
    }
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let fault = version_fault(parts.next().unwrap_or_default(), Reject::BadStatusLine);
    fault.or_else(|| match parts.next().unwrap_or_default() {
        [a, b, c] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
            let reason = parts.next().unwrap_or_default();
            (!is_field_value(reason)).then_some(Reject::BadStatusLine)
        }
        _ => Some(Reject::BadStatus),
    })
}

fn version_fault(version: &[u8], otherwise: Reject) -> Option<Reject> {
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(Reject::UnsupportedVersion)
        }
        _ => Some(otherwise),
    }
}

fn field_line(line: &[u8]) -> Option<Reject> {
    if memchr::memchr(b'\r', line).is_some() {
        return Some(Reject::BareCr);
    }
    if line.first().copied().is_some_and(is_blank) {
        return Some(Reject::ObsoleteFold);
    }
    let Some((name, value)) =
        memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon))
    else {
        return Some(Reject::FieldWithoutColon);
    };
    if !is_token(name) {
        return Some(if is_token(trim(name)) {
            Reject::WhitespaceBeforeColon
        } else {
            Reject::BadFieldName
        });
    }
    (!is_field_value(value)).then_some(Reject::BadFieldValue)
}
