//! The simulator against theory (the figures of Erlang and of Pollaczek and Khinchine), and its identities.

use std::{path::Path, time::Duration};

use super::*;
use crate::{
    prepare::prepare,
    results::Results,
    scenario::{self, Scenario},
};

/// One pool of one endpoint with so many seats, one FIFO, nobody turned away.
fn config(seats: u32, queue: &str) -> (tempfile::TempDir, Snapshot) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("gemeinden.csv"),
        "ars,name,bevoelkerung\n110000000000,Berlin,3700000\n",
    )
    .unwrap();
    let text = format!(
        "version: 1
listeners: [ {{ address: \"127.0.0.1:8080\" }} ]
tenants: {{ register: gemeinden.csv }}
services:
  amt: {{ hosts: [amt.example], responsible: bund, pool: amt }}
pools:
  amt: {{ endpoints: [\"127.0.0.1:9\"], concurrency: {seats}, slow_start: 0s, queue: {{ {queue} }} }}
"
    );
    let file = directory.path().join("schleuse.yaml");
    std::fs::write(&file, text).unwrap();
    let loaded = schleuse_config::load(&file);
    (
        directory,
        loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .snapshot,
    )
}

fn scenario(rate: f64, seconds: u64, more: &str) -> Scenario {
    let text = format!(
        "target: http://amt.example
arrivals: {{ rate: {rate}/s, duration: {seconds}s }}
warm_up: 60s
drain: 120s
journeys: [ {{ name: one, {more} steps: [ {{ get: / }} ] }} ]
"
    );
    scenario::read(Path::new("theory"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn simulated(scenario: &Scenario, config: &Snapshot, service_time: Distribution) -> Results {
    let mut scenario = scenario.clone();
    // A name that is looked up nowhere.
    scenario.target.connect_to = Some(("127.0.0.1".to_owned(), 9));
    let workload = prepare(&scenario).unwrap();
    let model = Model {
        service_time,
        cold_start: None,
    };
    let identity = crate::cli::identity_of(&scenario, "simulated");
    simulate(&workload, config, &model, identity).unwrap()
}

const LONG: &str = "wait_max: 5m, waiting_max: 1000000, waiting_per_tenant_max: 1000000, fair_by: none, client_share: 100%, bytes_max: 1GiB, bytes_per_tenant_max: 1GiB";

/// Mean over runs with different seeds, and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    (mean, (variance / count).sqrt())
}

fn waits(seats: u32, rate: f64, service_time: Distribution) -> Vec<f64> {
    let (_directory, config) = config(seats, LONG);
    let waits = (0..10).map(|seed| {
        let mut scenario = scenario(rate, 600, "");
        scenario.seed = seed;
        let results = simulated(&scenario, &config, service_time);
        results.response.mean_ns().unwrap() / 1e9 - service_time.mean_seconds()
    });
    waits.collect()
}

fn assert_theory(waits: &[f64], theory: f64) {
    let (mean, error) = mean(waits);
    // Student's t with nine degrees of freedom, 99.9 %.
    assert!(
        (mean - theory).abs() <= 4.78 * error,
        "{mean} ± {error}, theory {theory}"
    );
}

/// M/M/20 at 160/s of 100 ms: a wait of 6.40 ms on average (Erlang C).
#[test]
fn exponential_times_on_twenty_seats_wait_as_erlang_c_says() {
    let service = Distribution::Exponential(Duration::from_millis(100));
    assert_theory(&waits(20, 160.0, service), 0.006_40);
}

/// M/D/1 at a load of 0.8 of 10 ms: 20 ms on average (Pollaczek and Khinchine).
#[test]
fn fixed_times_on_one_seat_wait_as_pollaczek_and_khinchine_say() {
    let service = Distribution::Fixed(Duration::from_millis(10));
    assert_theory(&waits(1, 80.0, service), 0.020);
}

/// M/M/20 with exponential patience of 5 s at 240/s of 100 ms: a sixth leave (Erlang A; in the limit 1 - cμ/λ).
#[test]
fn in_overload_as_many_leave_as_erlang_a_says() {
    let (_directory, config) = config(20, LONG);
    let scenario = scenario(240.0, 900, "patience: exponential 5s,");
    let service = Distribution::Exponential(Duration::from_millis(100));
    let results = simulated(&scenario, &config, service);
    let left = results.counts.share(results.counts.abandoned).unwrap();
    assert!((left - 0.166_7).abs() < 0.012, "{left}");
}

#[test]
fn littles_law_is_an_identity_and_the_same_seed_the_same_run() {
    let (_directory, config) = config(2, "wait_max: 2s");
    let scenario = scenario(60.0, 120, "patience: exponential 1s, retries_max: 2,");
    let service = Distribution::Lognormal(Duration::from_millis(30), 1.0);
    let run = || {
        let mut results = simulated(&scenario, &config, service);
        let simulation = results.simulation.take().unwrap();
        assert_eq!(simulation.presence_sum_ns, simulation.waits_sum_ns);
        assert!(results.counts.is_complete());
        assert!(results.counts.abandoned > 0 && results.counts.answered > 0);
        (results.counts, results.response)
    };
    assert_eq!(run(), run());
}
