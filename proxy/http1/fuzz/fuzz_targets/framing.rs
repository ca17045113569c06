//! Bodies: the incremental decoder finds what a plain one over the whole input
//! finds, however the input is split, and encoded again the body is the same.
//!
//! The first octet chooses the framing, the second the size of the pieces.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use schleuse_http1::{BodyDecoder, BodyLength, Piece, Reject, Trailer, encode};
use schleuse_http1_fuzz::reference;

fuzz_target!(|input: &[u8]| {
    let [framing, step, stream @ ..] = input else {
        return;
    };
    let length = match framing % 8 {
        0 => BodyLength::Length(u64::from(*framing)),
        1 => BodyLength::UntilClose,
        _ => BodyLength::Chunked,
    };
    let whole = Decoded::of(length, stream, stream.len());
    for step in [1, usize::from(*step)] {
        assert_eq!(Decoded::of(length, stream, step), whole);
    }
    match length {
        BodyLength::Length(length) => check_length(length, stream, &whole),
        BodyLength::Chunked => check_chunked(stream, &whole),
        _ => assert_eq!((&whole.data[..], &whole.rest[..]), (stream, &b""[..])),
    }
});

/// Everything that a decoder says about a stream.
#[derive(Debug, PartialEq)]
struct Decoded {
    outcome: Result<bool, Reject>,
    data: Vec<u8>,
    rest: Vec<u8>,
    trailers: Vec<Trailer>,
    at_close: Result<(), Reject>,
}

impl Decoded {
    /// When the stream arrives in pieces of `step` octets.
    fn of(length: BodyLength, stream: &[u8], step: usize) -> Self {
        let mut decoder = BodyDecoder::new(length);
        let (mut buf, mut data) = (BytesMut::new(), Vec::new());
        let mut outcome = drain(&mut decoder, &mut buf, &mut data);
        for piece in stream.chunks(step.max(1)) {
            buf.extend_from_slice(piece);
            if outcome == Ok(false) {
                outcome = drain(&mut decoder, &mut buf, &mut data);
            }
        }
        Self {
            outcome,
            data,
            // What follows a refused element is unspecified.
            rest: if outcome.is_ok() {
                buf.to_vec()
            } else {
                Vec::new()
            },
            trailers: decoder.trailers().to_vec(),
            at_close: decoder.end_of_input(),
        }
    }
}

/// Whether the body ended.
fn drain(
    decoder: &mut BodyDecoder,
    buf: &mut BytesMut,
    data: &mut Vec<u8>,
) -> Result<bool, Reject> {
    loop {
        match decoder.decode(buf)? {
            Piece::Data(piece) => {
                assert!(!piece.is_empty());
                data.extend_from_slice(&piece);
            }
            Piece::More => return Ok(false),
            Piece::End => return Ok(true),
        }
    }
}

fn check_length(length: u64, stream: &[u8], decoded: &Decoded) {
    let taken = stream.len().min(length as usize);
    assert_eq!(decoded.data, stream[..taken]);
    assert_eq!(decoded.rest, stream[taken..]);
    assert_eq!(decoded.at_close.is_ok(), taken as u64 == length);
}

fn check_chunked(stream: &[u8], decoded: &Decoded) {
    let reference = reference::chunked(stream);
    assert_eq!(decoded.outcome == Ok(true), reference.is_some());
    assert_eq!(decoded.at_close.is_ok(), reference.is_some());
    let Some(reference) = reference else {
        return;
    };
    assert_eq!(decoded.data, reference.data);
    assert_eq!(decoded.rest, reference.rest);
    let mut out = Vec::new();
    for piece in decoded.data.chunks(5) {
        encode::write_chunk(&mut out, piece);
    }
    encode::write_last_chunk(&mut out, &decoded.trailers);
    let again = Decoded::of(BodyLength::Chunked, &out, out.len());
    assert_eq!(
        (&again.data, &again.trailers),
        (&decoded.data, &decoded.trailers)
    );
    assert_eq!((again.outcome, &again.rest[..]), (Ok(true), &b""[..]));
}
