//! Whole messages as the crate under test understands them, and the bytes that
//! the proxy would send on for them.

use bytes::BytesMut;
use schleuse_http1::{
    BodyDecoder, BodyLength, Field, HeadLimits, Known, Piece, RequestHead, ResponseHead,
    ResponseTo, encode, take_request, take_response,
};

/// A body and its trailers.
pub struct Body {
    /// The decoded octets.
    pub data: Vec<u8>,
    /// The chunked coding's trailers that go on.
    pub trailers: Vec<schleuse_http1::Trailer>,
}

/// Name and value of a field.
pub type NamedValue = (Vec<u8>, Vec<u8>);

/// The first request in `input` with its whole body, when it is complete and accepted.
pub fn read_request(input: &[u8]) -> Option<(RequestHead, Body)> {
    let mut buf = BytesMut::from(input);
    let head = take_request(&mut buf, &mut 0, &HeadLimits::default()).ok()??;
    let body = read_body(head.body(), &mut buf)?;
    Some((head, body))
}

/// The first answer in `input` with its whole body, as the answer to a GET.
pub fn read_response(input: &[u8]) -> Option<(ResponseHead, Body)> {
    let mut buf = BytesMut::from(input);
    let to = ResponseTo::default();
    let head = take_response(&mut buf, &mut 0, &HeadLimits::default(), to).ok()??;
    let body = read_body(head.body(), &mut buf)?;
    Some((head, body))
}

fn read_body(length: BodyLength, buf: &mut BytesMut) -> Option<Body> {
    let mut decoder = BodyDecoder::new(length);
    let mut data = Vec::new();
    loop {
        match decoder.decode(buf).ok()? {
            Piece::Data(piece) => data.extend_from_slice(&piece),
            Piece::End => break,
            Piece::More => {
                decoder.end_of_input().ok()?;
                break;
            }
        }
    }
    let trailers = decoder.trailers().to_vec();
    Some(Body { data, trailers })
}

/// The fields that go on, in order.
pub fn passed<'h>(fields: impl Iterator<Item = Field<'h>>) -> Vec<NamedValue> {
    fields
        .filter(|field| !field.hop_by_hop && field.known != Known::Host)
        .map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()))
        .collect()
}

/// The request as the proxy sends it, and the fields that it sends.
pub fn forward_request(head: &RequestHead, body: &Body) -> (Vec<u8>, Vec<NamedValue>) {
    let mut fields = vec![(b"Host".to_vec(), head.host().as_bytes().to_vec())];
    fields.extend(passed(head.fields()));
    if head.websocket() {
        fields.push((b"Connection".to_vec(), b"upgrade".to_vec()));
        fields.push((b"Upgrade".to_vec(), b"websocket".to_vec()));
    }
    let mut out = Vec::new();
    encode::write_request_line(&mut out, head.method(), head.target());
    finish(&mut out, &mut fields, head.body(), body);
    (out, fields)
}

/// The answer as the proxy sends it to an HTTP/1.1 client, and the fields that it sends.
pub fn forward_response(head: &ResponseHead, body: &Body) -> (Vec<u8>, Vec<NamedValue>) {
    let mut fields = passed(head.fields());
    let mut out = Vec::new();
    let version = schleuse_http1::Version::Http11;
    encode::write_status_line(&mut out, version, head.status(), head.reason());
    finish(&mut out, &mut fields, head.body(), body);
    (out, fields)
}

fn finish(out: &mut Vec<u8>, fields: &mut Vec<NamedValue>, length: BodyLength, body: &Body) {
    for (name, value) in &*fields {
        encode::write_field(out, std::str::from_utf8(name).unwrap(), value);
    }
    match length {
        BodyLength::Empty | BodyLength::Length(_) => {
            encode::write_head_end(out);
            out.extend_from_slice(&body.data);
        }
        BodyLength::Chunked | BodyLength::UntilClose => {
            encode::write_chunked_coding(out);
            fields.push((b"Transfer-Encoding".to_vec(), b"chunked".to_vec()));
            encode::write_head_end(out);
            for piece in body.data.chunks(7) {
                encode::write_chunk(out, piece);
            }
            encode::write_last_chunk(out, &body.trailers);
        }
    }
}
