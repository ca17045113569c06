//! One request over one upstream connection: the head and body go out, interim answers and the answer come back.
//!
//! Both directions run at once. An answer that begins while the body is still being sent is passed on, and beats a write
//! error of that body (RFC 9112 §9.3, §9.6); an answer without a request to the end costs the connection, never the
//! client's answer.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use schleuse_http1::{
    BodyDecoder, BodyLength, HeadLimits, Piece, Reject, ResponseHead, ResponseTo, Trailer,
    encode::{write_chunk_end, write_chunk_head, write_last_chunk},
    take_response,
};
use tokio::{
    io::AsyncWrite,
    net::tcp::{ReadHalf, WriteHalf},
};

use super::{Upstream, limit::Lease};
use crate::{
    clock,
    deadlines::{Deadlines, Limit, Stop},
    exchange::{BodyIn, ClientError, Responder},
    pace::{Pace, PacePolicy},
    socket::poll_read_some,
};

/// The first bytes of a body share the head's packet up to this size.
const FIRST_WRITE_BYTES: usize = 16 * 1024;
/// More interim answers than this are an endpoint gone wrong.
const INTERIM_MAX: u32 = 16;
/// How long an answer may take to arrive after the endpoint stopped reading the body.
const ANSWER_AFTER_BROKEN_BODY: Duration = Duration::from_secs(2);

/// The bounds of one relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayPolicy {
    /// From the end of the request to the head of the answer.
    pub first_byte: Duration,
    /// Without one byte moved in either direction.
    pub idle: Duration,
    /// Request body, bytes.
    pub body_bytes_max: u64,
    /// The answer's head.
    pub head: HeadLimits,
}

/// Why an exchange with an endpoint ended without a complete answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The client's side ended it; the endpoint is not to blame.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The request's body is larger than the service allows.
    #[error("request body too large")]
    TooLarge,
    /// No connection to the endpoint could be opened.
    #[error("no connection to the endpoint")]
    Unreachable,
    /// This process or its host has no file handle, port or memory for one more connection.
    #[error("nothing left to open a connection with")]
    Exhausted,
    /// All connections that the endpoint may have are in use.
    #[error("all connections to the endpoint are in use")]
    Crowded,
    /// The endpoint closed or reset the connection.
    #[error("endpoint closed the connection")]
    Reset,
    /// The endpoint's bytes are not an answer.
    #[error("endpoint's answer is invalid: {0}")]
    Invalid(Reject),
    /// More interim answers than any backend has reason for.
    #[error("endpoint sent interim answers without end")]
    TooManyInterims,
    /// A stream would begin, and the endpoint has as many as it may.
    #[error("endpoint has all the streams it may have")]
    StreamsFull,
    /// A deadline towards the endpoint passed.
    #[error("endpoint was too slow ({0:?})")]
    Expired(Limit),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Io(_) => Self::Reset,
            Stop::Expired(limit) => Self::Expired(limit),
        }
    }
}

/// What the endpoint answered; everything of it has been handed to the responder but the end.
#[derive(Debug)]
pub struct Relayed {
    /// The answer's trailers.
    pub trailers: Vec<Trailer>,
    /// The connection may serve another request.
    pub reusable: bool,
    /// A tunnel ran: the responder has ended already.
    pub tunnel: bool,
}

/// What an answer turns out to be, once its head is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// A request's answer: it is over when it has come.
    Answer,
    /// Open for as long as the two like: no deadline for the whole, no connection out of those for requests.
    Stream,
}

/// What the caller adds to an answer, decided once it is known.
pub trait Compose {
    /// Begins the answer at the responder.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the client must get another answer than this one.
    fn begin<R: Responder>(
        &mut self,
        responder: &mut R,
        head: &ResponseHead,
    ) -> Result<Course, Fault>;

    /// The endpoint's last byte is here; the client may still have to take it. May be called more than once.
    fn complete(&mut self);
}

/// The request as it goes out.
pub struct Outgoing<'r> {
    /// The serialised head.
    pub head: BytesMut,
    /// How the body is framed to the endpoint.
    pub framing: BodyLength,
    /// Whether anything of the request was written; kept current also when the relay is dropped.
    pub written: &'r AtomicBool,
    /// What the answer's framing depends on.
    pub asked: ResponseTo,
    /// Which of the body's trailers go out: a backend may merge them with the fields, so the same rules hold.
    pub trailer_passes: &'r (dyn Fn(&[u8]) -> bool + Send + Sync),
}

/// Runs one request over `upstream`.
///
/// # Errors
///
/// [`Fault`]; `responder.begun()` tells whether the client has seen anything of an answer.
pub async fn relay<B: BodyIn, R: Responder>(
    upstream: &mut Upstream,
    outgoing: Outgoing<'_>,
    body: &mut B,
    responder: &mut R,
    compose: &mut impl Compose,
    deadlines: &Deadlines,
    policy: &RelayPolicy,
) -> Result<Relayed, Fault> {
    let asked = outgoing.asked;
    let (reader, writer) = upstream.tcp.split();
    let mut sending = Sending::new(writer, outgoing, deadlines, policy);
    let request_ended = AtomicBool::new(body.length() == BodyLength::Empty);
    let mut answering = Answering {
        reader,
        buf: &mut upstream.buf,
        lease: &mut upstream.lease,
        asked,
        request_ended: &request_ended,
        deadlines,
        // No least rate: event streams and long polls are slow by nature.
        pace: Pace::new(idle_only(policy), Limit::UpstreamRead),
        head: policy.head,
    };
    if body.length() == BodyLength::Empty {
        sending.head_only().await?;
        deadlines.set(Limit::FirstByte, clock::recent() + policy.first_byte);
        let relayed = answering.run(responder, compose).await?;
        if relayed.tunnel {
            tunnel(&mut sending, &mut answering, body, responder).await;
        }
        return Ok(relayed);
    }
    // Pinned here and lent: a future that is passed on by value has room in both places.
    let send = pin!(async {
        let done = sending.all(body).await;
        match &done {
            Ok(()) => {
                request_ended.store(true, Relaxed);
                deadlines.set_after(Limit::FirstByte, policy.first_byte);
            }
            Err(_) => deadlines.set_after(Limit::FirstByte, ANSWER_AFTER_BROKEN_BODY),
        }
        done
    });
    let answer = pin!(answering.run(responder, compose));
    let mut relayed = both(send, answer).await?;
    relayed.reusable &= request_ended.load(Relaxed);
    Ok(relayed)
}

fn idle_only(policy: &RelayPolicy) -> PacePolicy {
    PacePolicy {
        idle_max: policy.idle,
        rate_min: 0,
    }
}

/// Runs `send` beside `answer` until the answer is there. What the client did wrong ends both; an endpoint that stopped
/// reading may still answer.
async fn both(
    mut send: Pin<&mut impl Future<Output = Result<(), Fault>>>,
    mut answer: Pin<&mut impl Future<Output = Result<Relayed, Fault>>>,
) -> Result<Relayed, Fault> {
    let mut sending = true;
    let mut stalled = false;
    poll_fn(|cx| {
        if sending && let Poll::Ready(done) = send.as_mut().poll(cx) {
            sending = false;
            match done {
                Ok(()) | Err(Fault::Reset) => {}
                Err(Fault::Expired(Limit::UpstreamWrite)) => stalled = true,
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
        answer.as_mut().poll(cx).map_err(|fault| match fault {
            // No answer came instead: the endpoint's fault is that it did not take the request.
            Fault::Expired(Limit::FirstByte) if stalled => Fault::Expired(Limit::UpstreamWrite),
            fault => fault,
        })
    })
    .await
}

/// Full duplex until either side ends.
async fn tunnel<B: BodyIn, R: Responder>(
    sending: &mut Sending<'_>,
    answering: &mut Answering<'_>,
    body: &mut B,
    responder: &mut R,
) {
    let deadlines = sending.deadlines;
    deadlines.clear_all();
    body.become_tunnel();
    sending.pace.set_policy(PacePolicy::UNBOUNDED, deadlines);
    answering.pace.set_policy(PacePolicy::UNBOUNDED, deadlines);
    {
        let mut up = pin!(async {
            while let Some(piece) = body.next().await? {
                sending.write(&piece).await?;
            }
            Ok::<_, Fault>(())
        });
        let mut down = pin!(answering.raw(responder));
        // Either end, in order or by a reset, is the tunnel's end; both connections close.
        let _ended = poll_fn(|cx| match down.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => up.as_mut().poll(cx),
        })
        .await;
    }
    let _ = responder.end(&[]).await;
}

/// The request's way out.
struct Sending<'r> {
    writer: WriteHalf<'r>,
    outgoing: Outgoing<'r>,
    deadlines: &'r Deadlines,
    pace: Pace,
    first_byte: Duration,
    body_bytes_max: u64,
}

impl<'r> Sending<'r> {
    fn new(
        writer: WriteHalf<'r>,
        outgoing: Outgoing<'r>,
        deadlines: &'r Deadlines,
        policy: &RelayPolicy,
    ) -> Self {
        let pace = Pace::new(idle_only(policy), Limit::UpstreamWrite);
        Self {
            writer,
            outgoing,
            deadlines,
            pace,
            first_byte: policy.first_byte,
            body_bytes_max: policy.body_bytes_max,
        }
    }

    async fn head_only(&mut self) -> Result<(), Fault> {
        let head = std::mem::take(&mut self.outgoing.head);
        let written = self.write(&head).await;
        crate::exchange::http1::give_back(head);
        Ok(written?)
    }

    /// Head and body. Pieces that are here already share the head's packet.
    async fn all(&mut self, body: &mut impl BodyIn) -> Result<(), Fault> {
        let mut out = std::mem::take(&mut self.outgoing.head);
        let chunked = self.outgoing.framing == BodyLength::Chunked;
        let mut sent_bytes = 0;
        loop {
            let ready = if out.len() < FIRST_WRITE_BYTES {
                body.ready()?
            } else {
                None
            };
            let piece = match ready {
                Some(piece) => piece,
                None if body.ended() => break,
                None => {
                    self.write(&out).await?;
                    out.clear();
                    match self.next_piece(body).await? {
                        Some(piece) => piece,
                        None => break,
                    }
                }
            };
            sent_bytes += piece.len() as u64;
            if sent_bytes > self.body_bytes_max {
                return Err(Fault::TooLarge);
            }
            if chunked {
                write_chunk_head(&mut out, piece.len());
            }
            if out.len() + piece.len() <= FIRST_WRITE_BYTES {
                out.extend_from_slice(&piece);
            } else {
                self.write(&out).await?;
                out.clear();
                self.write(&piece).await?;
            }
            if chunked {
                write_chunk_end(&mut out);
            }
        }
        if chunked {
            let passes = self.outgoing.trailer_passes;
            let trailers = body.trailers().iter().filter(|(name, _)| passes(name));
            write_last_chunk(&mut out, &trailers.cloned().collect::<Vec<_>>());
        }
        self.write(&out).await?;
        Ok(())
    }

    /// While the client holds its body back, the next word is the endpoint's.
    async fn next_piece(&mut self, body: &mut impl BodyIn) -> Result<Option<Bytes>, ClientError> {
        if !body.held_back() {
            return body.next().await;
        }
        self.deadlines.set_after(Limit::FirstByte, self.first_byte);
        let piece = body.next().await;
        self.deadlines.clear(Limit::FirstByte);
        piece
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        poll_fn(
            |cx| match write_all(&mut self.writer, cx, &mut bytes, self.outgoing.written) {
                Poll::Ready(done) => {
                    self.pace.moved(1, self.deadlines);
                    Poll::Ready(done.map_err(Stop::from))
                }
                Poll::Pending => {
                    self.pace.wait(self.deadlines);
                    self.deadlines
                        .pending(&[Limit::UpstreamWrite, Limit::Exchange])
                }
            },
        )
        .await
    }
}

fn write_all(
    writer: &mut WriteHalf<'_>,
    cx: &mut Context<'_>,
    bytes: &mut &[u8],
    written: &AtomicBool,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        let count = ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        written.store(true, Relaxed);
        bytes.advance(count);
    }
    Poll::Ready(Ok(()))
}

/// The answer's way back.
struct Answering<'r> {
    reader: ReadHalf<'r>,
    buf: &'r mut BytesMut,
    lease: &'r mut Lease,
    asked: ResponseTo,
    /// Nothing more of the request will be written.
    request_ended: &'r AtomicBool,
    deadlines: &'r Deadlines,
    pace: Pace,
    head: HeadLimits,
}

impl Answering<'_> {
    async fn run<R: Responder>(
        &mut self,
        responder: &mut R,
        compose: &mut impl Compose,
    ) -> Result<Relayed, Fault> {
        let head = self.final_head(responder).await?;
        self.deadlines.clear(Limit::FirstByte);
        clock::now(); // what follows asks for the time of this moment
        let course = compose.begin(responder, &head)?;
        if course == Course::Stream {
            self.lease.become_stream();
            self.deadlines.clear(Limit::Exchange);
        }
        if head.status() == 101 {
            responder.flush().await?;
            return Ok(Relayed {
                trailers: Vec::new(),
                reusable: false,
                tunnel: true,
            });
        }
        let keep_alive =
            head.keep_alive() && head.body() != BodyLength::UntilClose && course == Course::Answer;
        let trailers = self.body(head.body(), responder, compose).await?;
        Ok(Relayed {
            trailers,
            reusable: keep_alive,
            tunnel: false,
        })
    }

    /// The first head that is no interim answer; those before it are passed on.
    async fn final_head(&mut self, responder: &mut impl Responder) -> Result<ResponseHead, Fault> {
        let mut scanned = 0;
        let mut interims = 0;
        loop {
            match take_response(self.buf, &mut scanned, &self.head, self.asked)
                .map_err(Fault::Invalid)?
            {
                Some(head) if head.interim() => {
                    interims += 1;
                    if interims > INTERIM_MAX {
                        return Err(Fault::TooManyInterims);
                    }
                    scanned = 0;
                    responder.interim(&head).await?;
                    if head.status() == 100 && !self.request_ended.load(Relaxed) {
                        self.let_body_come().await;
                    }
                }
                Some(head) => return Ok(head),
                None if self.read_watching(responder).await? == 0 => return Err(Fault::Reset),
                None => {}
            }
        }
    }

    /// The client's turn after a 100: its time passes now, not the endpoint's.
    async fn let_body_come(&mut self) {
        self.deadlines.clear(Limit::FirstByte);
        // The other direction waits without a waker for this event.
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
    }

    async fn body<R: Responder>(
        &mut self,
        length: BodyLength,
        responder: &mut R,
        compose: &mut impl Compose,
    ) -> Result<Vec<Trailer>, Fault> {
        let mut decoder = BodyDecoder::new(length);
        // Handed on only when what follows was looked at: whether a piece is the last one must be known before a slow
        // client takes it.
        let mut held: Option<Bytes> = None;
        loop {
            let next = decoder.decode(self.buf);
            if decoder.ended() {
                compose.complete();
            }
            if let Some(piece) = held.take() {
                responder.data(piece).await?;
            }
            match next.map_err(Fault::Invalid)? {
                Piece::Data(piece) => held = Some(piece),
                Piece::End => break,
                Piece::More => {
                    responder.flush().await?;
                    if self.read_body(responder).await? == 0 {
                        decoder.end_of_input().map_err(|_| Fault::Reset)?;
                    }
                }
            }
        }
        Ok(decoder.trailers().to_vec())
    }

    /// Raw bytes to the client until the endpoint ends.
    async fn raw(&mut self, responder: &mut impl Responder) -> Result<(), Fault> {
        loop {
            if !self.buf.is_empty() {
                responder.data(std::mem::take(self.buf).freeze()).await?;
                responder.flush().await?;
            }
            if self.read(&[]).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn read(&mut self, limits: &[Limit]) -> Result<usize, Stop> {
        poll_fn(|cx| match poll_read_some(&mut self.reader, cx, self.buf) {
            Poll::Ready(read) => {
                let count = read?;
                self.pace.moved(count, self.deadlines);
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                self.pace.wait(self.deadlines);
                self.deadlines.pending(limits)
            }
        })
        .await
    }

    /// Reads more of the body, and notices a client that leaves while none comes.
    async fn read_body(&mut self, responder: &mut impl Responder) -> Result<usize, Fault> {
        let Self {
            reader,
            buf,
            pace,
            deadlines,
            ..
        } = self;
        poll_fn(|cx| {
            if let Poll::Ready(read) = poll_read_some(reader, cx, buf) {
                pace.moved(*read.as_ref().unwrap_or(&0), deadlines);
                return Poll::Ready(read.map_err(|_| Fault::Reset));
            }
            if responder.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::Client(ClientError::Gone)));
            }
            pace.wait(deadlines);
            deadlines
                .pending(&[Limit::UpstreamRead, Limit::Exchange])
                .map_err(Fault::from)
        })
        .await
    }

    /// Reads while nothing of the answer is there, and notices a client that leaves meanwhile.
    async fn read_watching(&mut self, responder: &mut impl Responder) -> Result<usize, Fault> {
        poll_fn(|cx| {
            if let Poll::Ready(read) = poll_read_some(&mut self.reader, cx, self.buf) {
                return Poll::Ready(read.map_err(|_| Fault::Reset));
            }
            if responder.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::Client(ClientError::Gone)));
            }
            self.deadlines
                .pending(&[Limit::FirstByte, Limit::Exchange])
                .map_err(Fault::from)
        })
        .await
    }
}
