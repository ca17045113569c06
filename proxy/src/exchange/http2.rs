//! HTTP/2 towards the client: one stream of pingora's server session as an [`Exchange`].
//!
//! Not offered by the listeners yet (they announce `http/1.1` alone); it proves that the contract of [`Exchange`] holds
//! for a protocol with streams, flow control and trailers, and a test carries a request over it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::SendStream;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use pingora_core::protocols::http::v2::server::HttpSession;
use pingora_http::ResponseHeader;
use schleuse_http1::{BodyLength, Known, Reject, RequestHead, ResponseHead, Trailer};

use super::{Answer, BodyIn, ClientError, Exchange, Parts, Responder, head_fields};
use crate::deadlines::{Deadlines, Limit};

/// One HTTP/2 stream.
pub struct Http2 {
    session: Mutex<HttpSession>,
    head: RequestHead,
    reading: Reading,
    writing: Writing,
    deadlines: Arc<Deadlines>,
}

struct Reading {
    length: BodyLength,
    ended: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    None,
    Begun,
    Ended,
    Failed,
}

#[derive(Default)]
struct Writing {
    stream: Option<SendStream<Bytes>>,
    head_request: bool,
    progress: Progress,
    sent_bytes: u64,
}

impl Http2 {
    /// For a stream whose head has come.
    ///
    /// # Errors
    ///
    /// [`Reject`] when the head breaks the rules that hold for every protocol.
    pub fn new(session: HttpSession, deadlines: Arc<Deadlines>) -> Result<Self, Reject> {
        let request = session.req_header();
        let uri = &request.uri;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let fields = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut head = RequestHead::from_parts(request.method.as_str(), target, authority, fields)?;
        // Without a length the end of the stream tells; towards an HTTP/1.1 backend that is chunked.
        let length = match (session.is_body_empty(), head.body()) {
            (true, _) => BodyLength::Empty,
            (false, BodyLength::Length(length)) => BodyLength::Length(length),
            (false, _) => BodyLength::Chunked,
        };
        head.set_body(length);
        let writing = Writing {
            head_request: head.method() == "HEAD",
            ..Writing::default()
        };
        let reading = Reading {
            length,
            ended: length == BodyLength::Empty,
        };
        Ok(Self {
            session: Mutex::new(session),
            head,
            reading,
            writing,
            deadlines,
        })
    }
}

impl Exchange for Http2 {
    type Body<'e>
        = Http2Body<'e>
    where
        Self: 'e;
    type Responder<'e>
        = Http2Responder<'e>
    where
        Self: 'e;

    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    fn split(&mut self) -> Parts<'_, Self::Body<'_>, Self::Responder<'_>> {
        let (session, deadlines) = (&self.session, &*self.deadlines);
        Parts {
            head: &self.head,
            body: Http2Body {
                session,
                reading: &mut self.reading,
                deadlines,
            },
            responder: Http2Responder {
                session,
                writing: &mut self.writing,
                deadlines,
            },
            deadlines,
        }
    }
}

/// The request's body.
pub struct Http2Body<'e> {
    session: &'e Mutex<HttpSession>,
    reading: &'e mut Reading,
    deadlines: &'e Deadlines,
}

impl BodyIn for Http2Body<'_> {
    fn length(&self) -> BodyLength {
        self.reading.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        if self.reading.ended {
            return Ok(None);
        }
        poll_fn(|cx| match self.session.lock().poll_read_body_bytes(cx) {
            Poll::Ready(Some(Ok(piece))) => Poll::Ready(Ok(Some(piece))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Err(ClientError::Gone)),
            Poll::Ready(None) => {
                self.reading.ended = true;
                Poll::Ready(Ok(None))
            }
            Poll::Pending => self
                .deadlines
                .pending(&[Limit::ClientRead, Limit::Exchange])
                .map_err(ClientError::from),
        })
        .await
    }

    /// Frames are taken when they are asked for; nothing waits on this side of the session.
    fn ready(&mut self) -> Result<Option<Bytes>, ClientError> {
        Ok(None)
    }

    fn ended(&self) -> bool {
        self.reading.ended
    }

    fn trailers(&self) -> &[Trailer] {
        &[]
    }

    /// No upgrade is offered to HTTP/2 clients (RFC 9113 §8.6), so none can succeed.
    fn become_tunnel(&mut self) {}
}

/// The answer.
pub struct Http2Responder<'e> {
    session: &'e Mutex<HttpSession>,
    writing: &'e mut Writing,
    deadlines: &'e Deadlines,
}

impl Responder for Http2Responder<'_> {
    /// The session cannot send interim answers; clients of HTTP/2 do not depend on them (RFC 9110 §15.2).
    async fn interim(&mut self, _head: &ResponseHead) -> Result<(), ClientError> {
        Ok(())
    }

    fn begin(&mut self, answer: &Answer<'_>, length: BodyLength) {
        let bodyless = length == BodyLength::Empty || self.writing.head_request;
        let mut session = self.session.lock();
        let sent = compose(answer, length).is_some_and(|head| {
            session
                .write_response_header(Box::new(head), bodyless)
                .is_ok()
        });
        self.writing.progress = match (sent, bodyless) {
            (false, _) => Progress::Failed,
            (true, true) => Progress::Ended,
            (true, false) => Progress::Begun,
        };
        self.writing.stream = session.take_response_body_writer();
    }

    async fn data(&mut self, mut piece: Bytes) -> Result<(), ClientError> {
        while !piece.is_empty() && self.writing.progress != Progress::Ended {
            let capacity = self.capacity(piece.len()).await?;
            let part = piece.split_to(capacity.min(piece.len()));
            self.writing.sent_bytes += part.len() as u64;
            let Some(stream) = &mut self.writing.stream else {
                return Err(ClientError::Gone);
            };
            stream
                .send_data(part, false)
                .map_err(|_| ClientError::Gone)?;
        }
        Ok(())
    }

    /// The session's own task sends.
    async fn flush(&mut self) -> Result<(), ClientError> {
        if self.writing.progress == Progress::Failed {
            Err(ClientError::Gone)
        } else {
            Ok(())
        }
    }

    /// `END_STREAM` on the trailers' HEADERS, never on an empty DATA after them (RFC 9113 §8.1).
    async fn end(&mut self, trailers: &[Trailer]) -> Result<(), ClientError> {
        match std::mem::replace(&mut self.writing.progress, Progress::Ended) {
            Progress::Failed => return Err(ClientError::Gone),
            Progress::Ended => return Ok(()),
            Progress::None | Progress::Begun => {}
        }
        let Some(stream) = &mut self.writing.stream else {
            return Err(ClientError::Gone);
        };
        let sent = match trailer_map(trailers) {
            Some(map) => stream.send_trailers(map),
            None => stream.send_data(Bytes::new(), true),
        };
        sent.map_err(|_| ClientError::Gone)
    }

    fn begun(&self) -> bool {
        self.writing.progress != Progress::None
    }

    fn abort(&mut self) {
        if let Some(stream) = &mut self.writing.stream {
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    }

    /// Streams end one by one; the connection's end is a GOAWAY of whoever accepts it.
    fn close_after(&mut self) {}

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stream) = &mut self.writing.stream {
            return stream.poll_reset(cx).map(drop);
        }
        let mut session = self.session.lock();
        std::pin::pin!(session.idle()).poll(cx).map(drop)
    }

    fn sent_bytes(&self) -> u64 {
        self.writing.sent_bytes
    }
}

impl Http2Responder<'_> {
    /// Waits for the client's window (back-pressure).
    async fn capacity(&mut self, wanted: usize) -> Result<usize, ClientError> {
        let Some(stream) = &mut self.writing.stream else {
            return Err(ClientError::Gone);
        };
        stream.reserve_capacity(wanted);
        let deadlines = self.deadlines;
        poll_fn(|cx| {
            let polled = stream.poll_capacity(cx);
            if polled.is_pending() {
                return deadlines
                    .pending(&[Limit::ClientWrite, Limit::Exchange])
                    .map_err(ClientError::from);
            }
            match ready!(polled) {
                Some(Ok(capacity)) => Poll::Ready(Ok(capacity)),
                _ => Poll::Ready(Err(ClientError::Gone)),
            }
        })
        .await
    }
}

fn compose(answer: &Answer<'_>, length: BodyLength) -> Option<ResponseHeader> {
    let mut head = ResponseHeader::build(answer.status, None).ok()?;
    for (name, value) in head_fields(answer) {
        head.append_header(name.to_ascii_lowercase(), value).ok()?;
    }
    match (
        length,
        answer
            .upstream
            .and_then(|upstream| upstream.get(Known::ContentLength)),
    ) {
        (BodyLength::Length(length), _) => head
            .insert_header("content-length", length.to_string())
            .ok()?,
        (BodyLength::Empty, Some(announced)) => {
            head.insert_header("content-length", announced).ok()?;
        }
        _ => {}
    }
    Some(head)
}

fn trailer_map(trailers: &[Trailer]) -> Option<HeaderMap> {
    let fields = trailers.iter().filter_map(|(name, value)| {
        Some((
            HeaderName::from_bytes(name).ok()?,
            HeaderValue::from_bytes(value).ok()?,
        ))
    });
    let map: HeaderMap = fields.collect();
    (!map.is_empty()).then_some(map)
}
