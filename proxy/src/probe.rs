//! Active health checks: one probe per endpoint and interval, whoever uses it, jittered so that they do not come in step.
//!
//! One loop decides each tick which endpoints are due; probes run beside each other, bounded in number, so that a
//! thousand dead endpoints neither delay the living ones nor cost more than a bounded number of sockets.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use schleuse_config::{Health, Pool as PoolConfig};
use schleuse_core::{EndpointId, HealthChange, Timestamp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::{
    clock,
    edge::Edge,
    log::{self, Level},
    reference,
    registry::Pool,
    socket::is_local_shortage,
    tasks::spawn,
};

/// How often the loop looks for endpoints that are due.
const TICK: Duration = Duration::from_millis(100);
/// Probes under way at once.
const PROBES_MAX: usize = 64;
/// Probes begun per tick: at most 200 a second, however many endpoints a config names.
const PROBES_PER_TICK: usize = 20;

/// Probes for the life of the process.
pub async fn run(edge: Arc<Edge>) {
    let places = Arc::new(Semaphore::new(PROBES_MAX));
    let mut due: HashMap<(String, SocketAddr), Timestamp> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = clock::now();
        let live = edge.live();
        let mut waiting = Vec::new();
        for (pool, config) in live.pools.iter().zip(&live.snapshot.pools) {
            if config.health.is_none() {
                continue;
            }
            for (view, _) in pool.views() {
                let key = (config.name.clone(), view.address);
                let next = *due.entry(key.clone()).or_insert(now);
                // Those that start have probes of their own.
                if view.listed && !view.starting && next <= now {
                    waiting.push((next, key, view.id, pool, config));
                }
            }
        }
        // Who waits longest goes first, so that the end of a long list is not forgotten.
        waiting.sort_unstable_by_key(|(next, ..)| *next);
        for (_, key, endpoint, pool, config) in waiting.into_iter().take(PROBES_PER_TICK) {
            let Ok(place) = places.clone().try_acquire_owned() else {
                break;
            };
            let interval = config
                .health
                .as_ref()
                .map_or(TICK, |health| health.interval);
            let probe = Probe {
                edge: edge.clone(),
                pool: pool.clone(),
                config: config.clone(),
                endpoint,
                address: key.1,
            };
            due.insert(key, now + jittered(interval));
            spawn(async move {
                probe.run().await;
                drop(place);
            });
        }
        due.retain(|_, next| *next + Duration::from_hours(1) > now); // endpoints that are gone
    }
}

/// ±10 %.
pub fn jittered(interval: Duration) -> Duration {
    let tenth = interval / 10;
    let span = u64::try_from(tenth.as_micros())
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .max(1);
    interval.saturating_sub(tenth) + Duration::from_micros(reference::draw() % span)
}

struct Probe {
    edge: Arc<Edge>,
    pool: Arc<Pool>,
    config: Arc<PoolConfig>,
    endpoint: EndpointId,
    address: SocketAddr,
}

impl Probe {
    async fn run(self) {
        let Some(health) = &self.config.health else {
            return;
        };
        let answer = timeout(health.timeout, ask(self.address, Some(health))).await;
        if matches!(&answer, Ok(Err(error)) if is_local_shortage(error)) {
            return; // says nothing about the endpoint
        }
        let ok = matches!(answer, Ok(Ok(true)));
        self.edge
            .metrics
            .probes
            .with_label_values(&[if ok { "ok" } else { "failed" }])
            .inc();
        let Some(change) = self.pool.probed(self.endpoint, ok) else {
            return;
        };
        let (level, event) = match change {
            HealthChange::Healthy => (Level::Info, "endpoint_healthy"),
            HealthChange::Unhealthy => (Level::Warn, "endpoint_unhealthy"),
        };
        log::event(
            level,
            event,
            &[
                ("pool", self.pool.name()),
                ("endpoint", &self.address.to_string()),
            ],
        );
    }
}

/// Whether the endpoint accepts a connection and, with a path, answers 200–399.
///
/// # Errors
///
/// The system's: no connection, or none to be had.
pub async fn ask(address: SocketAddr, health: Option<&Health>) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let Some((health, path)) = health.and_then(|health| Some((health, health.path.as_ref()?)))
    else {
        return Ok(true);
    };
    let host = health.host.clone().unwrap_or_else(|| address.to_string());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: schleuse-probe\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // `HTTP/1.1 200` is all that counts.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    Ok(start.starts_with(b"HTTP/1.") && matches!(start[9], b'2' | b'3') && start[8] == b' ')
}
