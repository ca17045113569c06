//! A backend whose service time is a timer, as an application's that waits for its database: 40 seats at 50 ms each are
//! 800 requests a second and no load on the machine. It remembers who was served when.
//!
//! One thread of this process, on the load's core. What a request wants stands in its query: `delay_ms`, `answer_bytes`,
//! `hold=1` (wait until the gate opens). An upgrade is answered with 101 and held until the peer leaves.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

use crate::{Outcome, http, inputs::SERVICES};

/// Answers that nothing says otherwise of.
const ANSWER_BYTES: usize = 125;

/// A running backend; ends when dropped.
#[derive(Debug)]
pub(crate) struct DelayBackend {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    in_flight: AtomicU32,
    peak: AtomicU32,
    upgraded: AtomicU32,
    served: Mutex<Vec<Served>>,
    gate: watch::Sender<bool>,
}

/// A request that reached the backend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    /// The first segment of its path, an ARS.
    pub(crate) tenant: u64,
    /// When its head was there.
    pub(crate) began: Instant,
    /// Its service time by timer; zero when the gate decided.
    pub(crate) delay: Duration,
}

/// A GET of a tenant for the first service; `query` says what the backend shall do.
pub(crate) fn request(tenant: u64, query: &str) -> String {
    http::get(&host(), &target(tenant, query))
}

/// The host of the first service.
pub(crate) fn host() -> String {
    let name = SERVICES.first().copied().unwrap_or_default();
    format!("{name}.example")
}

/// Path and query of a tenant's request.
pub(crate) fn target(tenant: u64, query: &str) -> String {
    format!("/{tenant:012}/form?{query}")
}

impl DelayBackend {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no port or thread is to be had.
    pub(crate) fn start() -> Outcome<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            upgraded: AtomicU32::new(0),
            served: Mutex::default(),
            gate: watch::Sender::new(false),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let accepting = shared.clone();
        let thread = std::thread::Builder::new()
            .name("delay-backend".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = accept(listener, accepting) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everybody who reached it since the last [`Self::forget`], in that order.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.shared.served.lock().clone()
    }

    /// Forgets who was served, and the peak.
    pub(crate) fn forget(&self) {
        self.shared.served.lock().clear();
        self.shared.peak.store(self.in_flight(), SeqCst);
    }

    /// Requests at the backend now, without upgraded ones.
    pub(crate) fn in_flight(&self) -> u32 {
        self.shared.in_flight.load(SeqCst)
    }

    /// Upgraded connections that are open.
    pub(crate) fn upgraded(&self) -> u32 {
        self.shared.upgraded.load(SeqCst)
    }

    /// Most requests in flight at once.
    pub(crate) fn peak(&self) -> u32 {
        self.shared.peak.load(SeqCst)
    }

    /// Answers the held now and whoever comes, or holds those who come.
    pub(crate) fn set_gate(&self, open: bool) {
        self.shared.gate.send_replace(open);
    }
}

impl Drop for DelayBackend {
    fn drop(&mut self) {
        // Both fail only when the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) -> Outcome<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let shared = shared.clone();
        tokio::spawn(async move {
            // A peer that breaks off is the peer's business; the run sees it in its own answers.
            let _ = serve(stream, &shared).await;
        });
    }
}

/// A request in flight; counted out when dropped.
struct Seat<'s>(&'s Shared);

impl<'s> Seat<'s> {
    fn take(shared: &'s Shared, asked: &Asked) -> Self {
        let in_flight = shared.in_flight.fetch_add(1, SeqCst) + 1;
        shared.peak.fetch_max(in_flight, SeqCst);
        shared.served.lock().push(Served {
            tenant: asked.tenant,
            began: Instant::now(),
            delay: asked.delay,
        });
        Self(shared)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> Outcome<()> {
    let mut received = Vec::new();
    loop {
        let Some(asked) = asked(&received)? else {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if asked.upgrade {
            shared.upgraded.fetch_add(1, SeqCst);
            let held = hold_upgraded(stream).await;
            shared.upgraded.fetch_sub(1, SeqCst);
            return held;
        }
        let seat = Seat::take(shared, &asked);
        while received.len() < asked.head + asked.body {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        received.drain(..asked.head + asked.body);
        tokio::select! {
            () = asked.wait(&shared.gate) => {}
            // Nothing more is sent on a connection with a request in flight: whatever comes is its end.
            _ = stream.read_buf(&mut received) => return Ok(()),
        }
        stream.write_all(&asked.answer()).await?;
        drop(seat);
    }
}

async fn hold_upgraded(mut stream: TcpStream) -> Outcome<()> {
    // The accept value answers the key of RFC 6455 §1.3; HAProxy lets no 101 without it pass.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    tenant: u64,
    delay: Duration,
    hold: bool,
    answer_bytes: usize,
    upgrade: bool,
    head: usize,
    body: usize,
}

/// Reads a head; none while it is incomplete.
fn asked(bytes: &[u8]) -> Outcome<Option<Asked>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = request.parse(bytes)? else {
        return Ok(None);
    };
    let (path, query) = request
        .path
        .and_then(|path| path.split_once('?'))
        .unwrap_or_default();
    let number = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let field = |name: &str| {
        let mut fields = request.headers.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(field.value).ok()
    };
    Ok(Some(Asked {
        tenant: path
            .split('/')
            .nth(1)
            .and_then(|ars| ars.parse().ok())
            .unwrap_or(0),
        delay: Duration::from_millis(number("delay_ms").unwrap_or(0)),
        hold: number("hold").is_some(),
        answer_bytes: match number("answer_bytes") {
            Some(bytes) => usize::try_from(bytes)?,
            None => ANSWER_BYTES,
        },
        upgrade: field("upgrade").is_some(),
        head,
        body: field("content-length").map_or(Ok(0), str::parse)?,
    }))
}

impl Asked {
    async fn wait(&self, gate: &watch::Sender<bool>) {
        if self.hold {
            // Fails only when the sender is gone, and we hold it.
            let _ = gate.subscribe().wait_for(|open| *open).await;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }

    fn answer(&self) -> Vec<u8> {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/plain\r\n\r\n",
            self.answer_bytes
        )
        .into_bytes();
        answer.resize(answer.len() + self.answer_bytes, b'x');
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_in_its_query() {
        let text = request(110_000_000_000, "delay_ms=50&answer_bytes=7&hold=1");
        let asked = asked(text.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (
                asked.tenant,
                asked.delay,
                asked.answer_bytes,
                asked.hold,
                asked.upgrade
            ),
            (110_000_000_000, Duration::from_millis(50), 7, true, false)
        );
        assert_eq!((asked.head, asked.body), (text.len(), 0));
    }

    #[test]
    fn who_was_served_and_how_many_at_once_is_remembered() {
        let backend = DelayBackend::start().unwrap();
        let mut stream = http::connect(backend.address()).unwrap();
        let answer = http::ask(&mut stream, &request(7, "delay_ms=20")).unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES));
        let served = backend.served();
        let tenants: Vec<_> = served.iter().map(|one| one.tenant).collect();
        assert_eq!((tenants, backend.peak()), (vec![7], 1));
        // It is counted out a moment after its answer.
        while backend.in_flight() > 0 {
            std::thread::yield_now();
        }
        backend.forget();
        assert!(backend.served().is_empty() && backend.peak() == 0);
    }

    #[test]
    fn the_held_are_answered_when_the_gate_opens() {
        let backend = DelayBackend::start().unwrap();
        let address = backend.address();
        let held = std::thread::spawn(move || {
            let asked = http::ask(&mut http::connect(address).unwrap(), &request(7, "hold=1"));
            asked.unwrap().status
        });
        while backend.in_flight() == 0 {
            std::thread::yield_now();
        }
        backend.set_gate(true);
        assert_eq!(held.join().unwrap(), 200);
    }
}
