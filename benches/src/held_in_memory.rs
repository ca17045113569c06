//! The same pipeline with exchanges in memory instead of sockets: a hundred thousand requests wait in this process.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use schleuse::{
    app::decline_huge_pages,
    connection::{ConnectionInfo, Handler as _},
    deadlines::{Deadlines, supervise},
    edge::Edge,
    exchange::double::{Client, Double},
    gateway::Gateway,
    metrics::Metrics,
    registry::Registry,
};
use schleuse_http1::RequestHead;
use tokio::task::{JoinSet, yield_now};

use crate::{
    Outcome,
    compare::count,
    delay_backend::{DelayBackend, host, target},
    held::{HOLD, POOL, TENANTS, browser_fields},
    inputs::{Place, SERVICES, official_places, register_file},
    mixed_load::household,
    neighbours::{SEATS, key},
    procfs::anonymous_bytes,
};

/// The address of a listener that nobody needs.
const LISTENER: &str = "127.0.0.1:1";
/// Held beforehand: what the process allocates once.
const BALLAST: usize = 2_000;

struct Setup {
    gateway: Arc<Gateway>,
    exchanges: JoinSet<()>,
    clients: Vec<Arc<Client>>,
    places: Vec<Place>,
}

/// Holds this many, lets all of them leave, and prints KiB per request and the milliseconds until all were gone.
///
/// # Errors
///
/// When the config is refused, or a request is not held.
pub fn hold(number: usize) -> Outcome<()> {
    decline_huge_pages(); // as the product does
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let backend = DelayBackend::start()?;
    let (kibibytes, milliseconds) = runtime.block_on(measure(&backend, number))?;
    Ok(writeln!(std::io::stdout(), "{kibibytes} {milliseconds}")?)
}

async fn measure(backend: &DelayBackend, number: usize) -> Outcome<(f64, f64)> {
    let mut setup = Setup::new(backend.address())?;
    setup.hold(BALLAST).await?;
    let before = anonymous_bytes(std::process::id())?;
    setup.hold(number).await?;
    let after = anonymous_bytes(std::process::id())?;
    if backend.served().len() > usize::try_from(SEATS)? {
        return Err("more requests than seats reached the backend".into());
    }
    let start = Instant::now();
    for client in &setup.clients {
        client.leave();
    }
    while setup.exchanges.join_next().await.is_some() {}
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let answered = setup
        .clients
        .iter()
        .filter(|client| client.recorded().status != 0);
    if answered.count() > 0 {
        return Err("a request was answered that should have waited".into());
    }
    let kibibytes = count(after.saturating_sub(before)) / count(number as u64) / 1024.0;
    Ok((kibibytes, milliseconds))
}

impl Setup {
    fn new(backend: SocketAddr) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("schleuse.yaml");
        fs::copy(register_file(), directory.path().join("gemeinden.csv"))?;
        let service = SERVICES.first().copied().unwrap_or_default();
        let config = format!(
            "version: 1
listeners: [ {{ address: \"{LISTENER}\" }} ]
tenants: {{ register: gemeinden.csv }}
overload: {{ held_bytes_max: 8GiB, lag_max: 1m }}
services:
  {service}: {{ hosts: [{service}.example], responsible: gemeinde, pool: shared, timeout: 1h }}
pools:
  shared: {{ endpoints: [\"{backend}\"], concurrency: {SEATS}, timeouts: {{ first_byte: 1h, idle: 1h }}, {POOL} }}
"
        );
        fs::write(&file, config)?;
        let loaded = schleuse_config::load(&file).map_err(|problems| problems.to_string())?;
        let edge = Edge::new(loaded.snapshot, Registry::new(1), Metrics::new()?)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            gateway: Arc::new(Gateway::new(Arc::new(edge))),
            exchanges: JoinSet::new(),
            clients: Vec::new(),
            places: official_places()?,
        })
    }

    /// Adds this many requests of some tenants in turn; all of them wait when it returns.
    async fn hold(&mut self, number: usize) -> Outcome<()> {
        let listener = LISTENER.parse()?;
        for at in self.clients.len()..self.clients.len() + number {
            let place = self.places.get(at % TENANTS);
            let head = head(key(place.ok_or("the register is empty")?)?)?;
            let info = ConnectionInfo {
                peer: SocketAddr::from((household(at), 1_024)),
                listener,
                tls: None,
                first_request: true,
            };
            let deadlines = Arc::<Deadlines>::default();
            let (mut exchange, client) = Double::new(head, [], deadlines.clone());
            let gateway = self.gateway.clone();
            self.exchanges.spawn(async move {
                supervise(deadlines, gateway.serve(&mut exchange, &info)).await;
            });
            self.clients.push(client);
            if at % 1_000 == 0 {
                yield_now().await;
            }
        }
        // Every task runs until it waits before this one goes on; the backend's side needs a moment more.
        yield_now().await;
        thread::sleep(Duration::from_millis(200));
        yield_now().await;
        Ok(())
    }
}

fn head(tenant: u64) -> Outcome<RequestHead> {
    let fields = browser_fields().map(|(name, value)| (name, value.as_bytes()));
    RequestHead::from_parts("GET", &target(tenant, HOLD), &host(), fields)
        .map_err(|reject| reject.to_string().into())
}
