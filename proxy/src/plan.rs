//! `schleuse plan`: what is ordered when for the announced launches, and whether that will hold, for a person and as JSON.
//!
//! The plan itself is the core's (`schleuse_core::scale::plan`). Here stands what it is reckoned from, the config and what
//! a running process has written down as learnt, and its one shape as a value, which `/api/v1/launches` has as well.

mod text;
mod view;

use std::collections::BTreeMap;

use clap::Args;
use schleuse_config::{PoolPlan, Snapshot};
use schleuse_core::scale::{learnt::Learnt, plan::WallTime};

pub use view::PlanView;

use crate::autoscale::peek_at_learnt;

/// What the command may be told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Exit code 1 if a launch cannot hold: too few replicas allowed, cold start unknown, begins too soon or in the past.
    #[arg(long)]
    check: bool,
}

impl Options {
    /// The command's exit code.
    pub fn code(&self, planned: &Planned) -> u8 {
        u8::from(self.check && !planned.holds())
    }
}

/// The timetables of all pools that launches are announced for.
#[derive(Debug)]
pub struct Planned {
    pools: Vec<PlanView>,
    /// Why what was learnt is not known.
    unreadable: Option<String>,
}

impl Planned {
    /// As of `now`, with what a process under this config has learnt. Reads its file.
    pub fn of(snapshot: &Snapshot, now: WallTime) -> Self {
        let (learnt, unreadable) = match peek_at_learnt(snapshot) {
            Ok(learnt) => (learnt, None),
            Err(why) => (BTreeMap::new(), Some(why)),
        };
        let view = |plan: &PoolPlan| {
            let pool = snapshot.pools.get(plan.pool.as_usize())?;
            let policy = &pool.scale.as_ref()?.policy;
            let learnt = learnt.get(&pool.name).cloned();
            let is_learnt = learnt.is_some();
            let capacity = plan.capacity(policy, &learnt.unwrap_or_else(Learnt::default));
            Some(PlanView::new(&pool.name, plan, &capacity, is_learnt, now))
        };
        Self {
            pools: snapshot.plans.iter().filter_map(view).collect(),
            unreadable,
        }
    }

    /// Nothing speaks against any of the launches.
    pub fn holds(&self) -> bool {
        self.pools.iter().all(|pool| pool.holds)
    }

    /// What whoever asked should know beside the plan.
    pub fn complaint(&self) -> Option<String> {
        let why = self
            .unreadable
            .as_ref()
            .filter(|_| !self.pools.is_empty())?;
        Some(format!(
            "schleuse: nothing learnt is known, the config's values count: {why}"
        ))
    }

    /// For a person.
    pub fn text(&self) -> String {
        text::of(&self.pools)
    }

    /// For a program: a list of the pools, each as in `/api/v1/launches`.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.pools).unwrap_or_else(|error| error.to_string())
    }
}
