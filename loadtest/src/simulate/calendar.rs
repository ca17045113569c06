//! Which moment of the calendar the virtual time stands for, and how much of it passes before the first citizen.
//!
//! Launches are announced by calendar, and their replicas are ordered before the hour. So virtual time begins early enough
//! for the first order of a launch that is on when the schedule begins; the schedule begins, after its warm-up, with the
//! earliest launch that is announced for any pool it asks, unless the operator names another moment.

use std::time::Duration;

use schleuse_config::{PoolPlan, Snapshot};
use schleuse_core::scale::{
    learnt::Learnt,
    plan::{WallTime, need},
    policy::ScalePolicy,
};

use super::routes::Route;
use crate::{clock::nanoseconds, workload::Workload};

/// How far the beginning of a window is looked for: step by step, no further than two days.
const STEP: Duration = Duration::from_mins(1);
const STEPS_MAX: u32 = 2 * 24 * 60;

/// See the head of this file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    /// Of virtual time 0.
    origin: WallTime,
    /// Nanoseconds, whole seconds.
    ahead: u64,
}

impl Calendar {
    /// For the pools that `routes` lead to. `begins` is when the schedule begins after its warm-up.
    pub(super) fn new(
        config: &Snapshot,
        routes: &[Route],
        workload: &Workload,
        begins: Option<WallTime>,
    ) -> Self {
        let asked = |plan: &&PoolPlan| {
            let pool = plan.pool.as_usize();
            routes.iter().any(|route| route.pool == pool)
        };
        let plans: Vec<&PoolPlan> = config.plans.iter().filter(asked).collect();
        let launches = plans.iter().flat_map(|plan| &plan.launches);
        let first = launches.map(|launch| launch.at).min();
        let starts = begins.or(first).unwrap_or_default();
        let starts = starts.earlier(workload.warm_up);
        let ahead = plans
            .iter()
            .filter_map(|plan| {
                let pool = config.pools.get(plan.pool.as_usize())?;
                Some(ahead(plan, &pool.scale.as_ref()?.policy, starts))
            })
            .max()
            .unwrap_or_default();
        Self {
            origin: starts.earlier(ahead),
            ahead: nanoseconds(ahead),
        }
    }

    /// Virtual time before the schedule's, nanoseconds.
    pub(super) const fn ahead(&self) -> u64 {
        self.ahead
    }

    /// The moment that virtual time `now`, nanoseconds, stands for.
    pub(super) fn wall(&self, now: u64) -> WallTime {
        self.origin + Duration::from_nanos(now)
    }
}

/// How long before `starts` the window that is open then has opened, rounded up.
fn ahead(plan: &PoolPlan, policy: &ScalePolicy, starts: WallTime) -> Duration {
    let capacity = plan.capacity(policy, &Learnt::default());
    let is_closed = |steps: &u32| {
        let moment = starts.earlier(STEP * *steps);
        !need(&plan.launches, &capacity, moment).in_window
    };
    STEP * (0..=STEPS_MAX).find(is_closed).unwrap_or(STEPS_MAX)
}
