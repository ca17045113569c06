//! Announced launches: the timetable of each pool, as the running process reckons it, and how it stands.
//!
//! Reckoned on another thread: a table of a thousand rows takes a tenth of a second, in which the control thread would
//! wake nobody.

use std::sync::Arc;

use schleuse_config::PoolPlan;
use schleuse_core::scale::learnt::Learnt;
use serde::Serialize;

use super::reply::Reply;
use crate::{
    autoscale::LaunchStatus,
    clock,
    edge::{Edge, Live},
    plan::PlanView,
};

/// A pool that launches are announced for.
#[derive(Debug, Serialize)]
struct LaunchesView {
    #[serde(flatten)]
    plan: PlanView,
    /// None while nothing was decided about the pool yet.
    now: Option<Now>,
}

#[derive(Debug, Serialize)]
struct Now {
    /// A launch, or the pre-warming for one, is on.
    in_window: bool,
    /// Asked for by the plan; what arrives may ask for more.
    planned: u32,
    /// Launches that are on or begin within a minute.
    verified: Vec<Verified>,
}

#[derive(Debug, Serialize)]
struct Verified {
    launch: String,
    needed: u32,
    ready: u32,
    short: u32,
}

impl From<LaunchStatus> for Now {
    fn from(status: LaunchStatus) -> Self {
        let verified = status.verified.into_iter().map(|found| Verified {
            short: found.short_by(),
            launch: found.launch,
            needed: found.needed,
            ready: found.ready,
        });
        Self {
            in_window: status.need.in_window,
            planned: status.need.replicas,
            verified: verified.collect(),
        }
    }
}

/// `GET /api/v1/launches`.
pub(super) async fn list(edge: &Arc<Edge>) -> Reply {
    let edge = edge.clone();
    let reckoned = tokio::task::spawn_blocking(move || Reply::json(200, &describe_all(&edge)));
    reckoned
        .await
        .unwrap_or_else(|_| Reply::problem(500, "the timetables were not reckoned to their end"))
}

fn describe_all(edge: &Edge) -> Vec<LaunchesView> {
    let live = edge.live();
    let plans = live.snapshot.plans.iter();
    plans
        .filter_map(|plan| describe(edge, &live, plan))
        .collect()
}

fn describe(edge: &Edge, live: &Live, plan: &PoolPlan) -> Option<LaunchesView> {
    let pool = live.snapshot.pools.get(plan.pool.as_usize())?;
    let policy = &pool.scale.as_ref()?.policy;
    let status = edge.autoscale.launches(&pool.name);
    let capacity = match &status {
        Some(status) => status.capacity,
        None => plan.capacity(policy, &Learnt::default()),
    };
    let learnt = status.as_ref().is_some_and(|status| status.learnt);
    Some(LaunchesView {
        plan: PlanView::new(&pool.name, plan, &capacity, learnt, clock::wall()),
        now: status.map(<_>::from),
    })
}
