//! The two streams that KEDA keeps open for each `ScaledObject`, for as long as the pool is the one it means.
//!
//! They end with OK, whatever ends them: KEDA opens a stream again after two seconds when it ended cleanly, and with a
//! pause that only grows when it broke.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use tokio::{sync::watch, time::sleep_until};
use tonic::Status;

use super::{
    Scaler,
    activity::{Activity, HEARTBEAT},
    messages::{GetMetricSpecResponse, IsActiveResponse},
    subject::Subject,
};
use crate::{clock, edge::Edge, signals::Latest};

/// Open streams. Each costs some KiB; those beyond are refused, where a limit of HTTP/2 would make all calls wait.
const STREAMS_MAX: i64 = 100_000;

/// An open stream of one `ScaledObject`.
pub(super) struct Subscription {
    open: Open,
    subject: Subject,
    pool: String,
    latest: watch::Receiver<Latest>,
    ending: watch::Receiver<bool>,
}

impl Subscription {
    /// Of the pool that `subject` means now.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` when too many are open, else those of the subject.
    pub(super) fn open(scaler: &Scaler, subject: Subject) -> Result<Self, Status> {
        let pool = subject.pool(&scaler.edge.live())?.to_owned();
        let latest = scaler.signals.watch(&pool);
        let latest =
            latest.ok_or_else(|| Status::not_found(format!("no pool {pool} is configured")))?;
        Ok(Self {
            open: Open::new(&scaler.edge)?,
            subject,
            pool,
            latest,
            ending: scaler.ending.subscribe(),
        })
    }

    /// Waits for a change or for `due`. None when the stream is to end.
    async fn news(&mut self, due: schleuse_core::Timestamp) -> Option<()> {
        tokio::select! {
            biased;
            _ = self.ending.wait_for(|ending| *ending) => return None,
            changed = self.latest.changed() => changed.ok()?,
            () = sleep_until(clock::instant(due)) => {}
        }
        // A reload may have given the tenant another pool; whoever opens the stream again gets that one.
        let live = self.open.0.live();
        self.subject
            .pool(&live)
            .is_ok_and(|pool| pool == self.pool)
            .then_some(())
    }
}

/// Counted while it lives.
struct Open(Arc<Edge>);

impl Open {
    fn new(edge: &Arc<Edge>) -> Result<Self, Status> {
        let open = &edge.metrics.scaler.streams_open;
        if open.get() >= STREAMS_MAX {
            return Err(Status::resource_exhausted(
                "as many streams are open as may be",
            ));
        }
        open.inc();
        Ok(Self(edge.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.scaler.streams_open.dec();
    }
}

/// Says whether the pool should have replicas, by the rules of [`Activity`].
pub(super) fn activity(
    subscription: Subscription,
) -> impl Stream<Item = Result<IsActiveResponse, Status>> + Send {
    let state = (subscription, Activity::default());
    stream::unfold(state, |(mut subscription, mut activity)| async move {
        loop {
            let now = clock::now();
            let signal = subscription.latest.borrow_and_update().at(now);
            if let Some(result) = activity.step(signal, now, fastrand::f64()) {
                let message = Ok(IsActiveResponse { result });
                return Some((message, (subscription, activity)));
            }
            subscription.news(activity.due()).await?;
        }
    })
}

/// Says which metric there is once; it never changes, so the rest is silence.
pub(super) fn metric_spec(
    subscription: Subscription,
    spec: GetMetricSpecResponse,
) -> impl Stream<Item = Result<GetMetricSpecResponse, Status>> + Send {
    stream::unfold(
        (subscription, Some(spec)),
        |(mut subscription, mut spec)| async move {
            if let Some(spec) = spec.take() {
                return Some((Ok(spec), (subscription, None)));
            }
            loop {
                subscription.news(clock::now() + HEARTBEAT).await?;
            }
        },
    )
}
