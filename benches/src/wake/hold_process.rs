//! The process that `hold` measures: the product's pipeline with a thousand cold pools, requests over sockets and in memory
//! on one thread as on a worker, and the loops beside it on another as in the product.

use std::{
    fmt::Write as _,
    fs,
    future::poll_fn,
    io::Write as _,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use schleuse::{
    app::decline_huge_pages,
    autoscale,
    connection::{self, ConnectionInfo, Handler as _},
    deadlines::{Deadlines, supervise},
    edge::Edge,
    exchange::double::{Client, Double},
    gateway::Gateway,
    metrics::Metrics,
    readiness,
    registry::Registry,
    socket::Socket,
    upstream::idle,
};
use schleuse_http1::RequestHead;
use tokio::{
    net::TcpListener,
    task::{JoinSet, spawn_blocking, yield_now},
    time::{sleep, timeout},
};

use super::{
    endpoints::{PROBE_PATH, address_at},
    sleepers::{host, service},
};
use crate::{
    Outcome,
    compare::count,
    delay_backend::target,
    held::browser_fields,
    inputs::{Place, official_places, register_file},
    mixed_load::household,
    neighbours::key,
    procfs::anonymous_bytes,
};

/// How many sleep.
pub(super) const POOLS: usize = 1_000;
/// Per endpoint.
pub(super) const SEATS: u32 = 2;
/// Held beforehand, one of each tenant: what the process allocates once, and what is kept of a tenant.
pub(super) const BALLAST: usize = 2 * POOLS;
/// What the config calls the listener; nobody opens it.
const LISTENER: &str = "127.0.0.1:1";
/// Whatever is awaited here takes less.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Host and target of a request by its number: the pools in turn, two tenants each.
pub(super) fn asked(at: usize, places: &[Place]) -> Outcome<(String, String)> {
    let place = places
        .get(at % BALLAST)
        .ok_or("the register is too short")?;
    Ok((host(at % POOLS), target(key(place)?, "cold=1")))
}

/// What a browser sends besides.
pub(super) fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    browser_fields().into_iter()
}

/// Listens for `sockets` requests, adds the others up to `number` in memory, and serves all of them; `port` is that of all
/// endpoints. Says line by line: where it listens, KiB of each over a socket, KiB of each in memory, then (asked for by a
/// line on stdin) tasks that were woken since, and at the end requests in memory that were lost.
///
/// # Errors
///
/// When the config is refused, or a request does not wait.
pub fn hold(port: u16, sockets: usize, number: usize) -> Outcome<()> {
    decline_huge_pages(); // as the product does
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut setup = Setup::new(port, BALLAST + number)?;
        setup.start_loops();
        setup.measure(sockets, number).await
    })
}

struct Setup {
    edge: Arc<Edge>,
    gateway: Arc<Gateway>,
    exchanges: JoinSet<()>,
    clients: Vec<Arc<Client>>,
    /// How often the task of each was polled.
    polls: Arc<[AtomicU32]>,
    places: Vec<Place>,
    /// As the config knows it.
    listener: SocketAddr,
}

impl Setup {
    fn new(port: u16, number: usize) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("schleuse.yaml");
        fs::copy(register_file(), directory.path().join("gemeinden.csv"))?;
        fs::write(&file, config(port))?;
        let loaded = schleuse_config::load(&file).map_err(|problems| problems.to_string())?;
        let edge = Edge::new(loaded.snapshot, Registry::new(1), Metrics::new()?)
            .map_err(|error| error.to_string())?;
        let edge = Arc::new(edge);
        Ok(Self {
            gateway: Arc::new(Gateway::new(edge.clone())),
            edge,
            exchanges: JoinSet::new(),
            clients: Vec::with_capacity(number),
            polls: (0..number).map(|_| AtomicU32::new(0)).collect(),
            places: official_places()?,
            listener: LISTENER.parse()?,
        })
    }

    /// What the control thread of the product does for pools, and what a worker does beside its connections.
    fn start_loops(&self) {
        idle::set_workers(1);
        tokio::spawn(idle::sweep(0));
        let edge = self.edge.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let loops = async {
                tokio::join!(
                    edge.registry.clock().run(),
                    autoscale::run(edge.clone()),
                    readiness::run(edge.clone())
                )
            };
            runtime.block_on(loops);
            std::io::Result::Ok(())
        });
    }

    async fn measure(&mut self, sockets: usize, number: usize) -> Outcome<()> {
        self.hold_in_memory(BALLAST).await?;
        let before = anonymous_bytes(std::process::id())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(listener.local_addr()?)?;
        self.hold_over_sockets(&listener, sockets).await?;
        let between = anonymous_bytes(std::process::id())?;
        say(kibibytes(before, between, sockets)?)?;
        let in_memory = number.saturating_sub(sockets);
        self.hold_in_memory(in_memory).await?;
        let after = anonymous_bytes(std::process::id())?;
        if self.answered(|status| status != 0) > 0 {
            return Err("a request was answered that should have waited".into());
        }
        // Each connection's timer stands where its first request was due at the latest, and goes off for nothing.
        sleep(self.edge.client_policy().header_max).await;
        let polled = self.polled();
        say(kibibytes(between, after, in_memory)?)?;
        hear().await?;
        let pairs = self.polled().into_iter().zip(polled);
        say(pairs.filter(|(now, before)| now != before).count())?;
        let all = async { while self.exchanges.join_next().await.is_some() {} };
        // Those who are still there then are counted as lost.
        let _ = timeout(PATIENCE, all).await;
        say(self.clients.len() - self.answered(|status| status == 200))?;
        // Who waits over a socket may be served yet.
        hear().await
    }

    /// Takes this many connections, whose requests come by themselves; all of them wait when it returns.
    async fn hold_over_sockets(&mut self, listener: &TcpListener, number: usize) -> Outcome<()> {
        let wanted = self.waiting() + number;
        for at in 0..number {
            let (tcp, peer) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let deadlines = Arc::<Deadlines>::default();
            let info = self.info(peer);
            let task = connection::task(Socket::new(tcp), info, deadlines, self.gateway.clone());
            // They end when their clients leave, which is after the end of this process.
            tokio::spawn(counted(self.polls.clone(), BALLAST + at, task));
        }
        self.wait_waiting(wanted).await
    }

    /// Adds this many requests; all of them wait when it returns.
    async fn hold_in_memory(&mut self, number: usize) -> Outcome<()> {
        let wanted = self.waiting();
        for at in wanted..wanted + number {
            let (host, target) = asked(at, &self.places)?;
            let head = head(&host, &target)?;
            let info = self.info(SocketAddr::from((household(at), 1_024)));
            let deadlines = Arc::<Deadlines>::default();
            let (mut exchange, client) = Double::new(head, [], deadlines.clone());
            let gateway = self.gateway.clone();
            let task = async move {
                supervise(deadlines, gateway.serve(&mut exchange, &info)).await;
            };
            self.exchanges.spawn(counted(self.polls.clone(), at, task));
            self.clients.push(client);
            if at % 1_000 == 0 {
                yield_now().await;
            }
        }
        self.wait_waiting(wanted + number).await
    }

    fn info(&self, peer: SocketAddr) -> ConnectionInfo {
        ConnectionInfo {
            peer,
            listener: self.listener,
            tls: None,
            first_request: true,
        }
    }

    async fn wait_waiting(&self, number: usize) -> Outcome<()> {
        let end = Instant::now() + PATIENCE;
        while self.waiting() < number {
            let mut answers = self.clients.iter().map(|client| client.recorded());
            if let Some(answer) = answers.find(|answer| answer.status != 0) {
                let body = String::from_utf8_lossy(&answer.body);
                return Err(format!("answered with {}: {body}", answer.status).into());
            }
            if Instant::now() > end {
                return Err(format!("{} of {number} wait", self.waiting()).into());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        let live = self.edge.live();
        let waiting = live.pools.iter().map(|pool| pool.queue().waiting);
        waiting
            .filter_map(|waiting| usize::try_from(waiting).ok())
            .sum()
    }

    fn polled(&self) -> Vec<u32> {
        self.polls.iter().map(|polls| polls.load(Relaxed)).collect()
    }

    fn answered(&self, with: impl Fn(u16) -> bool) -> usize {
        let statuses = self.clients.iter().map(|client| client.recorded().status);
        statuses.filter(|&status| with(status)).count()
    }
}

/// Counts how often a task is polled.
async fn counted(polls: Arc<[AtomicU32]>, at: usize, task: impl Future<Output = ()>) {
    let mut task = pin!(task);
    poll_fn(|context| {
        if let Some(polls) = polls.get(at) {
            polls.fetch_add(1, Relaxed);
        }
        task.as_mut().poll(context)
    })
    .await;
}

/// Waits for a line on stdin, or its end.
async fn hear() -> Outcome<()> {
    let read = spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    read.await??;
    Ok(())
}

fn say(word: impl std::fmt::Display) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{word}")?)
}

fn kibibytes(before: u64, after: u64, number: usize) -> Outcome<f64> {
    let number = count(u64::try_from(number.max(1))?);
    Ok(count(after.saturating_sub(before)) / number / 1024.0)
}

fn head(host: &str, target: &str) -> Outcome<RequestHead> {
    let fields = fields().map(|(name, value)| (name, value.as_bytes()));
    RequestHead::from_parts("GET", target, host, fields).map_err(|reject| reject.to_string().into())
}

fn config(port: u16) -> String {
    let (mut services, mut pools) = (String::new(), String::new());
    for pool in 0..POOLS {
        services += &service(pool);
        let address = address_at(pool, port);
        // Writing to a String cannot fail. A cold start of a minute lets each request wait up to three.
        let _ = writeln!(
            pools,
            "  p{pool}: {{ endpoints: [\"{address}\"], concurrency: {SEATS}, slow_start: 0s, \
             health: {{ path: {PROBE_PATH} }}, \
             timeouts: {{ first_byte: 5m }}, queue: {{ client_share: 100%, wait_max: 5m }}, \
             scale: {{ keda: {{}}, min: 0, max: 1, cold_start: 1m, service_time: 5ms }} }}"
        );
    }
    format!(
        "version: 1
listeners: [ {{ address: \"{LISTENER}\" }} ]
tenants: {{ register: gemeinden.csv }}
overload: {{ held_bytes_max: 8GiB, lag_max: 1m }}
services:
{services}pools:
{pools}"
    )
}
