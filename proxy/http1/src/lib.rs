//! HTTP/1.1 as Schleuse speaks it: heads, body framing and the way back to
//! bytes, without IO, clock or lock.
//!
//! A proxy and the server behind it must read the same bytes the same way, or
//! one client's bytes become another client's request. So this crate is strict
//! where RFC 9112 lets a recipient be lenient, judges a head once, and the proxy
//! forwards what was understood, never what was received. Tokenising is
//! `httparse`'s; every rule beyond single octets is here.
//!
//! - [`take_request`] and [`take_response`] read a head from a buffer.
//! - [`BodyDecoder`] cuts a body out of the bytes that follow.
//! - [`encode`] writes heads and chunks.
//! - [`Reject`] names each reason for which any of them refuses.

mod authority;
mod body;
mod chunked;
mod diagnosis;
pub mod encode;
mod fields;
mod framing;
mod grammar;
mod known;
mod reject;
mod request;
mod response;
mod scan;
mod target;
mod trailers;

pub use body::{BodyDecoder, Piece};
pub use fields::Field;
pub use framing::BodyLength;
pub use known::Known;
pub use reject::Reject;
pub use request::{RequestHead, take_request};
pub use response::{ResponseHead, ResponseTo, take_response};
pub use target::Scheme;
pub use trailers::Trailer;

/// Most fields a head can have, whatever [`HeadLimits`] say: what the parser
/// keeps room for on its stack (8 KiB).
pub const FIELDS_CEILING: usize = 256;

/// Most bytes a head can have, whatever [`HeadLimits`] say: positions inside
/// a head are kept as 16 bit.
pub const HEAD_BYTES_CEILING: usize = u16::MAX as usize;

/// How much head a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of a head with its last empty line; above [`HEAD_BYTES_CEILING`] it counts as that.
    pub bytes_max: usize,
    /// Field lines of a head, dropped ones included; above [`FIELDS_CEILING`] it counts as that.
    pub fields_max: usize,
}

impl HeadLimits {
    /// The most that the parser can hold.
    pub const CEILING: Self = Self {
        bytes_max: HEAD_BYTES_CEILING,
        fields_max: FIELDS_CEILING,
    };
}

impl Default for HeadLimits {
    /// 32 KiB and 100 fields: what common servers behind a proxy take at most.
    fn default() -> Self {
        Self {
            bytes_max: 32 * 1024,
            fields_max: 100,
        }
    }
}

/// The protocol version of a head (RFC 9112 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, closes unless asked to keep.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// From the minor number that `httparse` found; it knows no others.
    const fn from_minor(minor: u8) -> Self {
        if minor == 0 {
            Self::Http10
        } else {
            Self::Http11
        }
    }
}
