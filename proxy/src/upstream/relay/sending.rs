//! The request's way to the endpoint: head, body as it comes, trailers.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use schleuse_http1::{
    BodyLength,
    encode::{write_chunk_end, write_chunk_head, write_last_chunk},
};
use tokio::{io::AsyncWrite, net::tcp::WriteHalf};

use super::{Fault, Outgoing, RelayPolicy, idle_only};
use crate::{
    deadlines::{Deadlines, Limit, Stop},
    exchange::{BodyIn, ClientError},
    pace::Pace,
};

/// The first bytes of a body share the head's packet up to this size.
const FIRST_WRITE_BYTES: usize = 16 * 1024;

/// The request's way out.
pub(super) struct Sending<'r> {
    writer: WriteHalf<'r>,
    outgoing: Outgoing<'r>,
    pub(super) deadlines: &'r Deadlines,
    pub(super) pace: Pace,
    first_byte: Duration,
    body_bytes_max: u64,
}

impl<'r> Sending<'r> {
    pub(super) fn new(
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

    pub(super) async fn head_only(&mut self) -> Result<(), Fault> {
        let head = std::mem::take(&mut self.outgoing.head);
        let written = self.write(&head).await;
        crate::exchange::http1::give_back(head);
        Ok(written?)
    }

    /// Head and body. Pieces that are here already share the head's packet.
    pub(super) async fn all(&mut self, body: &mut impl BodyIn) -> Result<(), Fault> {
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

    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
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
