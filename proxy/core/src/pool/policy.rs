//! What a pool decides by.

use std::time::Duration;

use crate::{
    activation::ActivationPolicy, ejection::EjectionPolicy, fraction::Fraction,
    health::HealthPolicy, queue::policy::QueuePolicy, retry::RetryPolicy,
};

/// What a pool decides by; comes from the configuration with each event, so that a reload needs no event of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolPolicy {
    /// Seats per endpoint: requests in flight there at once. 0 counts as 1.
    pub concurrency: u32,
    /// Streams per endpoint: WebSocket, server-sent events, gRPC. Beside the seats.
    pub streams_max: u32,
    /// How long an endpoint that became ready takes to reach its full share; zero: no ramp.
    pub slow_start: Duration,
    /// When failing answers take an endpoint out.
    pub ejection: EjectionPolicy,
    /// How many attempts beyond the first.
    pub retry: RetryPolicy,
    /// How many probes change an endpoint's health.
    pub health: HealthPolicy,
    /// Whether endpoints are probed at all; if not, all are healthy.
    pub probed: bool,
    /// Who may wait for a seat, and how.
    pub queue: QueuePolicy,
    /// How it is woken when no endpoint serves; none: nobody starts endpoints for it.
    pub activation: Option<ActivationPolicy>,
    /// This process's part of seats, streams, rates and requests in flight.
    pub share: Fraction,
}

impl PoolPolicy {
    /// Seats of this process per endpoint, before slow start.
    pub(crate) fn seats_max(&self) -> u32 {
        self.share.of(self.concurrency).max(1)
    }
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            concurrency: 20,
            streams_max: 100,
            slow_start: Duration::from_secs(10),
            ejection: EjectionPolicy::default(),
            retry: RetryPolicy::default(),
            health: HealthPolicy::default(),
            probed: false,
            queue: QueuePolicy::default(),
            activation: None,
            share: Fraction::ONE,
        }
    }
}
