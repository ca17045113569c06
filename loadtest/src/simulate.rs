//! The launch in virtual time: the same citizens, the decisions of Schleuse's own core, and a model of the backends.
//!
//! What is simulated is what the proxy runs: identification, the rates of tenants and client networks, numbers in flight,
//! the fair queue, activation, the recommender and launch plans are `schleuse-core`, called with the events of an own clock.
//! What is modelled is what stands around it: how long a backend works on a request, how long a replica takes to start, and
//! through which networks citizens come. Left out: the network, the proxy's own time, limits of connections, costs of
//! routes, errors of backends. So tails are a lower bound, and the command says so.
//!
//! | module | holds |
//! |---|---|
//! | `world` | citizens and what happens to them |
//! | `agenda` | events by time |
//! | `pool` | one pool: queue, replicas, decisions |
//! | `calendar` | the hour of the launch, and the time before it |
//! | `networks` | from which addresses citizens come |
//! | `routes` | which pool a citizen's request belongs to, and on which terms |
//! | `change` | `--set`: another config without another file |

mod agenda;
mod calendar;
mod change;
mod networks;
mod pool;
mod routes;
mod world;

use std::time::{Duration, Instant};

use schleuse_config::Snapshot;
use schleuse_core::scale::plan::WallTime;

use crate::{
    distribution::Distribution,
    generator::{self, Played},
    machine,
    results::{Mode, Results, ScenarioIdentity, Simulation},
    verdict::abort::Watch,
    workload::Workload,
};

pub use change::{Change, apply};
pub use networks::Networks;

use calendar::Calendar;
use routes::Routes;
use world::World;

/// What stands behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// How long a backend works on a request.
    pub service_time: Distribution,
    /// How long a replica takes to serve; the pool's configured cold start where absent.
    pub cold_start: Option<Distribution>,
    /// From where citizens come.
    pub networks: Networks,
    /// When the schedule begins after its warm-up; with the earliest launch of the config where absent.
    pub begins: Option<WallTime>,
}

/// Plays `workload` against `config` in virtual time, until `watch` gives a reason to abort.
///
/// # Errors
///
/// In words: no request of the scenario belongs to any pool of the config.
pub fn simulate(
    workload: &Workload,
    config: &Snapshot,
    model: &Model,
    watch: Watch,
    scenario: ScenarioIdentity,
) -> Result<Results, String> {
    let (began, started) = (Instant::now(), machine::now());
    let routes = Routes::new(workload, config)?;
    let calendar = Calendar::new(config, routes.list(), workload, model.begins);
    let ahead = Duration::from_nanos(calendar.ahead());
    let with_ahead = Workload {
        warm_up: workload.warm_up.saturating_add(ahead),
        ..workload.clone()
    };
    let mut ended = World::new(&with_ahead, config, *model, (routes, calendar)).play(watch);
    generator::put_unanswered(&mut ended.seconds, &ended.record);
    let played = Played::simulated(ended.record, ended.seconds, ended.aborted);
    let scenario = ScenarioIdentity {
        mode: Mode::Simulated,
        ..scenario
    };
    let facts = machine::facts(&[], 0);
    let mut results = generator::results(played, workload, scenario, facts, started);
    results.connections = None;
    results.simulation = Some(Simulation {
        citizens: ended.citizens,
        wall_seconds: began.elapsed().as_secs_f64(),
        memory_max_bytes: machine::memory_max_bytes(),
        presence_sum_ns: ended.presence,
        waits_sum_ns: ended.waits,
        calibration: None,
    });
    Ok(results)
}

#[cfg(test)]
mod tests;
