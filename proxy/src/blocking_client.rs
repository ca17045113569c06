//! One HTTP request and its answer over any stream, blocking: for commands that ask and end, not for the proxy's path.

use std::io::{self, ErrorKind, Read, Write};

use bytes::BytesMut;
use schleuse_http1::{BodyDecoder, HeadLimits, Piece, ResponseHead, ResponseTo, take_response};

/// What came back.
#[derive(Debug, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

/// Sends `request` as it is and reads one answer, interim ones passed over.
///
/// # Errors
///
/// The stream's, and [`ErrorKind::InvalidData`] for an answer that is no HTTP.
pub fn exchange(stream: &mut (impl Read + Write), request: &str) -> io::Result<Response> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut buf = BytesMut::new();
    let head = loop {
        let mut scanned = 0;
        let head = take_response(
            &mut buf,
            &mut scanned,
            &HeadLimits::default(),
            ResponseTo::default(),
        );
        match head.map_err(|reject| io::Error::new(ErrorKind::InvalidData, reject.to_string()))? {
            Some(head) if head.interim() => {}
            Some(head) => break head,
            None if read(stream, &mut buf)? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    };
    let body = read_body(stream, &mut buf, &head)?;
    let fields = head.fields().map(|field| {
        let value = String::from_utf8_lossy(field.value).into_owned();
        (field.name.to_ascii_lowercase(), value)
    });
    Ok(Response {
        status: head.status(),
        fields: fields.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn read_body(
    stream: &mut impl Read,
    buf: &mut BytesMut,
    head: &ResponseHead,
) -> io::Result<Vec<u8>> {
    let invalid =
        |reject: schleuse_http1::Reject| io::Error::new(ErrorKind::InvalidData, reject.to_string());
    let mut decoder = BodyDecoder::new(head.body());
    let mut body = Vec::new();
    loop {
        match decoder.decode(buf).map_err(invalid)? {
            Piece::Data(piece) => body.extend_from_slice(&piece),
            Piece::End => return Ok(body),
            Piece::More if read(stream, buf)? == 0 => {
                decoder.end_of_input().map_err(invalid)?;
                return Ok(body);
            }
            Piece::More => {}
        }
    }
}

fn read(stream: &mut impl Read, buf: &mut BytesMut) -> io::Result<usize> {
    let mut chunk = [0; 8192];
    let count = stream.read(&mut chunk)?;
    buf.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count)
}
