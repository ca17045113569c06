//! An exchange in memory: the pipeline without sockets, for tests and for loads that file handles do not allow.
//!
//! It obeys the same contract as the protocols: the body comes in pieces, the answer is recorded as it would be sent, and
//! the client can leave at any time.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use schleuse_http1::{BodyLength, RequestHead, ResponseHead, Trailer};

use super::{Answer, BodyIn, ClientError, Exchange, Parts, Responder, head_fields};
use crate::deadlines::Deadlines;

/// A request that came from nowhere, and the record of its answer.
#[derive(Debug)]
pub struct Double {
    head: RequestHead,
    body: Pieces,
    client: Arc<Client>,
    deadlines: Arc<Deadlines>,
}

/// The client's side of a [`Double`].
#[derive(Debug, Default)]
pub struct Client {
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    gone: bool,
    recorded: Recorded,
}

/// What the client of a [`Double`] has got.
#[derive(Debug, Default, Clone)]
pub struct Recorded {
    /// Statuses of interim answers.
    pub interims: Vec<u16>,
    /// Final status; 0: none yet.
    pub status: u16,
    /// Fields in the order sent.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Bytes of the body so far.
    pub body: BytesMut,
    /// The answer is whole.
    pub ended: bool,
    /// The answer broke off.
    pub aborted: bool,
}

impl Client {
    /// Leaves; whatever waits for this client ends.
    pub fn leave(&self) {
        self.state.lock().gone = true;
        self.waker.wake();
    }

    /// What has come.
    pub fn recorded(&self) -> Recorded {
        self.state.lock().recorded.clone()
    }
}

impl Double {
    /// A request with a body in these pieces, and its client.
    pub fn new(
        head: RequestHead,
        pieces: impl IntoIterator<Item = Bytes>,
        deadlines: Arc<Deadlines>,
    ) -> (Self, Arc<Client>) {
        let client = Arc::<Client>::default();
        let body = Pieces {
            length: head.body(),
            pieces: pieces.into_iter().collect(),
        };
        (
            Self {
                head,
                body,
                client: client.clone(),
                deadlines,
            },
            client,
        )
    }
}

impl Exchange for Double {
    type Body<'e> = &'e mut Pieces;
    type Responder<'e> = Recorder<'e>;

    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    fn split(&mut self) -> Parts<'_, Self::Body<'_>, Self::Responder<'_>> {
        Parts {
            head: &self.head,
            body: &mut self.body,
            responder: Recorder {
                client: &self.client,
            },
            deadlines: &self.deadlines,
        }
    }
}

/// The body of a [`Double`].
#[derive(Debug)]
pub struct Pieces {
    length: BodyLength,
    pieces: VecDeque<Bytes>,
}

impl BodyIn for &mut Pieces {
    fn length(&self) -> BodyLength {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        Ok(self.pieces.pop_front())
    }

    fn ready(&mut self) -> Result<Option<Bytes>, ClientError> {
        Ok(self.pieces.pop_front())
    }

    fn ended(&self) -> bool {
        self.pieces.is_empty()
    }

    fn trailers(&self) -> &[Trailer] {
        &[]
    }

    fn become_tunnel(&mut self) {}
}

/// Records the answer of a [`Double`].
#[derive(Debug)]
pub struct Recorder<'e> {
    client: &'e Client,
}

impl Recorder<'_> {
    fn record(&self, change: impl FnOnce(&mut Recorded)) -> Result<(), ClientError> {
        let mut state = self.client.state.lock();
        if state.gone {
            return Err(ClientError::Gone);
        }
        change(&mut state.recorded);
        Ok(())
    }
}

impl Responder for Recorder<'_> {
    async fn interim(&mut self, head: &ResponseHead) -> Result<(), ClientError> {
        self.record(|recorded| recorded.interims.push(head.status()))
    }

    fn begin(&mut self, answer: &Answer<'_>, _length: BodyLength) {
        // A client that left learns nothing; the next write says so.
        let _ = self.record(|recorded| {
            recorded.status = answer.status;
            recorded.fields = head_fields(answer)
                .map(|(name, value)| (name.to_owned(), value.to_vec()))
                .collect();
        });
    }

    async fn data(&mut self, piece: Bytes) -> Result<(), ClientError> {
        self.record(|recorded| recorded.body.extend_from_slice(&piece))
    }

    async fn flush(&mut self) -> Result<(), ClientError> {
        self.record(|_| {})
    }

    async fn end(&mut self, _trailers: &[Trailer]) -> Result<(), ClientError> {
        self.record(|recorded| recorded.ended = true)
    }

    fn begun(&self) -> bool {
        self.client.state.lock().recorded.status != 0
    }

    fn abort(&mut self) {
        self.client.state.lock().recorded.aborted = true;
    }

    fn close_after(&mut self) {}

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.client.waker.register(cx.waker());
        if self.client.state.lock().gone {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn sent_bytes(&self) -> u64 {
        self.client.state.lock().recorded.body.len() as u64
    }
}
