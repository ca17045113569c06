//! One request over HTTP/2 and what comes of it.
//!
//! Its body is given on only as far as the target's windows allow, so that an upload waits in no buffer and what never left
//! is known. What the target surely did not work on is told apart from what failed (RFC 9113 §8.7).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, header};

use crate::{
    generator::{answer::Answer, retry_after, set_cookie},
    record::Remainder,
    results::Reason,
};

/// What uploads consist of, sent without copying.
static FILLER: [u8; 16_384] = [b'x'; 16_384];

/// A request's end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) citizen: u32,
    pub(crate) outcome: Outcome,
    pub(crate) remainder: Remainder,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The whole answer.
    Answer(Answer),
    /// None, and why.
    Failed(Reason),
    /// The target says that it did not begin to work on it.
    Untouched,
}

/// A request that is to be sent.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) citizen: u32,
    /// When it was planned.
    pub(crate) plan: u64,
    pub(crate) text: Bytes,
    /// Bytes of filler behind the text.
    pub(crate) filler: u64,
}

impl Upload {
    pub(super) fn left(&self) -> u64 {
        self.filler.saturating_add(self.text.len() as u64)
    }

    /// The next piece, of at most so many bytes.
    fn next(&mut self, room: usize) -> Bytes {
        if !self.text.is_empty() {
            return self.text.split_to(room.min(self.text.len()));
        }
        let left = usize::try_from(self.filler).unwrap_or(usize::MAX);
        let next = FILLER.get(..room.min(left)).unwrap_or(&FILLER);
        self.filler -= next.len() as u64;
        Bytes::from_static(next)
    }
}

enum Stage {
    Head(ResponseFuture),
    Body(RecvStream),
}

/// A stream that was begun.
pub(super) struct Stream {
    upload: Upload,
    /// Bytes of the whole body.
    length: u64,
    stage: Stage,
    sending: SendStream<Bytes>,
    answer: Answer,
}

impl Stream {
    pub(super) fn new(
        upload: Upload,
        response: ResponseFuture,
        sending: SendStream<Bytes>,
    ) -> Self {
        Self {
            length: upload.left(),
            upload,
            stage: Stage::Head(response),
            sending,
            answer: Answer::default(),
        }
    }

    pub(super) const fn citizen(&self) -> u32 {
        self.upload.citizen
    }

    /// As long as the answer is not whole.
    pub(super) fn remainder(&self) -> Remainder {
        Remainder {
            plan: self.upload.plan,
            unsent_bytes: self.upload.left(),
            received_bytes: self.answer.body_bytes,
        }
    }

    /// The citizen left.
    pub(super) fn cancel(mut self) -> Remainder {
        self.sending.send_reset(h2::Reason::CANCEL);
        self.remainder()
    }

    pub(super) fn end(self, ended: Result<(), h2::Error>) -> Ended {
        let (citizen, mut remainder) = (self.citizen(), self.remainder());
        let outcome = match ended {
            Ok(()) => {
                remainder.received_bytes = 0; // they are the answer's
                Outcome::Answer(self.answer)
            }
            Err(error) if is_untouched(&error) => {
                remainder.unsent_bytes = self.length;
                Outcome::Untouched
            }
            Err(error) => Outcome::Failed(reason_of(&error)),
        };
        Ended {
            citizen,
            outcome,
            remainder,
        }
    }

    pub(super) fn fail(self, reason: Reason) -> Ended {
        Ended {
            citizen: self.citizen(),
            outcome: Outcome::Failed(reason),
            remainder: self.remainder(),
        }
    }

    /// Goes on in both directions; ready when nothing more will come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        self.write(context);
        self.read(context)
    }

    /// Gives on as much of the body as there is room for.
    pub(super) fn write(&mut self, context: &mut Context<'_>) {
        while self.upload.left() > 0 {
            let wanted = usize::try_from(self.upload.left()).unwrap_or(usize::MAX);
            self.sending.reserve_capacity(wanted.min(FILLER.len()));
            let room = match self.sending.capacity() {
                0 => match self.sending.poll_capacity(context) {
                    Poll::Ready(Some(Ok(room))) => room,
                    // Not now; or never again, which reading tells better.
                    _ => return,
                },
                room => room,
            };
            let next = self.upload.next(room);
            let is_last = self.upload.left() == 0;
            if self.sending.send_data(next, is_last).is_err() {
                return;
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            match &mut self.stage {
                Stage::Head(response) => match Pin::new(response).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
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
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(Some(Ok(bytes))) => {
                        self.answer.body_bytes += bytes.len() as u64;
                        // The stream may be closed; the connection's window is released all the same.
                        let _ = body.flow_control().release_capacity(bytes.len());
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
    if let Some(location) =
        value(header::LOCATION).and_then(|location| str::from_utf8(location).ok())
    {
        answer.location.push_str(location);
    }
    for value in fields.get_all(header::SET_COOKIE) {
        set_cookie::keep(value.as_bytes(), &mut answer.cookies);
    }
}

/// Whether the target says that it did not begin to work on the stream (RFC 9113 §8.7): `h2` gives the leave that was taken
/// as the error of those streams alone that are above its last.
fn is_untouched(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

pub(super) fn reason_of(error: &h2::Error) -> Reason {
    if error.is_io() {
        Reason::Reset
    } else if error.is_remote() || error.is_go_away() || error.is_reset() {
        Reason::StreamRefused
    } else {
        Reason::MalformedAnswer
    }
}
