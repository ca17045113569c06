//! KEDA's external scaler: Schleuse tells KEDA over gRPC how many replicas each pool needs, and at once when one wakes.
//!
//! KEDA asks for each of its `ScaledObject`s by polling and keeps two streams open beside that, all of them over one
//! connection. So HTTP/2 has no limit of streams here, which would make all calls wait for a stream that never ends, and
//! each stream sleeps until its own pool has news. The port is open from the start, cold pools included: what a metric is
//! called does not depend on its value (kedacore/keda#5787). A value that is not known is UNAVAILABLE, never 0.
//!
//! [`Scaler`] decides the answers, `calls` puts them into gRPC, `listener` runs them on a thread of their own.

mod activity;
mod calls;
mod codec;
mod listener;
pub mod messages;
mod streams;
mod subject;

use std::sync::Arc;

use futures_util::stream::Stream;
use tokio::sync::watch;
use tonic::{Code, Status};

use self::{
    messages::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
        MetricValue, ScaledObjectRef,
    },
    streams::Subscription,
    subject::{Subject, Wanted},
};
use crate::{
    clock,
    edge::Edge,
    signals::{NoSignal, Signal, Signals},
};

pub use listener::{ScalerService, serve};

/// The one metric: replicas that the pool needs, over all of them, one per replica. Kubernetes' autoscaler divides the
/// total by the target and so arrives at that number.
pub const METRIC: &str = "desired-replicas";

/// Answers KEDA's calls.
pub struct Scaler {
    edge: Arc<Edge>,
    signals: Arc<dyn Signals>,
    ending: watch::Sender<bool>,
}

impl Scaler {
    /// Over what this proxy knows.
    pub fn new(edge: Arc<Edge>) -> Self {
        Self {
            signals: edge.signals.clone(),
            ending: watch::Sender::new(false),
            edge,
        }
    }

    /// Ends all streams, and from now on each as soon as it is open.
    fn end(&self) {
        self.ending.send_replace(true);
    }

    fn count(&self, method: &str, code: Code) {
        self.edge.metrics.scaler.called(method, code);
    }

    fn is_active(&self, whom: &ScaledObjectRef) -> Result<IsActiveResponse, Status> {
        let result = self.signal(whom)?.active;
        Ok(IsActiveResponse { result })
    }

    fn metrics(&self, asked: &GetMetricsRequest) -> Result<GetMetricsResponse, Status> {
        let whom = asked.scaled_object_ref.as_ref();
        let whom = whom.ok_or_else(|| Status::invalid_argument("no scaledObjectRef"))?;
        let wanted = Wanted::parse(&whom.scaler_metadata)?;
        let signal = self.signal(whom)?;
        if asked.metric_name != METRIC {
            return Err(Status::invalid_argument(format!(
                "there is one metric, {METRIC}"
            )));
        }
        let value = wanted.of(&signal);
        let value = MetricValue {
            metric_name: METRIC.to_owned(),
            metric_value: whole(value),
            metric_value_float: value,
        };
        Ok(GetMetricsResponse {
            metric_values: vec![value],
        })
    }

    /// The same for each pool, and answered also while its value is unknown.
    fn metric_spec(&self, whom: &ScaledObjectRef) -> Result<GetMetricSpecResponse, Status> {
        let subject = Subject::parse(&whom.scaler_metadata)?;
        let live = self.edge.live();
        match self.signals.signal(subject.pool(&live)?, clock::now()) {
            Err(missing @ NoSignal::NoPool) => Err(status_of(missing)),
            Ok(_) | Err(NoSignal::Unknown) => Ok(spec()),
        }
    }

    fn stream_activity(
        &self,
        whom: &ScaledObjectRef,
    ) -> Result<impl Stream<Item = Result<IsActiveResponse, Status>> + Send + use<>, Status> {
        let subject = Subject::parse(&whom.scaler_metadata)?;
        Ok(streams::activity(Subscription::open(self, subject)?))
    }

    fn stream_metric_spec(
        &self,
        whom: &ScaledObjectRef,
    ) -> Result<impl Stream<Item = Result<GetMetricSpecResponse, Status>> + Send + use<>, Status>
    {
        let subject = Subject::parse(&whom.scaler_metadata)?;
        Ok(streams::metric_spec(
            Subscription::open(self, subject)?,
            spec(),
        ))
    }

    fn signal(&self, whom: &ScaledObjectRef) -> Result<Signal, Status> {
        let subject = Subject::parse(&whom.scaler_metadata)?;
        let live = self.edge.live();
        let signal = self.signals.signal(subject.pool(&live)?, clock::now());
        signal.map_err(status_of)
    }
}

/// For KEDA that knows no float: rather too many than too few.
#[expect(
    clippy::cast_possible_truncation,
    reason = "values are replicas, far below where a float has gaps; the cast saturates"
)]
fn whole(value: f64) -> i64 {
    value.ceil() as i64
}

fn status_of(missing: NoSignal) -> Status {
    let code = match missing {
        NoSignal::NoPool => Code::NotFound,
        NoSignal::Unknown => Code::Unavailable,
    };
    Status::new(code, missing.to_string())
}

fn spec() -> GetMetricSpecResponse {
    let spec = MetricSpec {
        metric_name: METRIC.to_owned(),
        target_size: 1,
        target_size_float: 1.0,
    };
    GetMetricSpecResponse {
        metric_specs: vec![spec],
    }
}
