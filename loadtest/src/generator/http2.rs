//! One HTTP/2 connection to the target (RFC 9113): many requests at once, driven from the worker's own event loop.
//!
//! The protocol is the `h2` crate's. It wants to be polled; so whatever the kernel reports polls the connection, and a
//! waker for each stream notes which of them have something, because asking a thousand streams after each packet would cost
//! more than the packets. Streams allocate (heads are maps there); the promise of none per request is HTTP/1.1's.
//!
//! A target that takes its leave (GOAWAY) gets no more streams, and answers those that it has.

mod stream;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::Request;
use slab::Slab;

pub(crate) use self::stream::{Ended, Outcome, Upload};
use self::stream::{Stream, reason_of};
use super::socket_io::SocketIo;
use crate::{record::Remainder, results::Reason};

/// Receive windows: no request should wait for our permission.
const WINDOW: u32 = 1 << 24;

type Handshake = Pin<
    Box<dyn Future<Output = Result<(SendRequest<Bytes>, Connection<SocketIo, Bytes>), h2::Error>>>,
>;

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
    /// Whether the last request has its stream (one that was reset occupies it until that is written), and others may follow.
    is_ready: bool,
    /// Whether no other will ever follow.
    is_leaving: bool,
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
            is_leaving: false,
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

    /// Whether it takes no other request, and only ends what it has.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving || self.is_over()
    }

    /// Requests that were sent on it.
    pub(crate) const fn served(&self) -> u64 {
        self.served
    }

    /// Sends a request; false if the connection took nothing of it.
    pub(crate) fn send(&mut self, request: Request<()>, upload: Upload) -> bool {
        let State::Open(sender, _) = &mut self.state else {
            return false;
        };
        let sent = sender.send_request(request, upload.left() == 0);
        self.look_if_ready();
        let Ok((response, sending)) = sent else {
            return false;
        };
        self.served += 1;
        let place = self.streams.insert(Stream::new(upload, response, sending));
        let waker = self.waker(place);
        if let Some(stream) = self.streams.get_mut(place) {
            stream.write(&mut Context::from_waker(&waker));
        }
        self.note_woken(place);
        true
    }

    fn look_if_ready(&mut self) {
        if let State::Open(sender, _) = &mut self.state {
            let mut context = Context::from_waker(Waker::noop());
            let ready = sender.poll_ready(&mut context);
            // An error is a leave that was taken, or streams that are used up (RFC 9113 §5.1.1, §6.8): it stays.
            self.is_leaving = matches!(ready, Poll::Ready(Err(_)));
            self.is_ready = matches!(ready, Poll::Ready(Ok(())));
        }
    }

    /// The citizen left: the stream is reset, the connection stays.
    pub(crate) fn cancel(&mut self, citizen: u32) -> Option<Remainder> {
        let mut streams = self.streams.iter();
        let (place, _) = streams.find(|(_, stream)| stream.citizen() == citizen)?;
        Some(self.streams.remove(place).cancel())
    }

    /// What streams would leave if they ended now.
    pub(crate) fn remainders(&self) -> impl Iterator<Item = Remainder> {
        self.streams.iter().map(|(_, stream)| stream.remainder())
    }

    /// Goes on as far as the kernel lets it; `ended` gets every request's end.
    pub(crate) fn drive(&mut self, ended: &mut Vec<Ended>) {
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
    fn poll_streams(&mut self, ended: &mut Vec<Ended>) -> Option<Option<Reason>> {
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
                ended.push(self.streams.remove(place).end(outcome));
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

    /// The connection is over, and every stream with it. Its last bytes may hold whole answers, or say which streams were
    /// never worked on.
    fn end(&mut self, reason: Reason, ended: &mut Vec<Ended>) {
        self.state = State::Over;
        for mut stream in self.streams.drain() {
            let polled = stream.poll(&mut Context::from_waker(Waker::noop()));
            ended.push(match polled {
                Poll::Ready(outcome) => stream.end(outcome),
                Poll::Pending => stream.fail(reason),
            });
        }
    }
}
