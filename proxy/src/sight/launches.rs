//! Announced launches in a scrape: what is planned for each pool, and what is missing of it.

use super::{families::Family, pools::POOLS_MAX};
use crate::{autoscale::LaunchStatus, edge::Edge};

/// The families, with the series of the first pools of the config that launches are announced for.
pub(super) fn families(edge: &Edge) -> [Family; 2] {
    let mut planned = Family::gauge(
        "launch_planned_replicas",
        "Replicas that the launches of the pool ask for now.",
    );
    let mut short = Family::gauge(
        "launch_short",
        "Replicas that are missing for a launch that is on or begins within a minute.",
    );
    let live = edge.live();
    for plan in live.snapshot.plans.iter().take(POOLS_MAX) {
        let Some(pool) = live.snapshot.pools.get(plan.pool.as_usize()) else {
            continue;
        };
        let Some(LaunchStatus { need, verified, .. }) = edge.autoscale.launches(&pool.name) else {
            continue;
        };
        planned.count(&[("pool", &pool.name)], need.replicas.into());
        for found in &verified {
            let labels = [("launch", &*found.launch), ("pool", &*pool.name)];
            short.count(&labels, found.short_by().into());
        }
    }
    [planned, short]
}
