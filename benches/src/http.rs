//! The little HTTP that the run itself speaks: GET and POST on a blocking connection, and the end of an answer.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::Outcome;

/// An answer that takes longer is a failure.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A status and a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What is at the front of received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) status: u16,
    /// Bytes of the head.
    pub(crate) head: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
    /// The server keeps the connection.
    pub(crate) keep_alive: bool,
}

impl Frame {
    /// Bytes of the whole answer.
    pub(crate) fn bytes(self) -> usize {
        self.head + self.body
    }
}

/// Reads the head of an answer with a length; none while it is incomplete.
///
/// # Errors
///
/// When it is no such answer.
pub(crate) fn frame(bytes: &[u8]) -> Outcome<Option<Frame>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else {
        return Ok(None);
    };
    let status = answer.code.ok_or("an answer without status")?;
    let value = |name: &str| {
        let mut fields = answer.headers.iter();
        fields
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    let length = value("content-length").ok_or("an answer without length")?;
    Ok(Some(Frame {
        status,
        head,
        body: std::str::from_utf8(length)?.trim().parse()?,
        keep_alive: !value("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close")),
    }))
}

/// The bytes of a GET.
pub(crate) fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Connects with a bound on every later read.
///
/// # Errors
///
/// When nobody listens.
pub(crate) fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    connect_from(None, address)
}

/// The same from this address of ours.
///
/// # Errors
///
/// When nobody listens, or the address is not ours.
pub(crate) fn connect_from(local: Option<IpAddr>, address: SocketAddr) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    socket.connect_timeout(&address.into(), ANSWER_MAX)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends `request` and reads its answer.
///
/// # Errors
///
/// When the connection breaks or the answer has no length.
pub(crate) fn ask(stream: &mut (impl Read + Write), request: &str) -> Outcome<Answer> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    read_answer(stream)
}

/// Reads the answer to what was sent.
///
/// # Errors
///
/// When the connection breaks or the answer has no length.
pub(crate) fn read_answer(stream: &mut impl Read) -> Outcome<Answer> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(frame) = frame(&received)?
            && received.len() >= frame.bytes()
        {
            let body = received.get(frame.head..frame.bytes()).unwrap_or_default();
            return Ok(Answer {
                status: frame.status,
                body: String::from_utf8_lossy(body).into_owned(),
            });
        }
        match stream.read(&mut chunk)? {
            0 => return Err("the connection ended before the answer".into()),
            count => received.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_head_is() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let frame = frame(bytes).unwrap().unwrap();
        assert_eq!(
            (frame.status, frame.body, frame.bytes()),
            (200, 5, bytes.len())
        );
        assert!(frame.keep_alive);
    }

    #[test]
    fn half_a_head_is_not_an_answer_yet() {
        assert_eq!(frame(b"HTTP/1.1 200 OK\r\nContent-").unwrap(), None);
    }

    #[test]
    fn close_is_seen() {
        let bytes = b"HTTP/1.1 503 No\r\nConnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(!frame(bytes).unwrap().unwrap().keep_alive);
    }

    #[test]
    fn an_answer_without_length_is_refused() {
        assert!(frame(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
