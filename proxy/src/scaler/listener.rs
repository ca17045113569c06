//! The scaler's own thread: accepts, speaks TLS where the config says so, and HTTP/2.
//!
//! A thread beside the workers and beside the control thread: a thousand objects that are polled at once must not make a
//! citizen wait, nor a health probe.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use hyper::{rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Scaler, calls};
use crate::{
    edge::Edge,
    log::{self, Level},
    tasks::spawn,
};

/// KEDA opens one per set of TLS options; its operator has a replica or two.
const CONNECTIONS_MAX: usize = 256;
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A client that is gone without a word is found so; until then its streams live on.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long streams may take to end when the process stops: as long as it takes to send some bytes.
const END_MAX: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves KEDA.
pub struct ScalerService {
    /// The proxy.
    pub edge: Arc<Edge>,
    /// Bound before the start, so that a port in use is an error then.
    pub listener: Option<std::net::TcpListener>,
    /// Turns true when the process begins to stop; dropped when stopping waits for the streams.
    pub leaving: Option<watch::Receiver<bool>>,
}

#[async_trait]
impl Service for ScalerService {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _per_fd: usize,
    ) {
        let (Some(listener), Some(leaving)) = (self.listener.take(), self.leaving.take()) else {
            return;
        };
        match TcpListener::from_std(listener) {
            Ok(listener) => serve(listener, self.edge.clone(), leaving).await,
            Err(error) => log::event(
                Level::Error,
                "scaler_failed",
                &[("error", &error.to_string())],
            ),
        }
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &'static str {
        "scaler"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// Serves until `leaving`, then ends every stream in order.
pub async fn serve(listener: TcpListener, edge: Arc<Edge>, mut leaving: watch::Receiver<bool>) {
    let scaler = Arc::new(Scaler::new(edge.clone()));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = turned(&mut leaving) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(connection(tcp, scaler.clone()));
                }
                Ok(_) => {} // closed by the drop
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    // Stopping waits for the streams from here on, as it does for requests.
    let _held = edge.requests.token();
    drop((leaving, listener));
    scaler.end();
    let _ = timeout(END_MAX, connections.join_all()).await;
}

async fn connection(tcp: TcpStream, scaler: Arc<Scaler>) {
    let _ = tcp.set_nodelay(true);
    let Some(tls) = scaler.edge.live().scaler_tls.clone() else {
        return exchange(tcp, scaler).await;
    };
    match timeout(HANDSHAKE_MAX, TlsAcceptor::from(tls).accept(tcp)).await {
        Ok(Ok(stream)) => exchange(stream, scaler).await,
        Ok(Err(_)) | Err(_) => scaler.edge.metrics.handshakes_failed.inc(),
    }
}

async fn exchange(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, scaler: Arc<Scaler>) {
    let mut ending = scaler.ending.subscribe();
    let service = service_fn(move |request| {
        let answer = calls::answer(scaler.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(
        http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(None)
            .serve_connection(TokioIo::new(io), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = turned(&mut ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    // What a client broke is its own affair.
    let _ = connection.await;
}

/// Waits until the value is true; or its sender is gone, which means the same.
async fn turned(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

/// Runs the streams of a connection where the connection is.
#[derive(Debug, Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for OnThisThread {
    fn execute(&self, stream: F) {
        spawn(stream);
    }
}
