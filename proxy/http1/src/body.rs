//! Cuts a message body out of the bytes that arrive, whatever their split, and
//! says when it ended. Data is handed on as it comes; nothing is copied.

use bytes::{Bytes, BytesMut};

use crate::chunked::{ChunkedDecoder, take_data};
use crate::trailers::Trailer;
use crate::{BodyLength, HeadLimits, Reject};

/// What a decoder found next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of the body, at least one byte.
    Data(Bytes),
    /// Nothing without more input.
    More,
    /// The body ended; what is left in the buffer is not part of it.
    End,
}

/// Decodes the body of one message.
#[derive(Debug)]
pub struct BodyDecoder {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// So much is left.
    Length(u64),
    /// Boxed, so that the many bodies that are not chunked stay small.
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
    Ended,
    Failed(Reject),
}

impl BodyDecoder {
    /// A decoder for a body of that length, with the default limits for a trailer section.
    pub fn new(length: BodyLength) -> Self {
        Self::with_limits(length, &HeadLimits::default())
    }

    /// A decoder whose trailer section keeps to `limits`.
    pub fn with_limits(length: BodyLength, limits: &HeadLimits) -> Self {
        let kind = match length {
            BodyLength::Empty | BodyLength::Length(0) => Kind::Ended,
            BodyLength::Length(left) => Kind::Length(left),
            BodyLength::Chunked => Kind::Chunked(Box::new(ChunkedDecoder::new(*limits))),
            BodyLength::UntilClose => Kind::UntilClose,
        };
        Self { kind }
    }

    /// Takes the next piece off the front of `buf`. To be called until it says
    /// [`Piece::More`] or [`Piece::End`].
    ///
    /// # Errors
    /// What is wrong with the chunked coding; the same again for every later call.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Piece, Reject> {
        let piece = match &mut self.kind {
            Kind::Failed(reject) => return Err(*reject),
            Kind::Ended => return Ok(Piece::End),
            Kind::Chunked(chunked) => chunked.decode(buf),
            _ if buf.is_empty() => return Ok(Piece::More),
            Kind::UntilClose => return Ok(Piece::Data(std::mem::take(buf).freeze())),
            Kind::Length(left) => {
                let data = take_data(buf, *left);
                *left -= data.len() as u64;
                if *left == 0 {
                    self.kind = Kind::Ended;
                }
                return Ok(Piece::Data(data));
            }
        };
        if let Err(reject) = piece {
            self.kind = Kind::Failed(reject);
        }
        piece
    }

    /// Says that the peer closed and nothing more will come.
    ///
    /// # Errors
    /// [`Reject::BodyCutShort`] when the body had not ended, in whatever state (RFC 9112 §8).
    pub fn end_of_input(&mut self) -> Result<(), Reject> {
        if self.ended() || matches!(self.kind, Kind::UntilClose) {
            self.kind = match std::mem::replace(&mut self.kind, Kind::Ended) {
                Kind::Chunked(chunked) => Kind::Chunked(chunked),
                _ => Kind::Ended,
            };
            return Ok(());
        }
        let reject = match self.kind {
            Kind::Failed(reject) => reject,
            _ => Reject::BodyCutShort,
        };
        self.kind = Kind::Failed(reject);
        Err(reject)
    }

    /// Whether the body ended. True as soon as the last byte of a known length was handed out.
    pub fn ended(&self) -> bool {
        match &self.kind {
            Kind::Ended => true,
            Kind::Chunked(chunked) => chunked.ended(),
            Kind::Length(_) | Kind::UntilClose | Kind::Failed(_) => false,
        }
    }

    /// Bytes that are still to be handed out, where that is known: of a `Content-Length`.
    pub fn left(&self) -> Option<u64> {
        match self.kind {
            Kind::Length(left) => Some(left),
            Kind::Ended => Some(0),
            Kind::Chunked(_) | Kind::UntilClose | Kind::Failed(_) => None,
        }
    }

    /// The trailers that may go on, once the body ended; names and values are checked.
    pub fn trailers(&self) -> &[Trailer] {
        match &self.kind {
            Kind::Chunked(chunked) => chunked.trailers(),
            _ => &[],
        }
    }
}
