//! One client connection, from accept to close: TLS handshake, requests one after the other, lingering close.
//!
//! The task's future is as small as its idle state: everything about a request lives in a boxed future that exists only
//! from the first byte of its head to the end of its answer.

use std::{
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::BytesMut;
use parking_lot::Mutex;
use schleuse_config::ClientPolicy;
use schleuse_core::Refusal;
use schleuse_http1::{HeadLimits, RequestHead, take_request};

use crate::{
    clock,
    deadlines::{Deadlines, Limit, Stop, supervise},
    exchange::{
        Exchange, Responder,
        http1::{Http1, Http1Responder, Next, Writing},
    },
    limits::{FREE_BYTES, Room},
    pace::PacePolicy,
    socket::{Socket, Wire, poll_read_some},
};

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// The listener's configured address.
    pub listener: SocketAddr,
    /// TLS only: the name the client asked for (SNI), lower case, if it sent one.
    pub tls: Option<TlsInfo>,
    /// Nothing was answered on it yet.
    pub first_request: bool,
}

/// What is known of a TLS connection.
#[derive(Debug)]
pub struct TlsInfo {
    /// Server name indication, lower case.
    pub server_name: Option<Box<str>>,
}

impl ConnectionInfo {
    /// The peer's address, IPv4 also where the socket speaks of it as IPv6.
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// What answers the requests of a listener.
pub trait Handler: Send + Sync + 'static {
    /// What a connection may do, asked anew for each request so that a reload reaches open connections.
    fn policy(&self) -> Arc<ClientPolicy>;

    /// A keep-alive connection was closed because no request came.
    fn idle_closed(&self);

    /// Whether connections end after the answer at hand: the process is stopping.
    fn leaving(&self) -> bool;

    /// Answers one request. The answer is complete, aborted or never begun when this returns.
    fn serve<E: Exchange>(
        &self,
        exchange: &mut E,
        info: &ConnectionInfo,
    ) -> impl Future<Output = ()> + Send;

    /// Answers a head that was refused.
    fn refuse<R: Responder>(
        &self,
        responder: &mut R,
        refusal: Refusal,
        info: &ConnectionInfo,
    ) -> impl Future<Output = ()> + Send;

    /// Room for a head of which more than a KiB is here and the rest is awaited; none: it is not in anybody's budget.
    fn room(&self) -> Option<Room<'_>> {
        None
    }

    /// Held while a request is in flight, from the first byte of its head.
    type Token: Send;

    /// Counts a request in.
    fn enter(&self) -> Self::Token;
}

/// The task of one plain connection, under the watch of its deadlines.
pub fn task<H: Handler>(
    socket: Socket,
    info: ConnectionInfo,
    deadlines: Arc<Deadlines>,
    handler: Arc<H>,
) -> impl Future<Output = ()> + Send + 'static {
    supervise(deadlines.clone(), run(socket, info, deadlines, handler))
}

/// Serves one connection until either side ends it.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps each argument twice, as such and as a variable"
)]
pub fn run<W: Wire + 'static, H: Handler>(
    mut wire: W,
    mut info: ConnectionInfo,
    deadlines: Arc<Deadlines>,
    handler: Arc<H>,
) -> impl Future<Output = ()> + Send + 'static {
    async move {
        let mut buf = BytesMut::new();
        deadlines.set_after(Limit::Idle, handler.policy().header_max);
        loop {
            if buf.is_empty() {
                match read(
                    &mut wire,
                    &mut buf,
                    &deadlines,
                    &[Limit::Idle, Limit::Leaving],
                )
                .await
                {
                    Ok(1..) => {}
                    Err(Stop::Io(_)) => return,
                    ended => {
                        if matches!(ended, Err(Stop::Expired(Limit::Idle))) {
                            handler.idle_closed();
                        }
                        return shut_down(&mut wire, &deadlines).await;
                    }
                }
            }
            deadlines.set_at_rest(false);
            // Boxed, so that the idle connection's future does not have room for a request.
            let policy = handler.policy();
            match Box::pin(serve_one(
                &mut wire, &mut buf, &info, &deadlines, &*handler, &policy,
            ))
            .await
            {
                Next::Keep => {}
                Next::Close => return shut_down(&mut wire, &deadlines).await,
                Next::Linger => return Box::pin(linger(wire, &deadlines)).await,
                Next::Reset => {
                    let _ = socket2::SockRef::from(wire.socket().tcp())
                        .set_linger(Some(Duration::ZERO));
                    return;
                }
            }
            if buf.is_empty() {
                buf = BytesMut::new(); // gives the memory back while idle
            }
            info.first_request = false;
            deadlines.clear_all();
            deadlines.set(Limit::Idle, clock::recent() + policy.idle_max);
            deadlines.set_at_rest(true);
        }
    }
}

async fn serve_one<W: Wire, H: Handler>(
    wire: &mut W,
    buf: &mut BytesMut,
    info: &ConnectionInfo,
    deadlines: &Deadlines,
    handler: &H,
    policy: &ClientPolicy,
) -> Next {
    let _token = handler.enter();
    let pace = PacePolicy {
        idle_max: policy.body_idle_max,
        rate_min: policy.body_rate_min,
    };
    deadlines.clear(Limit::Idle);
    let head = match read_head(wire, buf, policy, deadlines, handler).await {
        Ok(head) => head,
        Err(Refused::Gone) => return Next::Close,
        Err(Refused::By(refusal)) => {
            let wire = Mutex::new(wire);
            let mut writing = Writing::for_refused_head(pace);
            let mut responder = Http1Responder::for_refused_head(&wire, &mut writing, deadlines);
            handler.refuse(&mut responder, refusal, info).await;
            return Next::Linger;
        }
    };
    let mut exchange = Http1::new(wire, buf, head, deadlines, pace, !handler.leaving());
    handler.serve(&mut exchange, info).await;
    exchange.finish().await
}

enum Refused {
    Gone,
    By(Refusal),
}

async fn read_head<W: Wire, H: Handler>(
    wire: &mut W,
    buf: &mut BytesMut,
    policy: &ClientPolicy,
    deadlines: &Deadlines,
    handler: &H,
) -> Result<RequestHead, Refused> {
    let limits = HeadLimits {
        bytes_max: policy.head_bytes_max,
        fields_max: policy.head_fields_max,
    };
    let mut scanned = 0;
    let mut first = true;
    let mut room = None;
    loop {
        match take_request(buf, &mut scanned, &limits) {
            Ok(Some(head)) => break Ok(head),
            Ok(None) if first => deadlines.set_after(Limit::Header, policy.header_max),
            Ok(None) => {}
            Err(reject) => {
                break Err(Refused::By(Refusal::BadRequest(
                    reject.label(),
                    reject.status(),
                )));
            }
        }
        first = false;
        if buf.len() > FREE_BYTES
            && let Some(room) = room.get_or_insert_with(|| handler.room())
            && let Err(refusal) = room.cover(buf.len())
        {
            break Err(Refused::By(refusal));
        }
        match read(wire, buf, deadlines, &[Limit::Header]).await {
            Ok(0) | Err(Stop::Io(_)) => break Err(Refused::Gone),
            Ok(_) => {}
            Err(Stop::Expired(_)) => break Err(Refused::By(Refusal::HeaderTimeout)),
        }
    }
    .inspect(|_| deadlines.clear(Limit::Header))
}

async fn read<W: Wire>(
    wire: &mut W,
    buf: &mut BytesMut,
    deadlines: &Deadlines,
    limits: &[Limit],
) -> Result<usize, Stop> {
    poll_fn(|cx| match poll_read_some(wire, cx, buf) {
        Poll::Ready(read) => Poll::Ready(read.map_err(Stop::from)),
        Poll::Pending => deadlines.pending(limits),
    })
    .await
}

/// Ends our side in order (TLS: `close_notify`), without waiting for the peer's end. Under TLS what was written before has
/// to go first, and a client that takes nothing would keep it, and us, for ever.
async fn shut_down<W: Wire>(wire: &mut W, deadlines: &Deadlines) {
    const PATIENCE: Duration = Duration::from_secs(2);
    deadlines.clear_all();
    deadlines.set_after(Limit::Idle, PATIENCE);
    let shut = poll_fn(|cx| std::pin::Pin::new(&mut *wire).poll_shutdown(cx));
    let _ = deadlines.guard(&[Limit::Idle], shut).await;
}

/// RFC 9112 §9.6: half-close, then read and throw away for a moment; a close with unread bytes would be a reset, which
/// can destroy the answer before the client has read it.
async fn linger<W: Wire>(mut wire: W, deadlines: &Deadlines) {
    const PATIENCE: Duration = Duration::from_secs(2);
    const BYTES_MAX: usize = 4 * 1024 * 1024;
    deadlines.clear_all();
    deadlines.set_after(Limit::Idle, PATIENCE);
    let shut = deadlines
        .guard(
            &[Limit::Idle],
            poll_fn(|cx| std::pin::Pin::new(&mut wire).poll_shutdown(cx)),
        )
        .await;
    if shut.is_err() {
        return;
    }
    let mut read_bytes = 0;
    let mut buf = BytesMut::new();
    while let Ok(count @ 1..) = read(&mut wire, &mut buf, deadlines, &[Limit::Idle]).await {
        read_bytes += count;
        if read_bytes > BYTES_MAX {
            return;
        }
        buf.clear();
    }
}
