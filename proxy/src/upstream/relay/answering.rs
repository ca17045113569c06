//! The answer's way back: interim answers, the head, the body as it comes.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use schleuse_http1::{
    BodyDecoder, BodyLength, HeadLimits, Piece, ResponseHead, ResponseTo, Trailer, take_response,
};
use tokio::net::tcp::ReadHalf;

use super::{Compose, Course, Fault, Relayed};
use crate::{
    clock,
    deadlines::{Deadlines, Limit, Stop},
    exchange::{ClientError, Responder},
    pace::Pace,
    socket::poll_read_some,
    upstream::limit::Lease,
};

/// More interim answers than this are an endpoint gone wrong.
const INTERIM_MAX: u32 = 16;

/// The answer's way back.
pub(super) struct Answering<'r> {
    pub(super) reader: ReadHalf<'r>,
    pub(super) buf: &'r mut BytesMut,
    pub(super) lease: &'r mut Lease,
    pub(super) asked: ResponseTo,
    /// Nothing more of the request will be written.
    pub(super) request_ended: &'r AtomicBool,
    pub(super) deadlines: &'r Deadlines,
    pub(super) pace: Pace,
    pub(super) head: HeadLimits,
}

impl Answering<'_> {
    pub(super) async fn run<R: Responder>(
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
    pub(super) async fn raw(&mut self, responder: &mut impl Responder) -> Result<(), Fault> {
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
