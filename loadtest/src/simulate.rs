//! The launch in virtual time: the same citizens, the decisions of Schleuse's own core, and a model of the backends.
//!
//! What is simulated is what the proxy runs: identification, tenant rates, limits in flight, the fair queue, activation and
//! the recommender are `schleuse-core`, called with the events of an own clock. What is modelled is what stands behind it:
//! how long a backend works on a request, and how long a replica takes to start. Left out, because it is not there: the
//! network, the proxy's own time, limits of client networks (each citizen is a network of its own), errors of backends.
//! So tails are a lower bound, and the command says so. Launch plans are not simulated yet: the recommender alone decides.
//!
//! | module | holds |
//! |---|---|
//! | `world` | citizens, events and their order |
//! | `pool` | one pool: queue, replicas, decisions |
//! | `routes` | which pool a citizen's request belongs to, and on which terms |
//! | `change` | `--set`: another config without another file |

mod change;
mod pool;
mod routes;
mod world;

use std::time::Instant;

use schleuse_config::Snapshot;

use crate::{
    distribution::Distribution,
    generator::{self, Played},
    machine,
    results::{Mode, Results, ScenarioIdentity, Simulation},
    workload::Workload,
};

pub use change::{Change, apply};

/// What stands behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// How long a backend works on a request.
    pub service_time: Distribution,
    /// How long a replica takes to serve; the pool's configured cold start where absent.
    pub cold_start: Option<Distribution>,
}

/// Plays `workload` against `config` in virtual time.
///
/// # Errors
///
/// In words: no request of the scenario belongs to any pool of the config.
pub fn simulate(
    workload: &Workload,
    config: &Snapshot,
    model: &Model,
    scenario: ScenarioIdentity,
) -> Result<Results, String> {
    let (began, started) = (Instant::now(), machine::now());
    let ended = world::World::new(workload, config, *model)?.play();
    let played = Played::simulated(ended.record, ended.seconds);
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
        presence_sum_ns: ended.presence,
        waits_sum_ns: ended.waits,
        calibration: None,
    });
    Ok(results)
}

#[cfg(test)]
mod tests;
