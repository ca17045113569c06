//! A worker: one thread with a runtime of its own that accepts for all listeners and serves what it accepted.
//!
//! Accepting, readiness and connection stay on one thread, so a connection never wakes another core. pingora supplies the
//! service, its thread and its runtime; its own listening service is not used because it cannot gain or lose listeners,
//! and because several of them on one address each own the same descriptor.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};
use slab::Slab;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{JoinSet, yield_now},
    time::sleep,
};

use crate::{
    connection::{self, ConnectionInfo, Handler, TlsInfo},
    deadlines::{Deadlines, Limit, supervise},
    edge::Edge,
    listeners::{Bound, Listeners},
    log,
    socket::{Socket, is_local_shortage},
    tasks::spawn,
    upstream::idle,
};

/// How long accepting pauses when file handles ran out; connections that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a worker's log lines are handed over.
const LOG_TICK: Duration = Duration::from_millis(100);

thread_local! {
    /// This worker's connections, to tell them that the process is stopping.
    static CONNECTIONS: RefCell<Slab<Arc<Deadlines>>> = const { RefCell::new(Slab::new()) };
}

/// One worker.
#[derive(Debug)]
pub struct Worker<H> {
    /// From 0.
    pub number: usize,
    /// For logs and the thread's name.
    pub name: String,
    /// The proxy.
    pub edge: Arc<Edge>,
    /// What to accept from.
    pub listeners: Arc<Listeners>,
    /// What answers.
    pub handler: Arc<H>,
    /// Turns true when the process begins to stop; dropped when this worker has told its connections.
    pub leaving: Option<watch::Receiver<bool>>,
}

#[async_trait]
impl<H: Handler> Service for Worker<H> {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _per_fd: usize,
    ) {
        spawn(idle::sweep(self.number));
        spawn(hand_over_log());
        let mut listeners = self.listeners.subscribe();
        let Some(mut leaving) = self.leaving.take() else {
            return;
        };
        let mut accepting = Accepting::default();
        loop {
            accepting.follow(
                &listeners.borrow_and_update().clone(),
                &self.edge,
                &self.handler,
            );
            tokio::select! {
                _ = leaving.wait_for(|leaving| *leaving) => break,
                changed = listeners.changed() => if changed.is_err() { break },
                _ = shutdown.changed() => break,
            }
        }
        accepting.end(&self.edge, &self.handler).await;
        CONNECTIONS.with_borrow(|connections| {
            connections
                .iter()
                .for_each(|(_, connection)| connection.leave());
        });
        let_connections_run().await; // they end in order, TLS with a close_notify
        log::flush();
        drop(leaving);
        // Requests in flight go on; this runtime lives until they have ended.
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

async fn hand_over_log() {
    let mut tick = tokio::time::interval(LOG_TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        log::flush();
    }
}

/// The accept loops of one worker, by configured address. Dropping one ends it.
#[derive(Debug, Default)]
struct Accepting(HashMap<SocketAddr, (Arc<Bound>, JoinSet<()>)>);

impl Accepting {
    fn follow<H: Handler>(&mut self, wanted: &[Arc<Bound>], edge: &Arc<Edge>, handler: &Arc<H>) {
        self.0.retain(|_, (bound, _)| {
            let stays = wanted.iter().any(|wanted| Arc::ptr_eq(wanted, bound));
            if !stays {
                serve_waiting(bound, edge, handler);
            }
            stays
        });
        for bound in wanted {
            self.0.entry(bound.configured).or_insert_with(|| {
                let mut task = JoinSet::new();
                task.spawn(accept(bound.clone(), edge.clone(), handler.clone()));
                (bound.clone(), task)
            });
        }
    }

    /// Accepts nothing new. Closes this worker's duplicates, nobody else's.
    async fn end<H: Handler>(self, edge: &Arc<Edge>, handler: &Arc<H>) {
        for (bound, mut task) in self.0.into_values() {
            task.shutdown().await;
            serve_waiting(&bound, edge, handler);
        }
        let_connections_run().await; // they begin what has come on them already
    }
}

/// Two turns of the reactor: sockets learn what came, and then every task that is woken runs.
async fn let_connections_run() {
    for _ in 0..2 {
        yield_now().await;
    }
}

/// Whoever connected before the socket closes is served: its request may already lie there, and closing would reset it.
fn serve_waiting<H: Handler>(bound: &Arc<Bound>, edge: &Arc<Edge>, handler: &Arc<H>) {
    while let Ok((tcp, peer)) = bound.accept_waiting() {
        if let Ok(tcp) = TcpStream::from_std(tcp) {
            serve(tcp, peer, bound, edge, handler);
        }
    }
}

async fn accept<H: Handler>(bound: Arc<Bound>, edge: Arc<Edge>, handler: Arc<H>) {
    let listener = loop {
        match bound.duplicate() {
            Ok(listener) => break listener,
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    };
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => serve(tcp, peer, &bound, &edge, &handler),
            Err(error) if is_local_shortage(&error) => {
                edge.metrics.accept_paused.inc();
                sleep(ACCEPT_PAUSE).await;
            }
            Err(_) => {} // the client gave up before we came to it (ECONNABORTED)
        }
    }
}

fn serve<H: Handler>(
    tcp: TcpStream,
    peer: SocketAddr,
    bound: &Arc<Bound>,
    edge: &Arc<Edge>,
    handler: &Arc<H>,
) {
    edge.metrics.connections.inc();
    let _ = tcp.set_nodelay(true);
    let socket = Socket::new(tcp);
    let info = ConnectionInfo {
        peer,
        listener: bound.configured,
        tls: None,
    };
    let open = Open::new(edge.clone());
    let deadlines = open.deadlines();
    match bound.tls() {
        None => {
            let task = connection::run(socket, info, deadlines.clone(), handler.clone());
            spawn(supervise(deadlines, Holding { open, task }));
        }
        Some(tls) => {
            // A task for the handshake and its state; the connection's own is a slim one again.
            let (handler, edge) = (handler.clone(), edge.clone());
            deadlines.set_after(Limit::Header, handler.policy().handshake_max);
            spawn(supervise(deadlines.clone(), async move {
                let accepted = deadlines
                    .guard(
                        &[Limit::Header, Limit::Leaving],
                        tls.acceptor().accept(socket),
                    )
                    .await;
                let Ok(Ok(stream)) = accepted else {
                    return edge.metrics.handshakes_failed.inc();
                };
                drop(open);
                secure(Box::new(stream), info, edge, handler);
            }));
        }
    }
}

fn secure<H: Handler>(
    stream: Box<tokio_rustls::server::TlsStream<Socket>>,
    mut info: ConnectionInfo,
    edge: Arc<Edge>,
    handler: Arc<H>,
) {
    let server_name = stream
        .get_ref()
        .1
        .server_name()
        .map(|name| name.to_ascii_lowercase().into_boxed_str());
    info.tls = Some(TlsInfo { server_name });
    let open = Open::new(edge);
    let deadlines = open.deadlines();
    spawn(supervise(
        deadlines.clone(),
        Holding {
            open,
            task: connection::run(stream, info, deadlines, handler),
        },
    ));
}

pin_project_lite::pin_project! {
    /// A connection's task with what it holds. Not an `async fn`: that would keep room for the task twice, in its
    /// argument and in what it awaits, 450 bytes in every idle connection.
    struct Holding<F> {
        open: Open,
        #[pin]
        task: F,
    }
}

impl<F: Future<Output = ()>> Future for Holding<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().task.poll(cx)
    }
}

/// An open connection: counted, and reachable when the process stops.
struct Open {
    edge: Arc<Edge>,
    key: usize,
}

impl Open {
    fn new(edge: Arc<Edge>) -> Self {
        edge.metrics.connections_open.inc();
        let key = CONNECTIONS.with_borrow_mut(|connections| connections.insert(Arc::default()));
        Self { edge, key }
    }

    fn deadlines(&self) -> Arc<Deadlines> {
        CONNECTIONS
            .with_borrow(|connections| connections.get(self.key).cloned())
            .unwrap_or_default()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.edge.metrics.connections_open.dec();
        // Not there when the thread's storage is already gone, at the end of the process.
        let _ = CONNECTIONS.try_with(|connections| connections.borrow_mut().try_remove(self.key));
    }
}
