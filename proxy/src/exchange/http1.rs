//! HTTP/1.1 towards the client: one request of a connection as an [`Exchange`].
//!
//! Head and body arrive through the connection's buffer; the answer leaves through a buffer that the worker lends until
//! it is written, so a request that waits owns neither. Both directions share the stream through an uncontended lock
//! (5 ns): they run in one task, the lock only makes the borrow visible to the compiler.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use schleuse_http1::{
    BodyDecoder, BodyLength, Known, Piece, RequestHead, ResponseHead, Trailer, Version,
    encode::{
        write_chunk_end, write_chunk_head, write_chunked_coding, write_content_length, write_field,
        write_head_end, write_last_chunk, write_status_line,
    },
};

use super::{Answer, BodyIn, ClientError, Exchange, Parts, Responder, is_content};
use crate::{
    deadlines::{Deadlines, Limit, Stop},
    pace::{Pace, PacePolicy},
    socket::{Wire, poll_read_some},
};

/// Held back so that small pieces share a packet; larger ones are written as they come.
const HELD_BACK_BYTES: usize = 16 * 1024;
/// So much of a refused request's body is read away to keep the connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;
/// A buffer that grew beyond this is not kept for the next request.
const LENT_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Answers are built in this buffer, lent until they are written.
    static OUT: Cell<BytesMut> = Cell::default();
}

/// Takes the worker's buffer for a head; [`give_back`] returns it.
pub(crate) fn lend() -> BytesMut {
    OUT.take()
}

/// Returns what [`lend`] gave, once it is written.
pub(crate) fn give_back(mut buffer: BytesMut) {
    if buffer.capacity() <= LENT_BYTES_MAX {
        buffer.clear();
        OUT.set(buffer);
    }
}

/// One request on an HTTP/1.1 connection.
#[derive(Debug)]
pub struct Http1<'c, W> {
    wire: Mutex<&'c mut W>,
    head: RequestHead,
    reading: Reading<'c>,
    writing: Writing,
    /// The client holds its body back until a 100 comes (RFC 9110 §10.1.1). Both directions learn of its end.
    held_back: AtomicBool,
    deadlines: &'c Deadlines,
}

/// What the connection does after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Takes the next request.
    Keep,
    /// Ends; nothing of the client's is unread.
    Close,
    /// Ends, but the client is still sending: it is read from for a moment, so that a reset does not destroy the answer.
    Linger,
    /// Ends by a reset, so that the client cannot take what it has for the whole.
    Reset,
}

#[derive(Debug)]
struct Reading<'c> {
    buf: &'c mut BytesMut,
    decoder: BodyDecoder,
    length: BodyLength,
    tunnel: bool,
    pace: Pace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Begun,
    Ended,
    Aborted,
}

/// The answer's state. Also serves refusals of heads that were never understood.
#[derive(Debug)]
pub struct Writing {
    out: BytesMut,
    progress: Progress,
    framing: BodyLength,
    version: Version,
    head_request: bool,
    keep_alive: bool,
    sent_bytes: u64,
    pace: Pace,
}

impl Writing {
    /// For an answer to a head that was refused: the connection ends after it.
    pub fn for_refused_head(policy: PacePolicy) -> Self {
        Self::new(Version::Http11, false, false, policy)
    }

    fn new(version: Version, head_request: bool, keep_alive: bool, policy: PacePolicy) -> Self {
        Self {
            out: BytesMut::new(),
            progress: Progress::None,
            framing: BodyLength::Empty,
            version,
            head_request,
            keep_alive,
            sent_bytes: 0,
            pace: Pace::new(policy, Limit::ClientWrite),
        }
    }
}

impl<'c, W: Wire> Http1<'c, W> {
    /// An exchange for `head`, whose body begins in `buf`. `keep_alive` false: the connection ends after it anyway.
    pub fn new(
        wire: &'c mut W,
        buf: &'c mut BytesMut,
        head: RequestHead,
        deadlines: &'c Deadlines,
        policy: PacePolicy,
        keep_alive: bool,
    ) -> Self {
        let length = head.body();
        let writing = Writing::new(
            head.version(),
            head.method() == "HEAD",
            keep_alive && head.keep_alive(),
            policy,
        );
        let reading = Reading {
            buf,
            decoder: BodyDecoder::new(length),
            length,
            tunnel: false,
            pace: Pace::new(policy, Limit::ClientRead),
        };
        Self {
            wire: Mutex::new(wire),
            held_back: AtomicBool::new(head.expect_continue()),
            head,
            reading,
            writing,
            deadlines,
        }
    }

    /// After the answer: what becomes of the connection. Reads away a short rest of the request's body, so that a
    /// refusal does not cost a healthy connection.
    pub async fn finish(mut self) -> Next {
        if self.writing.progress != Progress::Ended {
            return if self.writing.framing == BodyLength::UntilClose {
                Next::Reset
            } else {
                Next::Close
            };
        }
        if self.reading.tunnel {
            return Next::Close;
        }
        if self.reading.decoder.ended() {
            return if self.writing.keep_alive {
                Next::Keep
            } else {
                Next::Close
            };
        }
        if self.held_back.load(Relaxed) || !self.writing.keep_alive {
            return Next::Linger;
        }
        if self.discard_rest().await {
            Next::Keep
        } else {
            Next::Linger
        }
    }

    /// Whether the rest of the body came to its end within the bounds.
    async fn discard_rest(&mut self) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.deadlines.set_after(Limit::Exchange, PATIENCE);
        let mut discarded = 0;
        let Parts { mut body, .. } = self.split();
        while discarded <= DISCARDED_BYTES_MAX {
            match body.next().await {
                Ok(Some(piece)) => discarded += piece.len(),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

impl<'c, W: Wire> Exchange for Http1<'c, W> {
    type Body<'e>
        = Http1Body<'e, 'c, W>
    where
        Self: 'e;
    type Responder<'e>
        = Http1Responder<'e, 'c, W>
    where
        Self: 'e;

    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn deadlines(&self) -> &Deadlines {
        self.deadlines
    }

    fn split(&mut self) -> Parts<'_, Self::Body<'_>, Self::Responder<'_>> {
        let (wire, held_back, deadlines) = (&self.wire, &self.held_back, self.deadlines);
        Parts {
            head: &self.head,
            body: Http1Body {
                wire,
                reading: &mut self.reading,
                held_back,
                deadlines,
            },
            responder: Http1Responder {
                wire,
                writing: &mut self.writing,
                held_back: Some(held_back),
                deadlines,
            },
            deadlines,
        }
    }
}

/// The request's body.
#[derive(Debug)]
pub struct Http1Body<'e, 'c, W> {
    wire: &'e Mutex<&'c mut W>,
    reading: &'e mut Reading<'c>,
    held_back: &'e AtomicBool,
    deadlines: &'e Deadlines,
}

impl<W: Wire> Http1Body<'_, '_, W> {
    async fn read(&mut self) -> Result<usize, Stop> {
        poll_fn(|cx| {
            let Reading { buf, pace, .. } = &mut *self.reading;
            match poll_read_some(&mut **self.wire.lock(), cx, buf) {
                Poll::Ready(read) => {
                    let count = read?;
                    self.held_back.store(false, Relaxed); // it does not wait, or has gone
                    pace.moved(count, self.deadlines);
                    Poll::Ready(Ok(count))
                }
                // Not the client's time that passes.
                Poll::Pending if self.held_back.load(Relaxed) => {
                    self.deadlines.pending(&[Limit::Exchange])
                }
                Poll::Pending => {
                    pace.wait(self.deadlines);
                    self.deadlines
                        .pending(&[Limit::ClientRead, Limit::ClientRate, Limit::Exchange])
                }
            }
        })
        .await
    }
}

impl<W: Wire> BodyIn for Http1Body<'_, '_, W> {
    fn length(&self) -> BodyLength {
        self.reading.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(piece) = self.ready()? {
                return Ok(Some(piece));
            }
            if !self.reading.tunnel && self.reading.decoder.ended() {
                return Ok(None);
            }
            if self.read().await? == 0 {
                return if self.reading.tunnel {
                    Ok(None)
                } else {
                    Err(ClientError::Gone)
                };
            }
        }
    }

    fn ready(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Reading {
            buf,
            decoder,
            tunnel,
            ..
        } = &mut *self.reading;
        if *tunnel {
            return Ok((!buf.is_empty()).then(|| std::mem::take(*buf).freeze()));
        }
        if decoder.ended() {
            return Ok(None);
        }
        match decoder.decode(buf).map_err(ClientError::Invalid)? {
            Piece::Data(data) => {
                self.held_back.store(false, Relaxed);
                Ok(Some(data))
            }
            Piece::More | Piece::End => Ok(None),
        }
    }

    fn held_back(&self) -> bool {
        self.held_back.load(Relaxed)
    }

    fn rest_is_long(&self) -> bool {
        let left = self.reading.decoder.left();
        left.is_some_and(|left| left > DISCARDED_BYTES_MAX as u64)
    }

    fn ended(&self) -> bool {
        self.reading.decoder.ended()
    }

    fn trailers(&self) -> &[Trailer] {
        self.reading.decoder.trailers()
    }

    fn become_tunnel(&mut self) {
        self.reading.tunnel = true;
        self.reading
            .pace
            .set_policy(PacePolicy::UNBOUNDED, self.deadlines);
    }
}

/// The answer.
#[derive(Debug)]
pub struct Http1Responder<'e, 'c, W> {
    wire: &'e Mutex<&'c mut W>,
    writing: &'e mut Writing,
    /// None: no body is awaited.
    held_back: Option<&'e AtomicBool>,
    deadlines: &'e Deadlines,
}

impl<'e, 'c, W: Wire> Http1Responder<'e, 'c, W> {
    /// A responder for a head that was refused.
    pub fn for_refused_head(
        wire: &'e Mutex<&'c mut W>,
        writing: &'e mut Writing,
        deadlines: &'e Deadlines,
    ) -> Self {
        Self {
            wire,
            writing,
            held_back: None,
            deadlines,
        }
    }

    /// Writes all of `bytes` and, when `flush`, sees them through TLS as well.
    async fn write(&mut self, mut bytes: &[u8], flush: bool) -> Result<(), Stop> {
        poll_fn(|cx| {
            let mut wire = self.wire.lock();
            let mut step = || -> Poll<io::Result<()>> {
                while !bytes.is_empty() {
                    let count = ready!(Pin::new(&mut **wire).poll_write(cx, bytes))?;
                    if count == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.writing.pace.moved(count, self.deadlines);
                    bytes.advance(count);
                }
                if flush {
                    Pin::new(&mut **wire).poll_flush(cx)
                } else {
                    Poll::Ready(Ok(()))
                }
            };
            match step() {
                Poll::Ready(done) => Poll::Ready(done.map_err(Stop::from)),
                Poll::Pending => {
                    self.writing.pace.wait(self.deadlines);
                    self.deadlines.pending(&[
                        Limit::ClientWrite,
                        Limit::ClientRate,
                        Limit::Exchange,
                    ])
                }
            }
        })
        .await
    }

    async fn write_held_back(&mut self) -> Result<(), ClientError> {
        let out = std::mem::take(&mut self.writing.out);
        let written = self.write(&out, true).await;
        give_back(out);
        Ok(written?)
    }

    fn write_framing(&mut self, answer: &Answer<'_>, length: BodyLength) {
        let writing = &mut *self.writing;
        let out = &mut writing.out;
        match length {
            BodyLength::Empty if writing.head_request || answer.status == 304 => {
                // What a GET would have got; there is no body that could disagree.
                if let Some(length) = answer
                    .upstream
                    .and_then(|head| head.get(Known::ContentLength))
                {
                    write_field(out, "Content-Length", length);
                }
            }
            BodyLength::Empty if answer.status == 101 || answer.status == 204 => {}
            BodyLength::Empty => write_content_length(out, 0),
            BodyLength::Length(length) => write_content_length(out, length),
            BodyLength::Chunked | BodyLength::UntilClose if writing.version == Version::Http11 => {
                write_chunked_coding(out);
                writing.framing = BodyLength::Chunked;
            }
            BodyLength::Chunked | BodyLength::UntilClose => {
                writing.framing = BodyLength::UntilClose;
                writing.keep_alive = false;
            }
        }
    }
}

impl<W: Wire> Responder for Http1Responder<'_, '_, W> {
    async fn interim(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        if self.writing.version == Version::Http10 {
            return Ok(());
        }
        if head.status() == 100
            && let Some(held_back) = self.held_back
        {
            held_back.store(false, Relaxed);
        }
        let mut out = lend();
        write_status_line(&mut out, Version::Http11, head.status(), head.reason());
        head.write_fields(&mut out, |_, _| true);
        write_head_end(&mut out);
        let written = self.write(&out, true).await;
        give_back(out);
        Ok(written?)
    }

    fn begin(&mut self, answer: &Answer<'_>, length: BodyLength) {
        self.writing.progress = Progress::Begun;
        if self.held_back.is_some_and(|held| held.load(Relaxed)) {
            // Whether the body comes now is the client's choice, so nobody knows where its next request starts.
            self.writing.keep_alive = false;
        }
        self.writing.framing = length;
        self.writing.out = lend();
        let reason = answer.upstream.map_or_else(
            || reason_phrase(answer.status).as_bytes(),
            ResponseHead::reason,
        );
        write_status_line(
            &mut self.writing.out,
            Version::Http11,
            answer.status,
            reason,
        );
        if let Some(upstream) = answer.upstream {
            upstream.write_fields(&mut self.writing.out, |known, _| is_content(known));
        }
        for (name, value) in answer.fields {
            write_field(&mut self.writing.out, name, value);
        }
        self.write_framing(answer, length);
        let writing = &mut *self.writing;
        let connection: &[u8] = match (answer.status, writing.keep_alive, writing.version) {
            (101, ..) => b"Connection: upgrade\r\nUpgrade: websocket\r\n",
            (_, false, _) => b"Connection: close\r\n",
            (_, true, Version::Http10) => b"Connection: keep-alive\r\n",
            (_, true, Version::Http11) => b"",
        };
        writing.out.extend_from_slice(connection);
        write_head_end(&mut writing.out);
        if answer.status == 101 {
            writing.framing = BodyLength::UntilClose;
            writing
                .pace
                .set_policy(PacePolicy::UNBOUNDED, self.deadlines);
        } else if writing.head_request {
            writing.framing = BodyLength::Empty;
        }
    }

    async fn data(&mut self, piece: Bytes) -> Result<(), ClientError> {
        if piece.is_empty() || self.writing.framing == BodyLength::Empty {
            return Ok(());
        }
        self.writing.sent_bytes += piece.len() as u64;
        let chunked = self.writing.framing == BodyLength::Chunked;
        let out = &mut self.writing.out;
        if chunked {
            write_chunk_head(out, piece.len());
        }
        if out.len() + piece.len() <= HELD_BACK_BYTES {
            out.extend_from_slice(&piece);
        } else {
            self.write_held_back().await?;
            self.write(&piece, false).await?;
        }
        if chunked {
            write_chunk_end(&mut self.writing.out);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ClientError> {
        if self.writing.out.is_empty() {
            Ok(())
        } else {
            self.write_held_back().await
        }
    }

    async fn end(&mut self, trailers: &[Trailer]) -> Result<(), ClientError> {
        if self.writing.framing == BodyLength::Chunked {
            write_last_chunk(&mut self.writing.out, trailers);
        }
        self.write_held_back().await?;
        self.writing.progress = Progress::Ended;
        Ok(())
    }

    fn begun(&self) -> bool {
        self.writing.progress != Progress::None
    }

    fn abort(&mut self) {
        self.writing.progress = Progress::Aborted;
    }

    fn close_after(&mut self) {
        self.writing.keep_alive = false;
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.lock().socket().poll_gone(cx)
    }

    fn sent_bytes(&self) -> u64 {
        self.writing.sent_bytes
    }
}

/// The reason phrase of our own answers (RFC 9110 §15).
fn reason_phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("")
}
