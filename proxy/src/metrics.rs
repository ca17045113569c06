//! What the proxy counts, under Prometheus names. Labels come from the config or from closed sets, never from clients,
//! so the number of series is bounded by construction.
//!
//! `docs/metrics.md` lists exactly what is registered here; a test compares them.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder, proto::MetricFamily,
};
use schleuse_core::Refusal;

use crate::{limits::LimitMetrics, log, scaler_metrics::ScalerMetrics, sight::pools::OTHERS};

/// Methods that are told apart; all others are `other` (traefik/traefik#8761: an invented method is no label).
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other",
];
/// By first digit of the status; `none`: the client left before an answer.
const CODES: [&str; 5] = ["none", "2xx", "3xx", "4xx", "5xx"];
/// Seconds. An edge adds fractions of a millisecond, a form's backend takes seconds, an upload minutes.
const DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0,
];

/// Services with series of their own, 57 each; those that come after share one set of them.
const SERVICES_MAX: usize = 500;

/// All families and the handles that need no label lookup.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    services: AtomicUsize,
    requests: IntCounterVec,
    duration: HistogramVec,
    refused: IntCounterVec,
    /// Connections accepted.
    pub connections: IntCounter,
    /// Connections open now.
    pub connections_open: IntGauge,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: IntCounter,
    /// Times accepting paused because file handles ran out.
    pub accept_paused: IntCounter,
    /// Requests redirected to HTTPS.
    pub redirected: IntCounter,
    /// Keep-alive connections closed because no request came.
    pub idle_closed: IntCounter,
    /// Requests in flight, from the first byte of the head to the end of the answer.
    pub in_flight: IntGauge,
    /// Answers that broke off after they had begun.
    pub aborted: IntCounter,
    /// Attempts beyond a request's first.
    pub retries: IntCounter,
    /// Attempts after one whose endpoint took no connection.
    pub requeued: IntCounter,
    /// Upstream connections opened.
    pub upstream_connections: IntCounter,
    /// Requests that went over a connection that had served before.
    pub upstream_reused: IntCounter,
    /// Requests whose session's endpoint was gone, drained or full.
    pub affinity_lost: IntCounter,
    /// Probes by result.
    pub probes: IntCounterVec,
    /// The generation in force.
    pub config_generation: IntGauge,
    /// Reloads that changed something.
    pub config_loaded: IntCounter,
    /// Reloads refused for problems.
    pub config_rejected: IntCounter,
    /// Seconds since 1970 of the last reload that was accepted.
    pub config_loaded_at: IntGauge,
    /// Certificates past their end that are served all the same.
    pub certificates_expired: IntGauge,
    log_dropped: IntCounter,
    /// Limits and the process's budget.
    pub limits: LimitMetrics,
    /// What KEDA asked.
    pub scaler: ScalerMetrics,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    ///
    /// When a name is registered twice: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families = Families(&registry);
        Ok(Self {
            requests: families.counters(
                "requests_total",
                "Requests answered.",
                &["service", "method", "code"],
            )?,
            duration: families.duration()?,
            refused: families.counters(
                "refused_total",
                "Requests the proxy answered itself, by reason.",
                &["reason"],
            )?,
            connections: families.counter("connections_total", "Client connections accepted.")?,
            connections_open: families.gauge("connections_open", "Client connections open.")?,
            handshakes_failed: families.counter(
                "tls_handshakes_failed_total",
                "TLS handshakes that failed or timed out.",
            )?,
            accept_paused: families
                .counter("accept_paused_total", "Pauses for want of file handles.")?,
            redirected: families.counter("redirected_total", "Requests redirected to HTTPS.")?,
            idle_closed: families.counter(
                "connections_idle_closed_total",
                "Connections closed for being idle.",
            )?,
            in_flight: families.gauge("requests_in_flight", "Requests being answered now.")?,
            aborted: families.counter(
                "answers_aborted_total",
                "Answers that broke off after they had begun.",
            )?,
            retries: families.counter("retries_total", "Attempts beyond a request's first.")?,
            requeued: families.counter("requeued_total", "Attempts after a refused connection.")?,
            upstream_connections: families.counter(
                "upstream_connections_total",
                "Connections opened to endpoints.",
            )?,
            upstream_reused: families.counter(
                "upstream_reused_total",
                "Requests over an endpoint connection that had served before.",
            )?,
            affinity_lost: families.counter(
                "affinity_lost_total",
                "Requests whose session's endpoint could not take them.",
            )?,
            probes: families.counters("probes_total", "Health probes by result.", &["result"])?,
            config_generation: families
                .gauge("config_generation", "Generation of the config in force.")?,
            config_loaded: families.counter("config_loaded_total", "Configs put in force.")?,
            config_rejected: families
                .counter("config_rejected_total", "Configs refused for problems.")?,
            config_loaded_at: families.gauge(
                "config_loaded_timestamp_seconds",
                "When the config in force was loaded.",
            )?,
            certificates_expired: families.gauge(
                "certificates_expired",
                "Certificates past their end, still served.",
            )?,
            log_dropped: families.counter(
                "log_lines_dropped_total",
                "Log lines lost because stdout was too slow.",
            )?,
            services: AtomicUsize::new(0),
            limits: LimitMetrics::new(&registry)?,
            scaler: ScalerMetrics::new(&registry)?,
            registry,
        })
    }

    /// The handles of a service, so that a request looks no label up.
    pub fn service(&self, name: &str) -> ServiceMetrics {
        let number = self.services.fetch_add(1, Relaxed);
        let name = if number < SERVICES_MAX { name } else { OTHERS };
        let requests = METHODS
            .map(|method| CODES.map(|code| self.requests.with_label_values(&[name, method, code])));
        ServiceMetrics {
            requests,
            duration: self.duration.with_label_values(&[name]),
        }
    }

    /// Counts an answer of our own.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.with_label_values(&[refusal.label()]).inc();
    }

    /// All of it in the text format, with what was put together for this scrape.
    ///
    /// # Errors
    ///
    /// The encoder's; none is known for these families.
    pub fn encode(&self, scraped: &[MetricFamily]) -> Result<Vec<u8>, prometheus::Error> {
        self.log_dropped
            .inc_by(log::dropped_lines().saturating_sub(self.log_dropped.get()));
        let mut text = Vec::new();
        let encoder = TextEncoder::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        encoder.encode(scraped, &mut text)?;
        Ok(text)
    }
}

/// The handles of one service.
#[derive(Debug)]
pub struct ServiceMetrics {
    requests: [[IntCounter; CODES.len()]; METHODS.len()],
    duration: Histogram,
}

impl ServiceMetrics {
    /// Counts an answered request. Status 0: the client left before the answer.
    pub fn answered(&self, method: &str, status: u16, duration: Duration) {
        let method = METHODS
            .iter()
            .position(|known| *known == method)
            .unwrap_or(METHODS.len() - 1);
        let code = match status {
            100..300 => 1,
            300..400 => 2,
            400..500 => 3,
            500.. => 4,
            _ => 0,
        };
        if let Some(counter) = self.requests.get(method).and_then(|codes| codes.get(code)) {
            counter.inc();
        }
        self.duration.observe(duration.as_secs_f64());
    }
}

struct Families<'r>(&'r Registry);

impl Families<'_> {
    fn register<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        family: C,
    ) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(options(name, help))?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(options(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(options(name, help))?)
    }

    fn duration(&self) -> Result<HistogramVec, prometheus::Error> {
        let help = "Seconds from a request's head to the end of its answer.";
        let options = HistogramOpts::from(options("request_duration_seconds", help))
            .buckets(DURATION_BUCKETS.to_vec());
        self.register(HistogramVec::new(options, &["service"])?)
    }
}

pub(crate) fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("schleuse")
}
