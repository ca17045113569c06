//! What limits and budgets count. Labels are closed sets.

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Registry, core::Collector,
};

use super::{connections::ConnectionRefused, overload::Shortage};
use crate::metrics::options;

/// Seconds. A worker that is 10 ms late is noticed by nobody, one that is 500 ms late by everybody.
const LAG_BUCKETS: [f64; 8] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0];

/// The families. A clone counts into the same.
#[derive(Clone, Debug)]
pub struct LimitMetrics {
    connections_refused: IntCounterVec,
    /// What limits in `mode: observe` would have refused.
    observed: IntCounterVec,
    /// Requests judged by a bucket that several clients share.
    pub(super) clients_shared: IntCounter,
    overload: IntCounterVec,
    lag: Histogram,
    gauges: Gauges,
}

/// Set by each scrape: use and limit of what the process has.
#[derive(Clone, Debug)]
struct Gauges {
    held_bytes: IntGauge,
    held_bytes_max: IntGauge,
    file_handles: IntGauge,
    file_handles_pause: IntGauge,
    lag_worst: Gauge,
    lag_max: Gauge,
}

/// The values of the gauges.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Memory of requests that wait or are being read, and its limit.
    pub held_bytes: (u64, u64),
    /// File handles in use, and the number at which accepting pauses.
    pub file_handles: (u64, u64),
    /// The worst worker's delay, and its limit.
    pub lag: (Duration, Duration),
}

/// What the proxy does when it is short of something itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Refuses a request on a new connection.
    RefuseNew,
    /// Refuses a request that would have to wait.
    RefuseWait(Shortage),
    /// Refuses a request that is being read.
    RefuseRead,
    /// Ends a connection at rest.
    CloseResting,
}

impl Action {
    const ALL: [Self; 5] = [
        Self::RefuseNew,
        Self::RefuseWait(Shortage::Memory),
        Self::RefuseWait(Shortage::Time),
        Self::RefuseRead,
        Self::CloseResting,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::RefuseNew => "refuse_new_late",
            Self::RefuseWait(Shortage::Time) => "refuse_wait_late",
            Self::RefuseWait(Shortage::Memory) => "refuse_wait_memory",
            Self::RefuseRead => "refuse_read_memory",
            Self::CloseResting => "close_resting",
        }
    }
}

impl LimitMetrics {
    /// Registers the families, each label with its zero: what has never happened yet can be alerted on.
    ///
    /// # Errors
    ///
    /// When a name is registered twice.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let add = |name: &str, help: &str, label: &str, values: &[&str]| {
            let family = IntCounterVec::new(options(name, help), &[label])?;
            for value in values {
                let _ = family.with_label_values(&[*value]);
            }
            registered(registry, family)
        };
        let lag = "Seconds by which a worker comes back late to its tasks, every 100 ms.";
        let lag = HistogramOpts::from(options("worker_lag_seconds", lag));
        Ok(Self {
            connections_refused: add(
                "connections_refused_total",
                "Connections closed when they were accepted.",
                "reason",
                &[
                    ConnectionRefused::Total.label(),
                    ConnectionRefused::Network.label(),
                ],
            )?,
            observed: add(
                "limits_observed_total",
                "Requests that a limit in observe mode would have refused.",
                "limit",
                &["client", "tenant"],
            )?,
            clients_shared: registered(
                registry,
                IntCounter::with_opts(options(
                    "limits_clients_shared_total",
                    "Requests judged by a bucket that several client networks share.",
                ))?,
            )?,
            overload: add(
                "overload_actions_total",
                "What the proxy did because it was short of something itself.",
                "action",
                &Action::ALL.map(Action::label),
            )?,
            lag: registered(
                registry,
                Histogram::with_opts(lag.buckets(LAG_BUCKETS.to_vec()))?,
            )?,
            gauges: Gauges::new(registry)?,
        })
    }

    /// Counts a connection that was not taken.
    pub fn connection_refused(&self, reason: ConnectionRefused) {
        self.connections_refused
            .with_label_values(&[reason.label()])
            .inc();
    }

    /// Counts what a limit in observe mode would have refused: `client` or `tenant`.
    pub fn would_refuse(&self, limit: &'static str) {
        self.observed.with_label_values(&[limit]).inc();
    }

    /// Counts what was done for want of something.
    pub fn acted(&self, action: Action, times: u64) {
        self.overload
            .with_label_values(&[action.label()])
            .inc_by(times);
    }

    /// A worker looked how late it is.
    pub(super) fn observe_lag(&self, late: Duration) {
        self.lag.observe(late.as_secs_f64());
    }

    /// Sets the gauges.
    pub fn set(&self, usage: Usage) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let gauges = &self.gauges;
        gauges.held_bytes.set(int(usage.held_bytes.0));
        gauges.held_bytes_max.set(int(usage.held_bytes.1));
        gauges.file_handles.set(int(usage.file_handles.0));
        gauges.file_handles_pause.set(int(usage.file_handles.1));
        gauges.lag_worst.set(usage.lag.0.as_secs_f64());
        gauges.lag_max.set(usage.lag.1.as_secs_f64());
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let int = |name: &str, help: &str| {
            registered(registry, IntGauge::with_opts(options(name, help))?)
        };
        let float =
            |name: &str, help: &str| registered(registry, Gauge::with_opts(options(name, help))?);
        Ok(Self {
            held_bytes: int(
                "held_bytes",
                "Memory of requests that wait or are being read.",
            )?,
            held_bytes_max: int(
                "held_bytes_max",
                "Memory beyond which nobody may wait, nor send slowly.",
            )?,
            file_handles: int("file_handles", "File handles in use.")?,
            file_handles_pause: int(
                "file_handles_pause",
                "File handles in use at which accepting pauses.",
            )?,
            lag_worst: float("worker_lag_worst_seconds", "How late the latest worker is.")?,
            lag_max: float(
                "worker_lag_max_seconds",
                "Lag beyond which new requests are refused.",
            )?,
        })
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}
