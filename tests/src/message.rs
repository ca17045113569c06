//! A small strict reader of HTTP/1.1 messages, written for the tests alone.
//!
//! It takes what RFC 9112 says a sender must send and nothing more lenient: CRLF, one space, no folding, one framing.

use std::io;

use serde_json::Value;

/// Field names as sent, values without outer whitespace.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A request as a backend received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// In order.
    pub fields: Fields,
    /// Decoded.
    pub body: Vec<u8>,
    /// After a chunked body.
    pub trailers: Fields,
}

/// An answer as a client received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// In order.
    pub fields: Fields,
    /// Decoded.
    pub body: Vec<u8>,
    /// After a chunked body.
    pub trailers: Fields,
}

/// First line and fields of a message.
#[derive(Debug, Clone)]
pub struct Head {
    /// The first line, without CRLF.
    pub line: String,
    /// In order.
    pub fields: Fields,
}

/// Where a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes.
    Length(usize),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Bytes that came and were not taken yet, and where more come from.
pub trait Source {
    /// What came so far.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Waits for more; 0 at the end.
    ///
    /// # Errors
    ///
    /// The connection's.
    fn fill(&mut self) -> io::Result<usize>;
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// All values of a field.
pub fn values<'f>(fields: &'f Fields, name: &str) -> Vec<&'f [u8]> {
    let named = fields
        .iter()
        .filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_slice()).collect()
}

/// The only value of a field, as text.
///
/// # Panics
///
/// When there are several.
pub fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    let values = values(fields, name);
    assert!(values.len() < 2, "{name} is there {} times", values.len());
    values
        .first()
        .map(|value| std::str::from_utf8(value).expect("a value that is text"))
}

/// Reads a head. `None`: the connection ended before its first byte.
///
/// # Errors
///
/// What is not as RFC 9112 wants it, or the connection's.
pub fn read_head(source: &mut impl Source) -> io::Result<Option<Head>> {
    let end = loop {
        let found = source
            .buffer()
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        if let Some(end) = found {
            break end;
        }
        if source.fill()? == 0 {
            let rest = source.buffer();
            return if rest.is_empty() {
                Ok(None)
            } else {
                Err(invalid(format!(
                    "ended inside a head: {:?}",
                    String::from_utf8_lossy(rest)
                )))
            };
        }
    };
    let head: Vec<u8> = source.buffer().drain(..end + 4).collect();
    let mut lines = split_lines(&head[..end]);
    let line = lines.remove(0);
    let line = std::str::from_utf8(line).map_err(|_| invalid("a first line that is not UTF-8"))?;
    let fields = lines
        .into_iter()
        .map(parse_field)
        .collect::<Result<_, _>>()?;
    Ok(Some(Head {
        line: line.to_owned(),
        fields,
    }))
}

fn split_lines(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

fn parse_field(line: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let shown = || invalid(format!("a field line {:?}", String::from_utf8_lossy(line)));
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or_else(shown)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty()
        || !name.iter().all(token)
        || value.iter().any(|byte| b"\r\n\0".contains(byte))
    {
        return Err(shown());
    }
    let name = String::from_utf8(name.to_vec()).map_err(|_| shown())?;
    Ok((name, value.trim_ascii().to_vec()))
}

/// The framing that the fields state.
///
/// # Errors
///
/// Contradicting or repeated ones.
pub fn framing(fields: &Fields) -> io::Result<Option<Framing>> {
    let (codings, lengths) = (
        values(fields, "Transfer-Encoding"),
        values(fields, "Content-Length"),
    );
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(None),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
        ([], [length]) if length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).unwrap_or_default().parse();
            length
                .map(|length| Some(Framing::Length(length)))
                .map_err(|_| invalid("a content length"))
        }
        _ => Err(invalid(format!("framing by {codings:?} and {lengths:?}"))),
    }
}

/// Reads a body and its trailers.
///
/// # Errors
///
/// A body that ends early or is chunked wrongly, or the connection's.
pub fn read_body(source: &mut impl Source, framing: Framing) -> io::Result<(Vec<u8>, Fields)> {
    match framing {
        Framing::Length(length) => Ok((take(source, length)?, Vec::new())),
        Framing::Chunked => read_chunks(source),
        Framing::UntilClose => {
            while source.fill()? > 0 {}
            Ok((std::mem::take(source.buffer()), Vec::new()))
        }
    }
}

fn read_chunks(source: &mut impl Source) -> io::Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    loop {
        let line = take_line(source)?;
        let digits = std::str::from_utf8(&line).unwrap_or_default();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| invalid(format!("a chunk size {:?}", String::from_utf8_lossy(&line))))?;
        if size == 0 {
            break;
        }
        body.extend(take(source, size)?);
        if !take_line(source)?.is_empty() {
            return Err(invalid("a chunk longer than its size"));
        }
    }
    let mut trailers = Vec::new();
    loop {
        let line = take_line(source)?;
        if line.is_empty() {
            return Ok((body, trailers));
        }
        trailers.push(parse_field(&line)?);
    }
}

fn take_line(source: &mut impl Source) -> io::Result<Vec<u8>> {
    loop {
        let found = source
            .buffer()
            .windows(2)
            .position(|window| window == b"\r\n");
        if let Some(end) = found {
            let line = source.buffer().drain(..end).collect();
            source.buffer().drain(..2);
            return Ok(line);
        }
        if source.fill()? == 0 {
            return Err(invalid("ended inside a line of a chunked body"));
        }
    }
}

/// Takes exactly `count` bytes.
///
/// # Errors
///
/// When fewer come, or the connection's.
pub fn take(source: &mut impl Source, count: usize) -> io::Result<Vec<u8>> {
    while source.buffer().len() < count {
        if source.fill()? == 0 {
            let came = source.buffer().len();
            return Err(invalid(format!("ended after {came} of {count} bytes")));
        }
    }
    Ok(source.buffer().drain(..count).collect())
}

/// Reads a request with its body. `None`: the connection ended before it.
///
/// # Errors
///
/// As [`read_head`] and [`read_body`].
pub fn read_request(source: &mut impl Source) -> io::Result<Option<Request>> {
    let Some(mut request) = read_request_head(source)? else {
        return Ok(None);
    };
    if let Some(framing) = framing(&request.fields)? {
        (request.body, request.trailers) = read_body(source, framing)?;
    }
    Ok(Some(request))
}

/// Reads a request's head; its body stays in the source.
///
/// # Errors
///
/// As [`read_head`].
pub fn read_request_head(source: &mut impl Source) -> io::Result<Option<Request>> {
    let Some(head) = read_head(source)? else {
        return Ok(None);
    };
    let parts: Vec<_> = head.line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else {
        return Err(invalid(format!("a request line {:?}", head.line)));
    };
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: head.fields,
        body: Vec::new(),
        trailers: Vec::new(),
    }))
}

/// Reads one answer, also an interim one, to a request of this method. `None`: the connection ended before it.
///
/// # Errors
///
/// As [`read_head`] and [`read_body`].
pub fn read_response(source: &mut impl Source, method: &str) -> io::Result<Option<Response>> {
    let Some(head) = read_head(source)? else {
        return Ok(None);
    };
    let shown = || invalid(format!("a status line {:?}", head.line));
    let (version, rest) = head.line.split_once(' ').ok_or_else(shown)?;
    let (status, reason) = rest.split_once(' ').ok_or_else(shown)?;
    let status: u16 = status.parse().map_err(|_| shown())?;
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !(100..600).contains(&status) {
        return Err(shown());
    }
    let stated = framing(&head.fields)?;
    let (body, trailers) = match (status, method) {
        (100..200 | 204 | 304, _) | (_, "HEAD") => (Vec::new(), Vec::new()),
        _ => read_body(source, stated.unwrap_or(Framing::UntilClose))?,
    };
    Ok(Some(Response {
        status,
        reason: reason.to_owned(),
        version: version.to_owned(),
        fields: head.fields,
        body,
        trailers,
    }))
}

impl Request {
    /// The only value of a field, as text.
    pub fn field(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }
}

impl Response {
    /// The only value of a field, as text.
    pub fn field(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body that is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The reference under which the log has it.
    ///
    /// # Panics
    ///
    /// When it has none.
    pub fn reference(&self) -> &str {
        self.field("X-Request-Id").expect("a reference")
    }

    /// The value of a cookie that is set.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let set = values(&self.fields, "Set-Cookie");
        set.into_iter()
            .filter_map(|value| std::str::from_utf8(value).ok())
            .find_map(|value| {
                value
                    .split(';')
                    .next()?
                    .strip_prefix(name)?
                    .strip_prefix('=')
            })
    }
}
