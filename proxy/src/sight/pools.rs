//! Pools in a scrape, and in the admin view that shares their numbers. Beyond [`POOLS_MAX`] pools the rest is one.

use std::time::Duration;

use schleuse_core::Mode;

use super::{counts::WaitHistogram, families::Family, reasons::CAUSED_BY_LIMITS};
use crate::{clock, edge::Live, registry::Pool};

/// Pools with series of their own, first come first served in the config: 42 series each.
pub const POOLS_MAX: usize = 500;
/// The label of all others together; no name in a config can be that.
pub const OTHERS: &str = "(others)";

/// Endpoints are counted by these.
const ENDPOINT_STATES: [&str; 5] = ["usable", "unhealthy", "ejected", "drained", "starting"];

/// A pool at this moment, or several together.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolGauges {
    /// Requests in flight.
    pub in_flight: u32,
    /// Seats of usable endpoints.
    pub seats: u32,
    /// Streams, outside the seats.
    pub streams: u32,
    /// Endpoints that are usable, unhealthy, ejected, drained (or in maintenance, or leaving), starting.
    pub endpoints: [u32; 5],
    waiting: u64,
    held_bytes: u64,
    refused: [u64; CAUSED_BY_LIMITS.len()],
    left: u64,
    waits: WaitHistogram,
    /// Since the endpoints were last confirmed by their source; none: they are not looked up.
    discovery_age: Option<Duration>,
}

impl PoolGauges {
    /// Of its endpoints.
    pub fn of_endpoints(pool: &Pool) -> Self {
        let now = clock::now();
        let mut gauges = Self::default();
        for (view, _) in pool.views() {
            gauges.in_flight += view.in_flight;
            gauges.streams += view.streams;
            let [usable, unhealthy, ejected, drained, starting] = &mut gauges.endpoints;
            let state = if view.mode != Mode::Ready || !view.listed {
                drained
            } else if view.starting {
                starting
            } else if view.ejected_until.is_some_and(|until| until > now) {
                ejected
            } else if view.healthy {
                gauges.seats += view.seats;
                usable
            } else {
                unhealthy
            };
            *state += 1;
        }
        gauges
    }

    /// With its queue and counters.
    fn of(pool: &Pool) -> Self {
        let queue = pool.queue();
        let counts = &pool.counts.counts;
        let looked_up = pool.source().filter(|status| status.source != "process");
        let mut refused = [0; CAUSED_BY_LIMITS.len()];
        for (slot, (_, count)) in refused.iter_mut().zip(counts.refused_by_reason().all()) {
            *slot = count;
        }
        Self {
            waiting: queue.waiting.into(),
            held_bytes: queue.waiting_bytes,
            refused,
            left: counts.left_total(),
            waits: pool.counts.waits(),
            discovery_age: looked_up.map(|status| status.age),
            ..Self::of_endpoints(pool)
        }
    }

    fn add(&mut self, other: &Self) {
        self.in_flight += other.in_flight;
        self.seats += other.seats;
        self.streams += other.streams;
        self.waiting += other.waiting;
        self.held_bytes += other.held_bytes;
        self.left += other.left;
        self.waits.add(&other.waits);
        self.discovery_age = self.discovery_age.max(other.discovery_age);
        let endpoints = self.endpoints.iter_mut().zip(other.endpoints);
        endpoints.for_each(|(sum, more)| *sum += more);
        let refused = self.refused.iter_mut().zip(other.refused);
        refused.for_each(|(sum, more)| *sum += more);
    }
}

/// All pools of the config in force.
pub fn families(live: &Live) -> Vec<Family> {
    let mut families = PoolFamilies::new();
    let (named, others) = live.pools.split_at(live.pools.len().min(POOLS_MAX));
    for pool in named {
        families.add(pool.name(), &PoolGauges::of(pool));
    }
    if !others.is_empty() {
        let mut sum = PoolGauges::default();
        for pool in others {
            sum.add(&PoolGauges::of(pool));
        }
        families.add(OTHERS, &sum);
    }
    families.finish()
}

struct PoolFamilies {
    in_flight: Family,
    seats: Family,
    streams: Family,
    endpoints: Family,
    waiting: Family,
    held_bytes: Family,
    admitted: Family,
    wait: Family,
    refused: Family,
    left: Family,
    discovery_age: Family,
}

impl PoolFamilies {
    fn new() -> Self {
        let (gauge, counter) = (Family::gauge, Family::counter);
        Self {
            in_flight: gauge(
                "pool_in_flight",
                "Requests in flight at the pool's endpoints.",
            ),
            seats: gauge("pool_seats", "Seats of the endpoints that may be used now."),
            streams: gauge("pool_streams", "Streams open to the pool's endpoints."),
            endpoints: gauge("pool_endpoints", "Endpoints of the pool by state."),
            waiting: gauge(
                "pool_waiting",
                "Requests that wait for a seat or for their rate.",
            ),
            held_bytes: gauge("pool_held_bytes", "Memory of the requests that wait."),
            admitted: counter("pool_admitted_total", "Requests that got a seat."),
            wait: Family::histogram("pool_wait_seconds", "How long they had waited for it."),
            refused: counter(
                "pool_refused_total",
                "Requests refused for want of it, by reason.",
            ),
            left: counter(
                "pool_left_total",
                "Clients that left while their request waited.",
            ),
            discovery_age: gauge(
                "discovery_age_seconds",
                "Since the pool's endpoints were last confirmed by their source.",
            ),
        }
    }

    fn add(&mut self, name: &str, pool: &PoolGauges) {
        let label = ("pool", name);
        self.in_flight.count(&[label], pool.in_flight.into());
        self.seats.count(&[label], pool.seats.into());
        self.streams.count(&[label], pool.streams.into());
        for (state, count) in ENDPOINT_STATES.iter().zip(pool.endpoints) {
            self.endpoints
                .count(&[label, ("state", state)], count.into());
        }
        self.waiting.count(&[label], pool.waiting);
        self.held_bytes.count(&[label], pool.held_bytes);
        self.admitted.count(&[label], pool.waits.count);
        self.wait.waits(&[label], &pool.waits);
        for (refusal, count) in CAUSED_BY_LIMITS.iter().zip(pool.refused) {
            self.refused
                .count(&[label, ("reason", refusal.label())], count);
        }
        self.left.count(&[label], pool.left);
        if let Some(age) = pool.discovery_age {
            self.discovery_age.add(&[label], age.as_secs_f64());
        }
    }

    fn finish(self) -> Vec<Family> {
        vec![
            self.in_flight,
            self.seats,
            self.streams,
            self.endpoints,
            self.waiting,
            self.held_bytes,
            self.admitted,
            self.wait,
            self.refused,
            self.left,
            self.discovery_age,
        ]
    }
}
