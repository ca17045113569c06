//! Tenants, clients, endpoints, reloads and time against two pools, step by step, from seeds; and laws as properties.
//!
//! `world` acts and `changes` what it acts by, `check` says after each step what must be true, `fairness` measures who got how much, `limit` counts
//! what a rate let through. `laws` states single laws for all inputs, `neighbour` what quick requests wait beside long ones.
//!
//! 256 seeds by default. `SCHLEUSE_SIM_SEEDS=10000` runs seeds 0 to 9,999, `SCHLEUSE_SIM_SEEDS=17..18` runs seed 17 again.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

mod changes;
mod check;
mod connects;
mod contest;
mod fairness;
mod laws;
mod limit;
mod neighbour;
mod random;
mod scene;
mod world;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

const SEEDS: Range<u64> = 0..256;
/// Steps of a seed; enough for several reloads and for every queue to fill and drain.
const STEPS: usize = 600;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SCHLEUSE_SIM_SEEDS") else {
        return SEEDS;
    };
    let number = |text: &str| {
        text.parse()
            .expect("SCHLEUSE_SIM_SEEDS is FROM..TO or a count")
    };
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

fn run(seed: u64) {
    let mut world = world::World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
}

#[test]
fn every_invariant_holds_after_each_step_of_every_seed() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                return;
            }
            assert!(
                catch_unwind(AssertUnwindSafe(|| run(seed))).is_ok(),
                "replay with: SCHLEUSE_SIM_SEEDS={seed}..{} cargo test -p schleuse-core --test sim every_invariant",
                seed + 1
            );
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let failed = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let results: Vec<_> = workers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        results.iter().any(Result::is_err)
    });
    assert!(!failed, "a seed failed, see above");
}
