//! One connection to the target: writes a request as far as the kernel takes it, reads an answer from whatever comes.
//!
//! Buffers belong to the worker; a connection owns memory only for what the kernel did not take or what came in pieces,
//! and for its TLS state. So an idle plain connection costs a few hundred bytes.

use std::{
    io::{self, Read, Write},
    os::fd::OwnedFd,
    rc::Rc,
};

use rustix::io::Errno;
use rustls::{ClientConnection, HandshakeKind};

use super::{answer::Reader, http2::Session, socket::reason_of, socket_io::SocketIo};
use crate::{
    record::Remainder,
    results::Reason,
    workload::{Tls, Written},
};

/// What uploads consist of.
static FILLER: [u8; 16_384] = [b'x'; 16_384];

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connecting, or shaking hands.
    Opening,
    /// Ready for a request.
    Idle,
    /// Serving the citizen at this place.
    Busy(u32),
    /// HTTP/2, for as many at once as the peer allows.
    Multiplexed,
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Nothing that changes anything.
    Nothing,
    /// The whole answer; the connection can be used again if the answer allows it.
    Answer,
    /// The connection is over.
    End(Reason),
}

/// A request as it is put on a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// Head and text.
    pub(crate) bytes: &'a [u8],
    pub(crate) body: Written,
    /// Whether the answer has no body.
    pub(crate) is_head: bool,
    /// When it was planned, nanoseconds since the start.
    pub(crate) plan: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Rc<OwnedFd>,
    /// Tells it from others that had the same place in the table.
    pub(crate) generation: u32,
    pub(crate) stage: Stage,
    /// The citizen it belongs to; none if it is shared.
    pub(crate) owner: Option<u32>,
    pub(crate) reader: Reader,
    /// Requests it was used for.
    pub(crate) used: u64,
    /// Whether the TLS handshake was resumed; none without TLS, or before its end.
    pub(crate) resumed: Option<bool>,
    /// Whether an HTTP/2 connection is among those to choose from.
    pub(crate) is_listed: bool,
    pub(crate) session: Option<Box<Session>>,
    tls: Option<Box<ClientConnection>>,
    /// What the kernel did not take yet, from `out_from` on.
    out: Vec<u8>,
    out_from: usize,
    /// Of an upload, what was not given to the kernel or to TLS yet.
    filler: u64,
    /// Bytes of the body of the request at hand.
    body: u64,
    /// Of them, those that TLS was given last: the peer can read none of a record before all of it is there.
    sealed: u64,
    /// When the request at hand was planned.
    plan: u64,
}

/// Buffers of a worker, used for every connection in turn.
#[derive(Debug)]
pub(crate) struct Scratch {
    raw: Box<[u8]>,
    plain: Box<[u8]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            raw: vec![0; 65_536].into(),
            plain: vec![0; 65_536].into(),
        }
    }
}

impl Connection {
    /// Over a socket that is connecting.
    pub(crate) fn new(
        socket: OwnedFd,
        generation: u32,
        owner: Option<u32>,
        tls: Option<&Tls>,
    ) -> Result<Self, Reason> {
        let tls = match tls {
            None => None,
            Some(tls) => {
                let mut session = ClientConnection::new(tls.config.clone(), tls.name.clone())
                    .map_err(|_| Reason::Tls)?;
                session.set_buffer_limit(None);
                Some(Box::new(session))
            }
        };
        Ok(Self {
            socket: Rc::new(socket),
            generation,
            stage: Stage::Opening,
            owner,
            reader: Reader::default(),
            used: 0,
            resumed: None,
            is_listed: false,
            session: None,
            tls,
            out: Vec::new(),
            out_from: 0,
            filler: 0,
            body: 0,
            sealed: 0,
            plan: 0,
        })
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The error with which connecting ended, if it did.
    pub(crate) fn connect_error(&self) -> Option<Reason> {
        match rustix::net::sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => None,
            Ok(Err(errno)) | Err(errno) => Some(reason_of(errno)),
        }
    }

    /// Goes on shaking hands; true when the connection is ready for requests.
    pub(crate) fn handshake(&mut self) -> Result<bool, Reason> {
        if self.tls.is_none() {
            return Ok(true);
        }
        // A peer that closes in the middle of a handshake speaks no TLS, or refused us.
        self.write_records().map_err(|_| Reason::Tls)?;
        self.read_handshake().map_err(|_| Reason::Tls)?;
        self.write_records().map_err(|_| Reason::Tls)?;
        let Some(tls) = self.tls.as_ref().filter(|tls| !tls.is_handshaking()) else {
            return Ok(false);
        };
        self.resumed = tls
            .handshake_kind()
            .map(|kind| kind == HandshakeKind::Resumed);
        Ok(true)
    }

    /// Takes what came of the handshake. What lies behind its end is for whoever speaks next: of an HTTP/2 server that may be
    /// its first frame.
    fn read_handshake(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.is_handshaking() {
            match tls.read_tls(&mut Socket(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => tls.process_new_packets().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Speaks HTTP/2 from here on, on a connection that is ready for bytes.
    pub(crate) fn begin_session(&mut self) -> Result<(), Reason> {
        let tls = self.tls.take();
        // Without TLS it is prior knowledge; with it, the peer had to agree (ALPN).
        if tls
            .as_ref()
            .is_some_and(|tls| tls.alpn_protocol() != Some(b"h2"))
        {
            return Err(Reason::Tls);
        }
        let io = SocketIo::new(Rc::clone(&self.socket), tls);
        self.session = Some(Box::new(Session::new(io)));
        Ok(())
    }

    /// Whether a request may be sent on it now.
    pub(crate) fn is_free(&self) -> bool {
        match (self.stage, &self.session) {
            (Stage::Idle, _) => true,
            (Stage::Multiplexed, Some(session)) => session.has_room(),
            _ => false,
        }
    }

    /// Whether it only ends what it has (HTTP/2).
    pub(crate) fn is_leaving(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.is_leaving())
    }

    /// Begins a request.
    pub(crate) fn send(&mut self, request: Outgoing<'_>) -> Result<(), Reason> {
        self.reader.expect(request.is_head);
        self.used += 1;
        self.filler = request.body.filler;
        self.body = request.body.body();
        self.sealed = request.body.text;
        self.plan = request.plan;
        if let Some(tls) = &mut self.tls {
            let taken = tls.writer().write_all(request.bytes);
            taken.map_err(|_| Reason::Tls)?;
            let flushed = self.flush();
            return if self.filler > 0 { Ok(()) } else { flushed };
        }
        let written = write(&self.socket, request.bytes)?;
        self.out.clear();
        self.out_from = 0;
        if written < request.bytes.len() {
            self.out
                .extend_from_slice(request.bytes.get(written..).unwrap_or_default());
            return Ok(());
        }
        // That it breaks under an upload the kernel tells again, with the answer that may lie before it.
        let _ = self.flush();
        Ok(())
    }

    /// Whether a part of the request was not given to the kernel yet. An answer may come before (RFC 9112 §9.3): the peer
    /// then takes whatever follows for the rest of that body.
    pub(crate) fn is_writing(&self) -> bool {
        let sealed = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        self.filler > 0 || self.out_from < self.out.len() || sealed
    }

    /// What the request at hand would leave if it ended now: bytes of its body that the peer cannot have, and those of an
    /// answer that is not whole.
    pub(crate) fn remainder(&self) -> Remainder {
        let sealed = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let sealed = if sealed { self.sealed } else { 0 };
        let kept = self.out.len().saturating_sub(self.out_from) as u64;
        Remainder {
            plan: self.plan,
            unsent_bytes: self.body.min(self.filler + kept + sealed),
            received_bytes: if matches!(self.stage, Stage::Busy(_)) {
                self.reader.answer.body_bytes
            } else {
                0
            },
        }
    }

    /// Writes on where the kernel stopped taking.
    pub(crate) fn flush(&mut self) -> Result<(), Reason> {
        if self.tls.is_some() {
            return self.flush_tls();
        }
        while let Some(rest) = self
            .out
            .get(self.out_from..)
            .filter(|rest| !rest.is_empty())
        {
            match write(&self.socket, rest)? {
                0 => return Ok(()),
                written => self.out_from += written,
            }
        }
        while self.filler > 0 {
            match write(&self.socket, next_filler(self.filler))? {
                0 => return Ok(()),
                written => self.filler -= written as u64,
            }
        }
        Ok(())
    }

    fn flush_tls(&mut self) -> Result<(), Reason> {
        loop {
            self.write_records()?;
            let Some(tls) = &mut self.tls else {
                return Ok(());
            };
            if tls.wants_write() || self.filler == 0 {
                return Ok(());
            }
            let next = next_filler(self.filler);
            tls.writer().write_all(next).map_err(|_| Reason::Tls)?;
            self.filler -= next.len() as u64;
            self.sealed = next.len() as u64;
        }
    }

    fn write_records(&mut self) -> Result<(), Reason> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            match tls.write_tls(&mut Socket(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(Errno::from_io_error(&error).map_or(Reason::Reset, reason_of));
                }
            }
        }
        Ok(())
    }

    /// Reads until the kernel has no more. A read that does not fill the buffer has emptied it (epoll(7), Q9).
    pub(crate) fn receive(&mut self, scratch: &mut Scratch) -> Arrived {
        let mut arrived = Arrived::Nothing;
        loop {
            let read = match rustix::io::read(&self.socket, &mut *scratch.raw) {
                Ok(read) => read,
                Err(Errno::AGAIN | Errno::INTR) => return arrived,
                // No end, even of an answer that ends with its connection.
                Err(_) if arrived == Arrived::Nothing => return Arrived::End(Reason::Reset),
                Err(_) => return self.end(arrived),
            };
            if read == 0 {
                return self.end(arrived);
            }
            let bytes = scratch.raw.get(..read).unwrap_or_default();
            let fed = match &mut self.tls {
                None => self.reader.feed(bytes).map_err(|_| Reason::MalformedAnswer),
                Some(tls) => decrypt(tls, &mut self.reader, bytes, &mut scratch.plain),
            };
            match fed {
                Ok(true) => arrived = Arrived::Answer,
                Ok(false) => {}
                Err(reason) => return Arrived::End(reason),
            }
            if read < scratch.raw.len() {
                return arrived;
            }
        }
    }

    /// The peer closed: that may complete an answer, or come right behind one.
    fn end(&mut self, arrived: Arrived) -> Arrived {
        if arrived == Arrived::Answer {
            self.reader.answer.closes = true;
            return arrived;
        }
        if self.reader.end() {
            Arrived::Answer
        } else {
            Arrived::End(Reason::Reset)
        }
    }
}

fn next_filler(left: u64) -> &'static [u8] {
    let length = usize::try_from(left)
        .unwrap_or(usize::MAX)
        .min(FILLER.len());
    FILLER.get(..length).unwrap_or_default()
}

/// How much the kernel took; 0: none for now.
fn write(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Reason> {
    // Without SIGPIPE, which would end a process that does not ignore it.
    match rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err(reason_of(errno)),
    }
}

/// Whether the answer is complete behind these records.
fn decrypt(
    tls: &mut ClientConnection,
    reader: &mut Reader,
    mut records: &[u8],
    plain: &mut [u8],
) -> Result<bool, Reason> {
    let mut complete = false;
    while !records.is_empty() {
        tls.read_tls(&mut records).map_err(|_| Reason::Tls)?;
        tls.process_new_packets().map_err(|_| Reason::Tls)?;
        loop {
            match tls.reader().read(plain) {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    let bytes = plain.get(..read).unwrap_or_default();
                    complete = reader.feed(bytes).map_err(|_| Reason::MalformedAnswer)?;
                }
            }
        }
    }
    Ok(complete)
}

/// Reads and writes without waiting.
pub(crate) struct Socket<'a>(pub(crate) &'a OwnedFd);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, buffer)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = rustix::net::SendFlags::NOSIGNAL;
        Ok(rustix::net::send(self.0, bytes, flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
