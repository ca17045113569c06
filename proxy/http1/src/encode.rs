//! Writes heads and chunks. What is written comes from checked heads or from
//! the proxy itself, so nothing is checked again here.
//!
//! Plain copies into the caller's buffer: the formatting machinery of `write!`
//! costs more than the rest of a head.

use bytes::BufMut;

use crate::{Trailer, Version};

/// `u64::MAX` has 20 decimal digits.
const DECIMAL_DIGITS_MAX: usize = 20;

/// `u64::MAX` has 16 hexadecimal digits.
const HEX_DIGITS_MAX: usize = 16;

/// `METHOD target HTTP/1.1`.
pub fn write_request_line(out: &mut impl BufMut, method: &str, target: &str) {
    out.put_slice(method.as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
}

/// `HTTP/1.x status reason`; the space after the status stays when the reason is empty (RFC 9112
/// §4). `status` has three digits.
pub fn write_status_line(out: &mut impl BufMut, version: Version, status: u16, reason: &[u8]) {
    out.put_slice(match version {
        Version::Http10 => b"HTTP/1.0 ",
        Version::Http11 => b"HTTP/1.1 ",
    });
    write_decimal(out, u64::from(status));
    out.put_u8(b' ');
    out.put_slice(reason);
    out.put_slice(b"\r\n");
}

/// `name: value`.
pub fn write_field(out: &mut impl BufMut, name: &str, value: &[u8]) {
    write_line(out, name.as_bytes(), value);
}

pub(crate) fn write_line(out: &mut impl BufMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// `Content-Length: length`.
pub fn write_content_length(out: &mut impl BufMut, length: u64) {
    out.put_slice(b"Content-Length: ");
    write_decimal(out, length);
    out.put_slice(b"\r\n");
}

/// `Transfer-Encoding: chunked`, for a body whose length is not known.
pub fn write_chunked_coding(out: &mut impl BufMut) {
    out.put_slice(b"Transfer-Encoding: chunked\r\n");
}

/// The empty line that ends a head.
pub fn write_head_end(out: &mut impl BufMut) {
    out.put_slice(b"\r\n");
}

/// One whole chunk. No data writes nothing, since an empty chunk would end the body.
pub fn write_chunk(out: &mut impl BufMut, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    write_chunk_head(out, data.len());
    out.put_slice(data);
    write_chunk_end(out);
}

/// The size line of a chunk of `length` bytes, for data that is written from its own buffer. After
/// the data comes [`write_chunk_end`]. `length` is at least 1.
pub fn write_chunk_head(out: &mut impl BufMut, length: usize) {
    let mut digits = [0; HEX_DIGITS_MAX];
    let mut rest = length as u64;
    let mut first = HEX_DIGITS_MAX;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        let nibble = (rest & 0xf) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
        rest >>= 4;
        first = at;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(first..).unwrap_or_default());
    out.put_slice(b"\r\n");
}

/// The line end after a chunk's data.
pub fn write_chunk_end(out: &mut impl BufMut) {
    out.put_slice(b"\r\n");
}

/// The last chunk and the trailer section.
pub fn write_last_chunk(out: &mut impl BufMut, trailers: &[Trailer]) {
    out.put_slice(b"0\r\n");
    for (name, value) in trailers {
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

/// A number in decimal, without leading zeros.
pub fn write_decimal(out: &mut impl BufMut, number: u64) {
    let mut digits = [0; DECIMAL_DIGITS_MAX];
    let mut rest = number;
    let mut first = DECIMAL_DIGITS_MAX;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimals_are_what_the_standard_library_writes(number: u64) {
            let mut out = Vec::new();
            write_decimal(&mut out, number);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }

        #[test]
        fn chunk_heads_are_hexadecimal(length: usize) {
            let mut out = Vec::new();
            write_chunk_head(&mut out, length);
            prop_assert_eq!(out, format!("{length:x}\r\n").into_bytes());
        }
    }

    #[test]
    fn an_empty_chunk_is_not_written() {
        let mut out = Vec::new();
        write_chunk(&mut out, b"");
        assert_eq!(out, b"");
    }

    #[test]
    fn zero_has_one_digit() {
        let mut out = Vec::new();
        write_decimal(&mut out, 0);
        write_chunk_head(&mut out, 0);
        assert_eq!(out, b"00\r\n");
    }
}
