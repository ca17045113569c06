//! One HTTP/2 connection to the target (RFC 9113): many requests at once, driven from the worker's own event loop.
//!
//! The protocol is the `h2` crate's. It wants to be polled; so whatever the kernel reports polls the connection, and a
//! waker for each stream notes which of them have something, because asking a thousand streams after each packet would cost
//! more than the packets. Streams allocate (heads are maps there); the promise of none per request is HTTP/1.1's.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, header};
use slab::Slab;

use super::{answer::Answer, retry_after, socket_io::SocketIo};
use crate::results::Reason;

/// What uploads consist of, sent without copying.
static FILLER: [u8; 16_384] = [b'x'; 16_384];
/// Receive windows: no request should wait for our permission.
const WINDOW: u32 = 1 << 24;

type Handshake = Pin<
    Box<dyn Future<Output = Result<(SendRequest<Bytes>, Connection<SocketIo, Bytes>), h2::Error>>>,
>;

/// What came of a stream.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The whole answer.
    Answer(Answer),
    /// None, and why.
    Failed(Reason),
}

/// Streams that have something, by their place.
type Woken = Arc<Mutex<Vec<usize>>>;

#[derive(Debug)]
struct StreamWaker {
    place: usize,
    woken: Woken,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.place);
    }
}

enum Stage {
    Head(ResponseFuture),
    Body(RecvStream),
}

struct Stream {
    citizen: u32,
    stage: Stage,
    sending: SendStream<Bytes>,
    answer: Answer,
}

enum State {
    Opening(Handshake),
    Open(Box<SendRequest<Bytes>>, Box<Connection<SocketIo, Bytes>>),
    Over,
}

/// A connection.
pub(crate) struct Session {
    state: State,
    streams: Slab<Stream>,
    woken: Woken,
    /// By place, made once.
    wakers: Vec<Waker>,
    served: u64,
    /// Whether the last request has its stream: one that was reset occupies it until that is written.
    is_ready: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Over a connection that is ready for bytes.
    pub(crate) fn new(io: SocketIo) -> Self {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        Self {
            state: State::Opening(Box::pin(async move { builder.handshake(io).await })),
            streams: Slab::new(),
            woken: Woken::default(),
            wakers: Vec::new(),
            served: 0,
            is_ready: false,
        }
    }

    /// Whether another request may be sent now.
    pub(crate) fn has_room(&self) -> bool {
        match &self.state {
            State::Open(sender, _) => {
                self.is_ready && self.streams.len() < sender.current_max_send_streams()
            }
            State::Opening(_) | State::Over => false,
        }
    }

    /// Whether nothing will come any more.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Requests that were sent on it.
    pub(crate) const fn served(&self) -> u64 {
        self.served
    }

    /// Sends a request with so much text and filler as its body.
    pub(crate) fn send(
        &mut self,
        citizen: u32,
        request: Request<()>,
        text: Bytes,
        filler: u64,
    ) -> Result<(), Reason> {
        let State::Open(sender, _) = &mut self.state else {
            return Err(Reason::StreamRefused);
        };
        let is_bodiless = text.is_empty() && filler == 0;
        let (response, mut sending) = sender
            .send_request(request, is_bodiless)
            .map_err(|error| reason_of(&error))?;
        if !text.is_empty() {
            sending
                .send_data(text, filler == 0)
                .map_err(|error| reason_of(&error))?;
        }
        let mut left = filler;
        while left > 0 {
            let next = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(FILLER.len());
            left -= next as u64;
            let bytes = Bytes::from_static(FILLER.get(..next).unwrap_or_default());
            sending
                .send_data(bytes, left == 0)
                .map_err(|error| reason_of(&error))?;
        }
        self.served += 1;
        let place = self.streams.insert(Stream {
            citizen,
            stage: Stage::Head(response),
            sending,
            answer: Answer::default(),
        });
        self.note_woken(place);
        self.look_if_ready();
        Ok(())
    }

    fn look_if_ready(&mut self) {
        if let State::Open(sender, _) = &mut self.state {
            let mut context = Context::from_waker(Waker::noop());
            self.is_ready = sender.poll_ready(&mut context).is_ready();
        }
    }

    /// The citizen left: the stream is reset, the connection stays.
    pub(crate) fn cancel(&mut self, citizen: u32) {
        let found = self
            .streams
            .iter()
            .find(|(_, stream)| stream.citizen == citizen);
        if let Some(place) = found.map(|(place, _)| place) {
            let mut stream = self.streams.remove(place);
            stream.sending.send_reset(h2::Reason::CANCEL);
        }
    }

    /// Goes on as far as the kernel lets it; `see` gets every citizen's end.
    pub(crate) fn drive(&mut self, ended: &mut Vec<(u32, Outcome)>) {
        if let State::Opening(handshake) = &mut self.state {
            match handshake
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Pending => return,
                Poll::Ready(Ok((sender, connection))) => {
                    self.state = State::Open(Box::new(sender), Box::new(connection));
                }
                Poll::Ready(Err(_)) => self.state = State::Over,
            }
        }
        while let Some(error) = self.poll_connection().or_else(|| self.poll_streams(ended)) {
            if let Some(reason) = error {
                self.end(reason, ended);
                return;
            }
        }
        self.look_if_ready();
    }

    /// Some at the connection's end: why.
    #[expect(clippy::option_option, reason = "nothing, go on, or end with a reason")]
    fn poll_connection(&mut self) -> Option<Option<Reason>> {
        let State::Open(_, connection) = &mut self.state else {
            return Some(Some(Reason::StreamRefused));
        };
        let polled = Pin::new(connection.as_mut()).poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some(Some(Reason::Reset)),
            Poll::Ready(Err(error)) => Some(Some(reason_of(&error))),
        }
    }

    /// Some if any stream had something: then the connection has to be polled again.
    #[expect(clippy::option_option, reason = "as for the connection")]
    fn poll_streams(&mut self, ended: &mut Vec<(u32, Outcome)>) -> Option<Option<Reason>> {
        let woken = std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner));
        if woken.is_empty() {
            return None;
        }
        for place in woken {
            let waker = self.waker(place);
            let Some(stream) = self.streams.get_mut(place) else {
                continue;
            };
            if let Poll::Ready(outcome) = stream.poll(&mut Context::from_waker(&waker)) {
                let stream = self.streams.remove(place);
                let outcome = match outcome {
                    Ok(()) => Outcome::Answer(stream.answer),
                    Err(reason) => Outcome::Failed(reason),
                };
                ended.push((stream.citizen, outcome));
            }
        }
        Some(None)
    }

    fn waker(&mut self, place: usize) -> Waker {
        while self.wakers.len() <= place {
            self.wakers.push(Waker::from(Arc::new(StreamWaker {
                place: self.wakers.len(),
                woken: Arc::clone(&self.woken),
            })));
        }
        self.wakers
            .get(place)
            .cloned()
            .unwrap_or_else(|| Waker::noop().clone())
    }

    fn note_woken(&self, place: usize) {
        self.woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place);
    }

    /// The connection is over, and every stream with it.
    fn end(&mut self, reason: Reason, ended: &mut Vec<(u32, Outcome)>) {
        self.state = State::Over;
        for stream in self.streams.drain() {
            ended.push((stream.citizen, Outcome::Failed(reason)));
        }
    }
}

impl Stream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        loop {
            match &mut self.stage {
                Stage::Head(response) => match Pin::new(response).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(reason_of(&error))),
                    Poll::Ready(Ok(response)) => {
                        let (head, body) = response.into_parts();
                        self.answer.status = head.status.as_u16();
                        note(&mut self.answer, &head.headers);
                        self.stage = Stage::Body(body);
                    }
                },
                Stage::Body(body) => match body.poll_data(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(reason_of(&error))),
                    Poll::Ready(Some(Ok(bytes))) => {
                        self.answer.body_bytes += bytes.len() as u64;
                        if let Err(error) = body.flow_control().release_capacity(bytes.len()) {
                            return Poll::Ready(Err(reason_of(&error)));
                        }
                    }
                },
            }
        }
    }
}

fn note(answer: &mut Answer, fields: &HeaderMap) {
    let value = |name| fields.get(name).map(http::HeaderValue::as_bytes);
    answer.retry_after_seconds = value(header::RETRY_AFTER)
        .and_then(|asked| retry_after::seconds(asked, value(header::DATE)));
    if let Some(location) = fields
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
    {
        answer.location.push_str(location);
    }
    for value in fields.get_all(header::SET_COOKIE) {
        let pair = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        answer.cookies.extend_from_slice(pair.trim_ascii());
        answer.cookies.push(b'\n');
    }
}

fn reason_of(error: &h2::Error) -> Reason {
    if error.is_io() {
        Reason::Reset
    } else if error.is_remote() || error.is_go_away() || error.is_reset() {
        Reason::StreamRefused
    } else {
        Reason::MalformedAnswer
    }
}
