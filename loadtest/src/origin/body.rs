//! The bytes of an answer, made while they are sent, and the account that is closed when they are.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::tally::{Counts, Key, Tally};

/// What bodies are made of.
static FILLER: [u8; 16 << 10] = [b'.'; 16 << 10];

/// What one request comes to. Counted when it is dropped, whether or not it came to its end.
#[derive(Debug)]
pub(super) struct Account {
    tally: Arc<Tally>,
    key: Key,
    counts: Counts,
    started: Instant,
}

impl Account {
    pub(super) fn open(tally: Arc<Tally>, tenant: String, step: String) -> Self {
        Self {
            tally,
            key: Key {
                tenant,
                step,
                status: 0,
            },
            counts: Counts {
                requests: 1,
                ..Counts::default()
            },
            started: Instant::now(),
        }
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    pub(super) const fn received(&mut self, bytes: u64) {
        self.counts.received_bytes += bytes;
    }

    pub(super) const fn sent(&mut self, bytes: u64) {
        self.counts.sent_bytes += bytes;
    }

    pub(super) const fn answers(&mut self, status: u16) {
        self.key.status = status;
    }

    pub(super) const fn finish(&mut self) {
        self.counts.answered = 1;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let took = (self.counts.answered > 0).then(|| self.started.elapsed());
        self.tally.ended(self.key.clone(), self.counts, took);
    }
}

/// So many parts of so many bytes.
#[derive(Debug)]
pub(super) struct AnswerBody {
    /// Bytes left of this part.
    left: u64,
    /// Bytes of each further part, how many of them, and the time before each.
    size: u64,
    parts: u64,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    /// Closed, so that time and counts are those of the last byte, not of the connection's end.
    account: Option<Account>,
}

impl AnswerBody {
    /// A body of this size, sent as fast as it is taken.
    pub(super) fn sized(size: u64, account: Account) -> Self {
        Self::stream(size, 1, Duration::ZERO, account)
    }

    /// `parts` times `size` bytes, the first at once, the others `every` so often.
    pub(super) fn stream(size: u64, parts: u64, every: Duration, account: Account) -> Self {
        let mut body = Self {
            left: if parts == 0 { 0 } else { size },
            size,
            parts: if size == 0 {
                0
            } else {
                parts.saturating_sub(1)
            },
            every,
            pause: None,
            account: Some(account),
        };
        body.close_at_end();
        body
    }

    const fn is_over(&self) -> bool {
        self.left == 0 && self.parts == 0
    }

    fn close_at_end(&mut self) {
        if self.is_over()
            && let Some(mut account) = self.account.take()
        {
            account.finish();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over() {
            return Poll::Ready(None);
        }
        if self.left == 0 {
            let every = self.every;
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(every)));
            ready!(pause.as_mut().poll(context));
            self.pause = None;
            self.parts -= 1;
            self.left = self.size;
        }
        let length = usize::try_from(self.left).map_or(FILLER.len(), |left| left.min(FILLER.len()));
        self.left -= length as u64;
        if let Some(account) = &mut self.account {
            account.sent(length as u64);
        }
        self.close_at_end();
        let bytes = Bytes::from_static(FILLER.get(..length).unwrap_or_default());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    /// Exact unless it is a stream, which is sent in chunks.
    fn size_hint(&self) -> SizeHint {
        if self.parts == 0 {
            SizeHint::with_exact(self.left)
        } else {
            SizeHint::default()
        }
    }
}
