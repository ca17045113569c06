//! The chunked coding (RFC 9112 §7.1), read octet by octet between chunks and
//! in whole pieces inside them.
//!
//! Extensions are read and dropped, as any recipient may. They are bounded, and
//! no control character passes, because servers differ in what ends one.

use bytes::{Buf, Bytes, BytesMut};

use crate::body::Piece;
use crate::fields::take;
use crate::trailers::{Trailer, take_trailers};
use crate::{HeadLimits, Reject};

/// A 64-bit size has 16 hexadecimal digits.
const SIZE_DIGITS_MAX: u8 = 16;

/// Bytes of extensions per chunk, whitespace in front included.
const EXTENSION_BYTES_MAX: u16 = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size, after that many digits.
    Size { digits: u8, size: u64 },
    /// In whitespace between size and extension, or in an extension.
    Extension { seen: u16, begun: bool, size: u64 },
    /// After the CR of the size line.
    SizeEnd { size: u64 },
    /// In the data, of which so much is left.
    Data { left: u64 },
    /// After the data.
    DataEnd,
    /// After the CR behind the data.
    DataLineEnd,
    /// After the last chunk.
    Trailers,
    /// After the trailers.
    Ended,
}

/// Decodes one chunked body.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// How much of the trailer section was searched.
    scanned: usize,
    limits: HeadLimits,
    trailers: Vec<Trailer>,
}

impl ChunkedDecoder {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            scanned: 0,
            limits,
            trailers: Vec::new(),
        }
    }

    pub(crate) fn trailers(&self) -> &[Trailer] {
        &self.trailers
    }

    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Result<Piece, Reject> {
        loop {
            match self.state {
                State::Ended => return Ok(Piece::End),
                State::Trailers => match take_trailers(buf, &mut self.scanned, &self.limits)? {
                    None => return Ok(Piece::More),
                    Some(trailers) => {
                        self.trailers = trailers;
                        self.state = State::Ended;
                    }
                },
                _ if buf.is_empty() => return Ok(Piece::More),
                State::Data { left } => {
                    let data = take_data(buf, left);
                    self.state = match left - data.len() as u64 {
                        0 => State::DataEnd,
                        left => State::Data { left },
                    };
                    return Ok(Piece::Data(data));
                }
                _ => self.read_between(buf)?,
            }
        }
    }

    /// Reads octets up to the next data, the trailers or the end of the buffer.
    fn read_between(&mut self, buf: &mut BytesMut) -> Result<(), Reject> {
        let mut read = 0;
        for &byte in buf.iter() {
            if matches!(self.state, State::Data { .. } | State::Trailers) {
                break;
            }
            self.state = self.state.after(byte)?;
            read += 1;
        }
        buf.advance(read.min(buf.len()));
        Ok(())
    }
}

/// What is there of the data, without a copy. `left` and the buffer are not empty.
pub(crate) fn take_data(buf: &mut BytesMut, left: u64) -> Bytes {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    take(buf, length).freeze()
}

impl State {
    fn after(self, byte: u8) -> Result<Self, Reject> {
        match self {
            Self::Size { digits, size } => after_size(digits, size, byte),
            Self::Extension { seen, begun, size } => after_extension(seen, begun, size, byte),
            Self::SizeEnd { size } => match (byte, size) {
                (b'\n', 0) => Ok(Self::Trailers),
                (b'\n', left) => Ok(Self::Data { left }),
                _ => Err(Reject::BareCr),
            },
            Self::DataEnd if byte == b'\r' => Ok(Self::DataLineEnd),
            Self::DataLineEnd if byte == b'\n' => Ok(Self::Size { digits: 0, size: 0 }),
            Self::DataEnd | Self::DataLineEnd => Err(Reject::BadChunkEnd),
            Self::Data { .. } | Self::Trailers | Self::Ended => Ok(self),
        }
    }
}

fn after_size(digits: u8, size: u64, byte: u8) -> Result<State, Reject> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        if digits == SIZE_DIGITS_MAX {
            return Err(Reject::ChunkSizeOverflow);
        }
        return Ok(State::Size {
            digits: digits + 1,
            size: size << 4 | u64::from(digit),
        });
    }
    match byte {
        _ if digits == 0 => Err(Reject::BadChunkSize),
        b'\r' => Ok(State::SizeEnd { size }),
        b'\n' => Err(Reject::BareLf),
        b';' | b' ' | b'\t' => Ok(State::Extension {
            seen: 1,
            begun: byte == b';',
            size,
        }),
        _ => Err(Reject::BadChunkSize),
    }
}

/// Whitespace is taken only in front of a semicolon (RFC 9112 §7.1.1).
fn after_extension(seen: u16, begun: bool, size: u64, byte: u8) -> Result<State, Reject> {
    match byte {
        b'\r' if begun => return Ok(State::SizeEnd { size }),
        b'\n' => return Err(Reject::BareLf),
        b';' | b' ' | b'\t' => {}
        _ if !begun => return Err(Reject::BadChunkSize),
        0..=0x1f | 0x7f => return Err(Reject::BadChunkExtension),
        _ => {}
    }
    if seen == EXTENSION_BYTES_MAX {
        return Err(Reject::ChunkExtensionTooLong);
    }
    Ok(State::Extension {
        seen: seen + 1,
        begun: begun || byte == b';',
        size,
    })
}
