//! A hundred thousand requests wait for a thousand pools that sleep, with exchanges in memory instead of sockets, in a
//! process of its own: what each weighs, and whom the first endpoints wake.
//!
//! The endpoints take what they get and answer nobody until all that was woken was counted. Then everybody is served.

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
    connection::{ConnectionInfo, Handler as _},
    deadlines::{Deadlines, supervise},
    edge::Edge,
    exchange::double::{Client, Double},
    gateway::Gateway,
    metrics::Metrics,
    readiness,
    registry::Registry,
};
use schleuse_http1::RequestHead;
use tokio::{task::JoinSet, time::sleep};

use super::{
    endpoints::{Background, Endpoints},
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
/// Per endpoint: this process has both ends of each connection, and handles for some 19,000.
pub(super) const SEATS: u32 = 4;
/// The address of a listener that nobody needs.
const LISTENER: &str = "127.0.0.1:1";
/// Held beforehand, two per pool: what the process allocates once.
const BALLAST: usize = 2 * POOLS;
/// For the last request to reach its backend, and for whoever was woken in vain to show.
const SETTLE: Duration = Duration::from_secs(1);
/// Whatever is awaited here takes less.
const PATIENCE: Duration = Duration::from_mins(2);

struct Setup {
    edge: Arc<Edge>,
    gateway: Arc<Gateway>,
    exchanges: JoinSet<()>,
    clients: Vec<Arc<Client>>,
    /// How often the task of each was polled.
    polls: Arc<[AtomicU32]>,
    places: Vec<Place>,
}

/// Holds this many and lets all of them go; prints KiB of each, requests that reached the first endpoints, tasks that were
/// woken until then, requests lost, and the most at one endpoint at once.
///
/// # Errors
///
/// When the config is refused, or a request does not wait.
pub fn hold(number: usize) -> Outcome<()> {
    let (background, endpoints) = (Background::start()?, Endpoints::new()?);
    endpoints.set_gate(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let line = runtime.block_on(measure(&background, &endpoints, number))?;
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

async fn measure(
    background: &Background,
    endpoints: &Arc<Endpoints>,
    number: usize,
) -> Outcome<String> {
    let mut setup = Setup::new(endpoints, BALLAST + number)?;
    setup.hold(BALLAST).await?;
    let before = anonymous_bytes(std::process::id())?;
    setup.hold(number).await?;
    let after = anonymous_bytes(std::process::id())?;
    if setup.answered(|status| status != 0) > 0 {
        return Err("a request was answered that should have waited".into());
    }
    let polled = setup.polled();
    for pool in 0..POOLS {
        background.handle().spawn(endpoints.clone().serve(pool));
    }
    tokio::spawn(readiness::run(setup.edge.clone()));
    let wave = POOLS * usize::try_from(SEATS)?;
    let end = Instant::now() + PATIENCE;
    while endpoints.reached() < wave && Instant::now() < end {
        sleep(SETTLE / 10).await;
    }
    sleep(SETTLE).await;
    let released = endpoints.reached();
    let woken = setup
        .polled()
        .iter()
        .zip(&polled)
        .filter(|(now, before)| now != before)
        .count();
    endpoints.set_gate(true);
    let all = async { while setup.exchanges.join_next().await.is_some() {} };
    // Those who are still there then are counted as lost.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let lost = setup.clients.len() - setup.answered(|status| status == 200);
    let kibibytes = count(after.saturating_sub(before)) / count(u64::try_from(number)?) / 1024.0;
    let peak = endpoints.peak();
    Ok(format!("{kibibytes} {released} {woken} {lost} {peak}"))
}

impl Setup {
    fn new(endpoints: &Endpoints, number: usize) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("schleuse.yaml");
        fs::copy(register_file(), directory.path().join("gemeinden.csv"))?;
        fs::write(&file, config(endpoints))?;
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
        })
    }

    /// Adds this many requests, to the pools in turn, of all tenants in turn; all of them wait when it returns.
    async fn hold(&mut self, number: usize) -> Outcome<()> {
        let listener = LISTENER.parse()?;
        for at in self.clients.len()..self.clients.len() + number {
            let place = self.places.get(at % self.places.len().max(1));
            let head = head(at % POOLS, key(place.ok_or("the register is empty")?)?)?;
            let info = ConnectionInfo {
                peer: SocketAddr::from((household(at), 1_024)),
                listener,
                tls: None,
                first_request: true,
            };
            let deadlines = Arc::<Deadlines>::default();
            let (mut exchange, client) = Double::new(head, [], deadlines.clone());
            let (gateway, polls) = (self.gateway.clone(), self.polls.clone());
            self.exchanges.spawn(async move {
                let served = supervise(deadlines, gateway.serve(&mut exchange, &info));
                let mut served = pin!(served);
                poll_fn(|cx| {
                    if let Some(polls) = polls.get(at) {
                        polls.fetch_add(1, Relaxed);
                    }
                    served.as_mut().poll(cx)
                })
                .await;
            });
            self.clients.push(client);
        }
        // Every task runs until it waits.
        sleep(SETTLE).await;
        Ok(())
    }

    fn polled(&self) -> Vec<u32> {
        self.polls.iter().map(|polls| polls.load(Relaxed)).collect()
    }

    fn answered(&self, with: impl Fn(u16) -> bool) -> usize {
        let statuses = self.clients.iter().map(|client| client.recorded().status);
        statuses.filter(|&status| with(status)).count()
    }
}

fn config(endpoints: &Endpoints) -> String {
    let (mut services, mut pools) = (String::new(), String::new());
    for pool in 0..POOLS {
        services += &service(pool);
        let address = endpoints.address(pool);
        // Writing to a String cannot fail.
        let _ = writeln!(
            pools,
            "  p{pool}: {{ endpoints: [\"{address}\"], concurrency: {SEATS}, slow_start: 0s, \
             timeouts: {{ first_byte: 5m }}, queue: {{ client_share: 100%, wait_max: 5m }}, \
             scale: {{ keda: {{}}, min: 0, max: 1, cold_start: 5m }} }}"
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

fn head(pool: usize, tenant: u64) -> Outcome<RequestHead> {
    let fields = browser_fields().map(|(name, value)| (name, value.as_bytes()));
    RequestHead::from_parts("GET", &target(tenant, "cold=1"), &host(pool), fields)
        .map_err(|reject| reject.to_string().into())
}
