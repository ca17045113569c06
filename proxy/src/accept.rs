//! From a connection that the kernel has ready to the task that runs it: caps, TLS, and what to do when file handles run
//! short.
//!
//! What is refused here is refused before anything was spent on it: no handshake, no buffer, no task.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use slab::Slab;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    connection::{self, ConnectionInfo, Handler, TlsInfo},
    deadlines::{Deadlines, Limit, supervise},
    edge::Edge,
    limits::{ConnectionPermit, file_handles},
    listeners::Bound,
    socket::{Socket, is_local_shortage},
    tasks::spawn,
};

/// How long to wait for a file handle for the listener itself.
const DUPLICATE_PAUSE: Duration = Duration::from_millis(100);
/// Connections at rest that end in each pause of accepting (every 20 ms): a worker frees 3,200 handles per second.
const CLOSED_PER_PAUSE: usize = 64;

thread_local! {
    /// This worker's connections, to tell them that the process is stopping.
    static CONNECTIONS: RefCell<Slab<Arc<Deadlines>>> = const { RefCell::new(Slab::new()) };
    /// Where the next look for connections at rest begins.
    static NEXT_AT_REST: Cell<usize> = const { Cell::new(0) };
}

/// Tells all connections of this worker that the process is stopping.
pub(crate) fn end_connections() {
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .for_each(|(_, connection)| connection.leave());
    });
}

/// Ends some of this worker's connections that were served and now rest; says how many.
fn end_some_at_rest() -> u64 {
    CONNECTIONS.with_borrow(|connections| {
        let begin = NEXT_AT_REST.get();
        let later = connections.iter().skip_while(|(key, _)| *key < begin);
        let at_rest = later.filter(|(_, connection)| connection.at_rest());
        let mut ended = 0;
        let mut next = 0; // from the start again when the end was reached
        for (key, connection) in at_rest.take(CLOSED_PER_PAUSE) {
            connection.leave();
            ended += 1;
            next = key + 1;
        }
        NEXT_AT_REST.set(next);
        ended
    })
}

/// Whoever connected before the socket closes is served: its request may already lie there, and closing would reset it.
pub(crate) fn serve_waiting<H: Handler>(bound: &Arc<Bound>, edge: &Arc<Edge>, handler: &Arc<H>) {
    while let Ok((tcp, peer)) = bound.accept_waiting() {
        if let Ok(tcp) = TcpStream::from_std(tcp) {
            serve(tcp, peer, bound, edge, handler);
        }
    }
}

/// Accepts from one listener until it is dropped.
pub(crate) async fn accept<H: Handler>(bound: Arc<Bound>, edge: Arc<Edge>, handler: Arc<H>) {
    let listener = loop {
        match bound.duplicate() {
            Ok(listener) => break listener,
            Err(_) => sleep(DUPLICATE_PAUSE).await,
        }
    };
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let in_use = file_handles::in_use(&tcp);
                serve(tcp, peer, &bound, &edge, &handler);
                let budget = edge.live().snapshot.overload;
                if edge.limits.file_handles_short(in_use, &budget) {
                    pause(&edge, &listener).await;
                }
            }
            Err(error) if is_local_shortage(&error) => pause(&edge, &listener).await,
            Err(_) => {} // the client gave up before we came to it (ECONNABORTED)
        }
    }
}

/// Lets those who knock wait in the kernel until file handles are free.
async fn pause(edge: &Edge, listener: &TcpListener) {
    edge.metrics.accept_paused.inc();
    let budget = || edge.live().snapshot.overload;
    edge.limits
        .wait_for_file_handles(listener, budget, end_some_at_rest)
        .await;
}

fn serve<H: Handler>(
    tcp: TcpStream,
    peer: SocketAddr,
    bound: &Arc<Bound>,
    edge: &Arc<Edge>,
    handler: &Arc<H>,
) {
    let Ok(permit) = edge.limits.connect(peer.ip(), &edge.live().snapshot) else {
        return; // closes it
    };
    edge.metrics.connections.inc();
    let _ = tcp.set_nodelay(true);
    let socket = Socket::new(tcp);
    let info = ConnectionInfo {
        peer,
        listener: bound.configured,
        tls: None,
        first_request: true,
    };
    let open = Open::new(edge.clone(), Some(permit));
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
                secure(Box::new(stream), info, open.close(), edge, handler);
            }));
        }
    }
}

fn secure<H: Handler>(
    stream: Box<tokio_rustls::server::TlsStream<Socket>>,
    mut info: ConnectionInfo,
    permit: Option<ConnectionPermit>,
    edge: Arc<Edge>,
    handler: Arc<H>,
) {
    let server_name = stream
        .get_ref()
        .1
        .server_name()
        .map(|name| name.to_ascii_lowercase().into_boxed_str());
    info.tls = Some(TlsInfo { server_name });
    let open = Open::new(edge, permit);
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
    permit: Option<ConnectionPermit>,
}

impl Open {
    fn new(edge: Arc<Edge>, permit: Option<ConnectionPermit>) -> Self {
        edge.metrics.connections_open.inc();
        let key = CONNECTIONS.with_borrow_mut(|connections| connections.insert(Arc::default()));
        Self { edge, key, permit }
    }

    /// Ends this task's part; the connection goes on under the permit in another.
    fn close(mut self) -> Option<ConnectionPermit> {
        self.permit.take()
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
