//! Whether endpoints that were started answer yet: probed from the moment they come into the list, so that those who wait
//! for a sleeping pool go as soon as it can take them.
//!
//! The first probe goes out at once, the next after 20 ms, and then after a tenth of the time that it has taken so far, up
//! to a second: who waits for a start of two seconds waits at most a tenth longer. All pools share a bounded number of
//! probes; one has a fifth of a second at first, so that addresses that swallow packets do not hold up the others. What
//! counts as an answer is the pool's `health.path`, or an open port without one.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, sync::Weak, time::Duration};

use parking_lot::Mutex;
use schleuse_config::Health;
use schleuse_core::EndpointId;
use tokio::{
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};

use crate::{
    clock,
    edge::Edge,
    log::{self, Level},
    probe::{ask, jittered},
    registry::Pool,
    tasks::spawn,
};

/// Probes under way at once, over all pools.
const PROBES_MAX: usize = 64;
/// Between two probes of one endpoint.
const PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(20)..=Duration::from_secs(1);
/// Least time for one probe.
const PROBE_MIN: Duration = Duration::from_millis(200);
/// Most time for one probe of a pool that has no `health.timeout`.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// One that has taken this long and more says nothing: a busy endpoint has answered by then. One that refuses says at once
/// that nobody is there.
const ABSENT_AFTER: Duration = Duration::from_secs(1);

/// An endpoint that has to answer before it gets a request.
#[derive(Debug)]
pub struct Unprobed {
    /// Its pool, if that is still there.
    pub pool: Weak<Pool>,
    /// Its name.
    pub endpoint: EndpointId,
    /// Where it is.
    pub address: SocketAddr,
}

/// Endpoints that nobody probes yet.
#[derive(Debug, Default)]
pub struct Readiness {
    unprobed: Mutex<Vec<Unprobed>>,
    bell: Notify,
}

impl Readiness {
    /// Has an endpoint probed until it answers or is gone. Cheap; from any thread.
    pub fn push(&self, unprobed: Unprobed) {
        self.unprobed.lock().push(unprobed);
        self.bell.notify_one();
    }
}

/// Probes for the life of the process.
pub async fn run(edge: Arc<Edge>) {
    let places = Arc::new(Semaphore::new(PROBES_MAX));
    let readiness = edge.registry.readiness();
    loop {
        let unprobed = std::mem::take(&mut *readiness.unprobed.lock());
        for one in unprobed {
            spawn(one.probe(edge.clone(), places.clone()));
        }
        readiness.bell.notified().await;
    }
}

impl Unprobed {
    async fn probe(self, edge: Arc<Edge>, places: Arc<Semaphore>) {
        let began = clock::now();
        loop {
            let elapsed = clock::now() - began;
            let Some(pool) = self
                .pool
                .upgrade()
                .filter(|pool| pool.is_starting(self.endpoint))
            else {
                return;
            };
            let health = pool.health();
            let Ok(place) = places.acquire().await else {
                return;
            };
            let asked = ask(self.address, health.as_ref());
            let answer = timeout(limit(health.as_ref(), elapsed), asked).await;
            drop(place);
            let ok = matches!(answer, Ok(Ok(true)));
            edge.metrics
                .probes
                .with_label_values(&[if ok { "ok" } else { "failed" }])
                .inc();
            if ok {
                pool.answered(self.endpoint);
                if elapsed < *PAUSE.start() {
                    return; // it was there already: a thousand lines at a start would say nothing
                }
                let took = (clock::now() - began).as_millis().to_string();
                let address = self.address.to_string();
                let fields = [
                    ("pool", pool.name()),
                    ("endpoint", &*address),
                    ("took_ms", &*took),
                ];
                return log::event(Level::Info, "endpoint_answers", &fields);
            }
            let is_refused =
                matches!(&answer, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused);
            if is_refused || clock::now() - began >= ABSENT_AFTER {
                pool.note_unanswered(self.endpoint);
            }
            drop(pool);
            let pause = (elapsed / 10).clamp(*PAUSE.start(), *PAUSE.end());
            sleep(jittered(pause)).await;
        }
    }
}

/// For one probe of an endpoint that has not answered for `elapsed`.
fn limit(health: Option<&Health>, elapsed: Duration) -> Duration {
    let most = health.map_or(PROBE_MAX, |health| health.timeout);
    (elapsed / 4).max(PROBE_MIN).min(most)
}
