//! One request and the means to answer it, whatever carried it.
//!
//! The pipeline (`gateway`) is written once against these traits. HTTP/1.1 (`http1`), HTTP/2 (`http2`) and a double in
//! memory (`double`) implement them; what differs between protocols (framing, keep-alive, flow control, how a leaving
//! client shows) stays below this line. All futures are `Send`.

pub mod double;
pub mod http1;
pub mod http2;

use std::{
    future::{Future, poll_fn},
    task::{Context, Poll},
};

use bytes::Bytes;
use schleuse_http1::{BodyLength, Known, Reject, RequestHead, ResponseHead, Trailer};

use crate::deadlines::{Deadlines, Limit, Stop};

/// A request that waits for its answer.
pub trait Exchange: Send {
    /// See [`Parts::body`].
    type Body<'e>: BodyIn + 'e
    where
        Self: 'e;
    /// See [`Parts::responder`].
    type Responder<'e>: Responder + 'e
    where
        Self: 'e;

    /// The request's head.
    fn head(&self) -> &RequestHead;

    /// The deadlines of the task that runs this exchange.
    fn deadlines(&self) -> &Deadlines;

    /// Head, body and answer, usable at the same time: answers may begin before the body ended, and tunnels run both
    /// ways at once.
    fn split(&mut self) -> Parts<'_, Self::Body<'_>, Self::Responder<'_>>;

    /// Resolves when the client left. Reads nothing.
    fn gone(&mut self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| self.split().responder.poll_gone(cx))
    }
}

/// What [`Exchange::split`] gives.
#[derive(Debug)]
pub struct Parts<'e, B, R> {
    /// The request's head.
    pub head: &'e RequestHead,
    /// The request's body.
    pub body: B,
    /// The answer.
    pub responder: R,
    /// The deadlines of the task that runs this exchange.
    pub deadlines: &'e Deadlines,
}

/// Why a client's side ended an exchange.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It left, or its connection broke.
    #[error("client left")]
    Gone,
    /// It was too slow.
    #[error("client was too slow ({0:?})")]
    Expired(Limit),
    /// Its body breaks the rules of the protocol.
    #[error("{0}")]
    Invalid(Reject),
}

impl From<Stop> for ClientError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Io(_) => Self::Gone,
            Stop::Expired(limit) => Self::Expired(limit),
        }
    }
}

/// A request's body.
pub trait BodyIn: Send {
    /// How its end is told; `Empty` when there is none.
    fn length(&self) -> BodyLength;

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; the exchange cannot go on then.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ClientError>> + Send;

    /// A piece that is here already, without waiting or touching the connection.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    fn ready(&mut self) -> Result<Option<Bytes>, ClientError>;

    /// Whether the client holds the body back until it gets a 100 (RFC 9110 §10.1.1).
    fn held_back(&self) -> bool {
        false
    }

    /// Whether so much of it is known to be unread that the connection will not be kept for it: an answer that does not
    /// wait for it says so (RFC 9112 §9.6).
    fn rest_is_long(&self) -> bool {
        false
    }

    /// Whether the end was reached.
    fn ended(&self) -> bool;

    /// Allowed trailers, once the end was reached.
    fn trailers(&self) -> &[Trailer];

    /// Turns the rest of the connection into a tunnel: after this, pieces are raw bytes until the client's end.
    fn become_tunnel(&mut self);
}

/// The head of an answer, composed without copying.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Status code, 200–599 (or 101).
    pub status: u16,
    /// The endpoint's answer: its reason phrase and end-to-end fields are taken over.
    pub upstream: Option<&'a ResponseHead>,
    /// Fields of ours.
    pub fields: &'a [(&'a str, &'a [u8])],
}

/// Where the answer goes.
pub trait Responder: Send {
    /// Passes an interim answer (1xx but 101) on. Does nothing where the client's protocol has none.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    fn interim(
        &mut self,
        head: &ResponseHead,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;

    /// Begins the answer. Nothing is sent before the first [`Self::flush`], so that head and body share a packet.
    fn begin(&mut self, answer: &Answer<'_>, length: BodyLength);

    /// A piece of the body; waits while the client is slower (back-pressure).
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    fn data(&mut self, piece: Bytes) -> impl Future<Output = Result<(), ClientError>> + Send;

    /// Sends what was held back.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    fn flush(&mut self) -> impl Future<Output = Result<(), ClientError>> + Send;

    /// Ends the answer and flushes.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    fn end(&mut self, trailers: &[Trailer])
    -> impl Future<Output = Result<(), ClientError>> + Send;

    /// Whether a final answer has begun.
    fn begun(&self) -> bool;

    /// The answer cannot be completed: the client must notice (connection closed, stream reset), never take it as whole.
    fn abort(&mut self);

    /// The connection ends after this answer.
    fn close_after(&mut self);

    /// Ready when the client left. Reads nothing, and may be asked at the same time as the body.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes of the body sent so far.
    fn sent_bytes(&self) -> u64;
}

/// The fields of an answer in the order they are sent: the endpoint's end-to-end fields without framing, then ours.
pub(crate) fn head_fields<'a>(answer: &Answer<'a>) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let upstream = answer.upstream.into_iter().flat_map(ResponseHead::fields);
    upstream
        .filter(|field| !field.hop_by_hop && is_content(field.known))
        .map(|field| (field.name, field.value))
        .chain(answer.fields.iter().copied())
}

/// Not a field that frames the message: framing is the protocol's own.
pub(crate) fn is_content(known: Known) -> bool {
    !matches!(known, Known::ContentLength | Known::TransferEncoding)
}
