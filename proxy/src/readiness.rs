//! Whether endpoints that were started answer yet: probed from the moment they come into the list, so that those who wait
//! for a sleeping pool go as soon as it can take them.
//!
//! The first probe goes out at once, the next after 20 ms, and then after a tenth of the time that it has taken so far, up
//! to a second: who waits for a start of two seconds waits at most a tenth longer. Addresses may stand in the list for
//! long before anybody starts something there, so all this begins anew when the pool is woken or ordered for. All pools
//! share a bounded number of probes; one has a fifth of a second at first, and `places` sees to it that addresses that
//! swallow packets do not hold up the others. What counts as an answer is the pool's `health.path`, or an open port
//! without one.

mod places;

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, sync::Weak, time::Duration};

use parking_lot::Mutex;
use schleuse_config::Health;
use schleuse_core::{EndpointId, Timestamp};
use tokio::{
    sync::Notify,
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
use places::{Places, Rank};

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

/// What an endpoint that starts has to answer.
#[derive(Debug)]
pub struct Wanted {
    /// How it is asked; none: whether it takes connections.
    pub health: Option<Health>,
    /// Somebody waits for the pool to wake.
    pub is_awaited: bool,
}

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
    let places = Arc::new(Places::new());
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
    async fn probe(self, edge: Arc<Edge>, places: Arc<Places>) {
        let Some(expected) = self.pool.upgrade().map(|pool| pool.expected()) else {
            return;
        };
        loop {
            let again = expected.notified();
            tokio::select! {
                () = again => {}
                () = self.ask_until_it_answers(&edge, &places) => return,
            }
        }
    }

    /// Ends when it answers or is gone.
    async fn ask_until_it_answers(&self, edge: &Edge, places: &Places) {
        let began = clock::now();
        let (mut queued, mut held) = (Duration::ZERO, Duration::ZERO);
        while let Some(wanted) = self.wanted() {
            let (health, entered) = (wanted.health.as_ref(), clock::now());
            let elapsed = entered - began;
            let place = places.enter(Rank::new(wanted.is_awaited, held)).await;
            let asked_at = clock::now();
            queued += asked_at - entered;
            let limit = limit(health, (asked_at - began).saturating_sub(queued));
            let answer = timeout(limit, ask(self.address, health)).await;
            drop(place);
            held += clock::now() - asked_at;
            let ok = matches!(answer, Ok(Ok(true)));
            edge.metrics
                .probes
                .with_label_values(&[if ok { "ok" } else { "failed" }])
                .inc();
            if ok {
                return self.note_answer(began, elapsed);
            }
            let is_refused =
                matches!(&answer, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused);
            let silent = (clock::now() - began).saturating_sub(queued);
            if let Some(pool) = self.pool.upgrade()
                && (is_refused || silent >= ABSENT_AFTER)
            {
                pool.note_unanswered(self.endpoint);
            }
            let pause = (elapsed / 10).clamp(*PAUSE.start(), *PAUSE.end());
            sleep(jittered(pause)).await;
        }
    }

    fn wanted(&self) -> Option<Wanted> {
        self.pool.upgrade()?.wanted(self.endpoint)
    }

    /// It answered a probe that was due `elapsed` after the first one.
    fn note_answer(&self, began: Timestamp, elapsed: Duration) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
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
        log::event(Level::Info, "endpoint_answers", &fields);
    }
}

/// For one probe of an endpoint that was asked, or left in peace, for `elapsed`.
fn limit(health: Option<&Health>, elapsed: Duration) -> Duration {
    let most = health.map_or(PROBE_MAX, |health| health.timeout);
    (elapsed / 4).max(PROBE_MIN).min(most)
}
