//! Endpoints of many pools in one thread, each on an address of its own that nobody listens on before it is started.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{oneshot, watch},
};

use crate::{Outcome, peer::free_address};

/// Of each request.
const SERVICE_TIME: Duration = Duration::from_millis(5);
/// What everybody here is answered.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What is asked for to see whether an endpoint is ready.
pub(super) const PROBE_PATH: &str = "/bereit";

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Endpoints {
    port: u16,
    /// Answers go out while it is open, those to probes always.
    gate: watch::Sender<bool>,
    reached: AtomicUsize,
    /// Milliseconds from the first answered probe of an endpoint to its first request.
    after_probe: Mutex<Vec<f64>>,
    /// Most requests at one endpoint at once.
    peak: AtomicU32,
}

impl Endpoints {
    /// None of them listens yet.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub(super) fn new() -> Outcome<Arc<Self>> {
        Ok(Arc::new(Self {
            port: free_address()?.port(),
            gate: watch::Sender::new(true),
            reached: AtomicUsize::new(0),
            after_probe: Mutex::default(),
            peak: AtomicU32::new(0),
        }))
    }

    /// Where the endpoint of a pool is.
    pub(super) fn address(&self, pool: usize) -> SocketAddr {
        address_at(pool, self.port)
    }

    /// That of all of them.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Answers who is there and whoever comes, or nobody.
    pub(super) fn set_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }

    /// Requests that came.
    pub(super) fn reached(&self) -> usize {
        self.reached.load(SeqCst)
    }

    /// Milliseconds from the first answered probe of each endpoint to its first request.
    pub(super) fn after_probe(&self) -> Vec<f64> {
        self.after_probe.lock().clone()
    }

    /// Most requests at one endpoint at once.
    pub(super) fn peak(&self) -> u32 {
        self.peak.load(SeqCst)
    }

    /// The endpoint of a pool.
    ///
    /// # Errors
    ///
    /// When its address is taken.
    pub(super) async fn serve(self: Arc<Self>, pool: usize) -> Outcome<()> {
        let listener = TcpListener::bind(self.address(pool)).await?;
        let state = Arc::<State>::default();
        loop {
            let (stream, _) = listener.accept().await?;
            let (endpoints, state) = (self.clone(), state.clone());
            tokio::spawn(async move {
                // A peer that breaks off is the peer's business; the run sees it in its own answers.
                let _ = endpoints.answer(stream, &state).await;
            });
        }
    }

    /// Requests without a body, one after another.
    async fn answer(&self, mut stream: TcpStream, state: &State) -> Outcome<()> {
        stream.set_nodelay(true)?;
        let mut received = Vec::new();
        loop {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            if !received.ends_with(b"\r\n\r\n") {
                continue;
            }
            let is_probe = received.starts_with(format!("GET {PROBE_PATH} ").as_bytes());
            received.clear();
            if is_probe {
                state.probed.lock().get_or_insert_with(Instant::now);
            } else {
                self.note(state);
                self.gate.subscribe().wait_for(|open| *open).await?;
                tokio::time::sleep(SERVICE_TIME).await;
                state.in_flight.fetch_sub(1, SeqCst);
            }
            stream.write_all(ANSWER).await?;
        }
    }

    /// A request has come.
    fn note(&self, state: &State) {
        self.reached.fetch_add(1, SeqCst);
        let now = state.in_flight.fetch_add(1, SeqCst) + 1;
        self.peak.fetch_max(now, SeqCst);
        if !state.is_reached.swap(true, SeqCst)
            && let Some(probed) = *state.probed.lock()
        {
            let waited = probed.elapsed().as_secs_f64() * 1e3;
            self.after_probe.lock().push(waited);
        }
    }
}

/// One endpoint.
#[derive(Debug, Default)]
struct State {
    in_flight: AtomicU32,
    /// When the first probe was answered.
    probed: Mutex<Option<Instant>>,
    is_reached: AtomicBool,
}

/// Where the endpoint of a pool is: loopback has room for one address each.
pub(super) fn address_at(pool: usize, port: u16) -> SocketAddr {
    let number = u32::try_from(pool % 0x1_0000).unwrap_or_default();
    SocketAddr::from((Ipv4Addr::from_bits(0x7ff0_0001 + number), port))
}

/// A thread with a runtime; what was spawned there ends when it is dropped.
#[derive(Debug)]
pub(super) struct Background {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no thread is to be had.
    pub(super) fn start() -> Outcome<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name("endpoints".to_owned())
            .spawn(move || {
                // Either way it is over.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where to spawn.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Fails only when the thread has ended already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_has_an_address_of_its_own_on_loopback() {
        let endpoints = Endpoints::new().unwrap();
        assert_ne!(endpoints.address(0), endpoints.address(1));
        assert!(endpoints.address(0xffff).ip().is_loopback());
    }
}
