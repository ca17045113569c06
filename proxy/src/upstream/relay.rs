//! One request over one upstream connection: the head and body go out, interim answers and the answer come back.
//!
//! Both directions run at once. An answer that begins while the body is still being sent is passed on, and beats a write
//! error of that body (RFC 9112 §9.3, §9.6); an answer without a request to the end costs the connection, never the
//! client's answer.

mod answering;
mod sending;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use bytes::BytesMut;
use schleuse_http1::{BodyLength, HeadLimits, Reject, ResponseHead, ResponseTo, Trailer};

use self::{answering::Answering, sending::Sending};
use super::Upstream;
use crate::{
    clock,
    deadlines::{Deadlines, Limit, Stop},
    exchange::{BodyIn, ClientError, Responder},
    pace::{Pace, PacePolicy},
};

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
    /// The process has no memory for what was read of the body and waits for more.
    #[error("no memory for the start of the body")]
    Overloaded,
    /// No connection to the endpoint could be opened.
    #[error("no connection to the endpoint")]
    Unreachable,
    /// This process or its host has no file handle, port or memory for one more connection.
    #[error("nothing left to open a connection with")]
    Exhausted,
    /// All connections that the endpoint may have are in use.
    #[error("all connections to the endpoint are in use")]
    Crowded,
    /// The exchange's time was over before there was a connection.
    #[error("no time left to connect")]
    Late,
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
