//! Whether and how KEDA asks.

use prometheus::{IntCounterVec, IntGauge, Registry};
use tonic::Code;

use crate::metrics::options;

const METHODS: [&str; 5] = [
    "IsActive",
    "StreamIsActive",
    "GetMetricSpec",
    "GetMetrics",
    "StreamMetricSpec",
];

/// The families.
#[derive(Debug)]
pub struct ScalerMetrics {
    /// Streams that are open.
    pub streams_open: IntGauge,
    calls: IntCounterVec,
}

impl ScalerMetrics {
    /// Registers the families.
    ///
    /// # Errors
    ///
    /// When a name is registered twice.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let streams_open = IntGauge::with_opts(options(
            "scaler_streams_open",
            "Streams that KEDA holds open.",
        ))?;
        registry.register(Box::new(streams_open.clone()))?;
        let calls = options("scaler_calls_total", "Calls of KEDA by method and outcome.");
        let calls = IntCounterVec::new(calls, &["method", "code"])?;
        registry.register(Box::new(calls.clone()))?;
        // There from the start, so that a rate over the first call is not lost.
        for method in METHODS {
            calls.with_label_values(&[method, label(Code::Ok)]);
        }
        Ok(Self {
            streams_open,
            calls,
        })
    }

    /// Counts a call that was decided; a stream when it is opened.
    pub fn called(&self, method: &str, code: Code) {
        self.calls.with_label_values(&[method, label(code)]).inc();
    }
}

/// The outcomes that there are here; a closed set.
fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::Unavailable => "unavailable",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unimplemented => "unimplemented",
        _ => "other",
    }
}
