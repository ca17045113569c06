//! Gauges of the pools, filled anew by each scrape: nobody pays for them between two, and a pool that is gone from the
//! config leaves no series behind.

use std::time::Duration;

use prometheus::{GaugeVec, IntGaugeVec, Registry};

use crate::metrics::options;

/// As [`PoolGauges::endpoints`].
const ENDPOINT_STATES: [&str; 4] = ["usable", "unhealthy", "ejected", "drained"];

/// The families.
#[derive(Debug)]
pub struct PoolMetrics {
    in_flight: IntGaugeVec,
    waiting: IntGaugeVec,
    seats: IntGaugeVec,
    endpoints: IntGaugeVec,
    discovery_age: GaugeVec,
}

/// A pool at the moment of a scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolGauges {
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that wait for a seat.
    pub waiting: u32,
    /// Seats of usable endpoints.
    pub seats: u32,
    /// Endpoints that are usable, unhealthy, ejected, drained (or in maintenance, or leaving).
    pub endpoints: [u32; 4],
    /// Since the endpoints were last confirmed by their source; none: they need none.
    pub discovery_age: Option<Duration>,
}

impl PoolMetrics {
    /// Registers the families.
    ///
    /// # Errors
    ///
    /// When a name is registered twice.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(options(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let discovery_age = GaugeVec::new(
            options(
                "discovery_age_seconds",
                "Since the pool's endpoints were last confirmed by their source.",
            ),
            &["pool"],
        )?;
        registry.register(Box::new(discovery_age.clone()))?;
        Ok(Self {
            in_flight: gauges(
                "pool_in_flight",
                "Requests in flight at the pool's endpoints.",
                &["pool"],
            )?,
            waiting: gauges(
                "pool_waiting",
                "Requests that wait in the pool's queue.",
                &["pool"],
            )?,
            seats: gauges(
                "pool_seats",
                "Seats of the endpoints that may be used now.",
                &["pool"],
            )?,
            endpoints: gauges(
                "pool_endpoints",
                "Endpoints of the pool by state.",
                &["pool", "state"],
            )?,
            discovery_age,
        })
    }

    /// Replaces what is known of the pools.
    pub fn set<'p>(&self, pools: impl Iterator<Item = (&'p str, PoolGauges)>) {
        self.in_flight.reset();
        self.waiting.reset();
        self.seats.reset();
        self.endpoints.reset();
        self.discovery_age.reset();
        for (name, gauges) in pools {
            self.in_flight
                .with_label_values(&[name])
                .set(gauges.in_flight.into());
            self.waiting
                .with_label_values(&[name])
                .set(gauges.waiting.into());
            self.seats
                .with_label_values(&[name])
                .set(gauges.seats.into());
            for (state, count) in ENDPOINT_STATES.iter().zip(gauges.endpoints) {
                self.endpoints
                    .with_label_values(&[name, *state])
                    .set(count.into());
            }
            if let Some(age) = gauges.discovery_age {
                self.discovery_age
                    .with_label_values(&[name])
                    .set(age.as_secs_f64());
            }
        }
    }
}
