//! Which bytes after a head are its body: the two framing fields judged on
//! their own and together (RFC 9112 §6.1–6.3).
//!
//! Where the standard offers a way to repair a message, this refuses it:
//! repaired here and read differently behind, it would be two messages.

use crate::grammar::{is_token, list};
use crate::{Reject, Version};

/// How the bytes that follow a head make up its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body. `Content-Length: 0` counts as this; the field itself is still among the fields.
    Empty,
    /// That many bytes, at least one and at most `i64::MAX`.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
    /// All bytes until the peer closes; answers only.
    UntilClose,
}

/// The framing fields of a head, each seen at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Notes a Content-Length value.
    pub(crate) fn length(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.length.is_some() {
            return Err(Reject::RepeatedContentLength);
        }
        self.length = Some(parse_length(value)?);
        Ok(())
    }

    /// Notes a Transfer-Encoding value.
    pub(crate) fn coding(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.chunked {
            return Err(Reject::RepeatedTransferEncoding);
        }
        check_coding(value)?;
        self.chunked = true;
        Ok(())
    }

    /// The body's length, `default` when no field says one.
    pub(crate) fn judge(self, version: Version, default: BodyLength) -> Result<BodyLength, Reject> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Reject::LengthAndTransferEncoding),
            (true, None) if version == Version::Http10 => Err(Reject::TransferEncodingOnHttp10),
            (true, None) => Ok(BodyLength::Chunked),
            (false, Some(0)) => Ok(BodyLength::Empty),
            (false, Some(length)) => Ok(BodyLength::Length(length)),
            (false, None) => Ok(default),
        }
    }
}

/// Digits only, at most `i64::MAX` (many servers keep it signed), leading zeros permitted.
fn parse_length(value: &[u8]) -> Result<u64, Reject> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Reject::BadContentLength);
    }
    let mut length = 0_u64;
    for digit in value {
        length = length
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .filter(|&length| i64::try_from(length).is_ok())
            .ok_or(Reject::ContentLengthOverflow)?;
    }
    Ok(length)
}

/// How many leading zeros a checked Content-Length has in front of its number.
pub(crate) fn leading_zeros(value: &[u8]) -> usize {
    let zeros = value.iter().take_while(|&&digit| digit == b'0').count();
    zeros.min(value.len().saturating_sub(1))
}

/// Only `chunked`, once. Others are 501 when well-formed (RFC 9112 §6.1).
fn check_coding(value: &[u8]) -> Result<(), Reject> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut chunked = 0;
    let mut others = 0;
    for coding in list(value) {
        if !is_token(coding) {
            return Err(Reject::BadTransferEncoding);
        }
        if coding.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
        } else {
            others += 1;
        }
    }
    Err(match (chunked, others) {
        (2.., _) => Reject::RepeatedTransferEncoding,
        (_, 0) => Reject::BadTransferEncoding,
        _ => Reject::UnknownTransferCoding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_digits_up_to_the_signed_limit() {
        assert_eq!(parse_length(b"0"), Ok(0));
        assert_eq!(parse_length(b"0012"), Ok(12));
        assert_eq!(parse_length(b"9223372036854775807"), Ok(i64::MAX as u64));
        for overflow in ["9223372036854775808", "18446744073709551616"] {
            let refused = parse_length(overflow.as_bytes());
            assert_eq!(refused, Err(Reject::ContentLengthOverflow));
        }
        for bad in ["", "+1", "-1", "0x1", "1 1", "1,1", "1.0", "\u{661}"] {
            let refused = parse_length(bad.as_bytes());
            assert_eq!(refused, Err(Reject::BadContentLength), "{bad}");
        }
    }

    #[test]
    fn leading_zeros_leave_one_digit() {
        assert_eq!(leading_zeros(b"000"), 2);
        assert_eq!(leading_zeros(b"0012"), 2);
        assert_eq!(leading_zeros(b"100"), 0);
        assert_eq!(leading_zeros(b""), 0);
    }
}
