//! What holds in every run, and how configs and scenarios of tests are made.

mod launch;
mod networks;
mod routes;
mod theory;

use std::{path::Path, time::Duration};

use super::*;
use crate::{
    prepare::prepare,
    results::{Ending, Reason, Results},
    scenario::{self, Scenario},
};

/// One pool of one endpoint with so many seats, one FIFO, nobody turned away.
fn config(seats: u32, queue: &str) -> (tempfile::TempDir, Snapshot) {
    configured(
        &format!(
            "{{ endpoints: [\"127.0.0.1:9\"], concurrency: {seats}, slow_start: 0s, queue: {{ {queue} }} }}"
        ),
        "",
    )
}

/// One service, with this pool and these further lines of the service.
fn configured(pool: &str, more: &str) -> (tempfile::TempDir, Snapshot) {
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
  amt: {{ hosts: [amt.example], responsible: bund, pool: amt, {more} }}
pools:
  amt: {pool}
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
    let arrivals = format!("arrivals: {{ rate: {rate}/s, duration: {seconds}s }}\nwarm_up: 60s");
    of(&arrivals, more)
}

/// With these arrivals, and this of its one journey.
fn of(arrivals: &str, more: &str) -> Scenario {
    let text = format!(
        "target: http://amt.example
{arrivals}
drain: 120s
journeys: [ {{ name: one, {more} steps: [ {{ get: / }} ] }} ]
"
    );
    scenario::read(Path::new("theory"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn simulated(scenario: &Scenario, config: &Snapshot, service_time: Distribution) -> Results {
    let model = Model {
        service_time,
        cold_start: None,
        networks: Networks::default(),
        begins: None,
    };
    modelled(scenario, config, &model)
}

fn modelled(scenario: &Scenario, config: &Snapshot, model: &Model) -> Results {
    let mut scenario = scenario.clone();
    // A name that is looked up nowhere.
    scenario.target.connect_to = Some(("127.0.0.1".to_owned(), 9));
    let workload = prepare(&scenario).unwrap();
    let identity = crate::cli::identity_of(&scenario, "simulated");
    let watch = Watch::of(&scenario);
    simulate(&workload, config, model, watch, identity).unwrap()
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

/// Of two minutes of thinking between two steps, one falls into the drain.
#[test]
fn who_comes_back_after_the_last_arrival_is_still_served() {
    let (_directory, config) = config(10, "wait_max: 2s");
    let text = "target: http://amt.example
arrivals: { rate: 5/s, duration: 60s, spacing: even }
drain: 120s
journeys: [ { name: two, steps: [ { get: / }, { get: /b, think: 90s } ] } ]
";
    let scenario = scenario::read(Path::new("late"), text).unwrap();
    let service = Distribution::Fixed(Duration::from_millis(10));
    let results = simulated(&scenario, &config, service);
    assert_eq!(results.counts.answered, 2 * 300);
    assert_eq!(results.journeys[0].completed, 300);
    assert_eq!(results.journeys[0].unfinished, 0);
}

/// Fifty at once for ten seats and twenty places: twenty are refused at the moment at which they come, and so are others.
#[test]
fn a_closed_model_goes_on_when_citizens_are_refused_at_once() {
    let (_directory, config) = config(10, "waiting_max: 20, wait_max: 2s");
    let scenario = of("arrivals: { citizens: 50, duration: 5s }", "");
    let service = Distribution::Fixed(Duration::from_millis(100));
    let counts = simulated(&scenario, &config, service).counts;
    assert!(counts.is_complete());
    assert!(counts.answered >= 10 * 10 * 5 - 10, "{counts:?}");
    assert!(
        counts.failed > 0 && counts.failed <= 20 * 5_001,
        "{counts:?}"
    );
}

#[test]
fn every_answer_is_in_a_second_also_when_the_last_one_is_not_whole() {
    let (_directory, config) = config(10, "wait_max: 2s");
    let service = Distribution::Fixed(Duration::from_millis(300));
    for duration in ["500ms", "2s"] {
        let arrivals = format!("arrivals: {{ rate: 10/s, duration: {duration}, spacing: even }}");
        let results = simulated(&of(&arrivals, ""), &config, service);
        let of_seconds: u64 = results.seconds.iter().map(|second| second.answered).sum();
        assert!(of_seconds > 0);
        assert_eq!(of_seconds, results.counts.answered, "{duration}");
    }
}

#[test]
fn who_is_given_up_at_the_deadline_is_counted_so() {
    let (_directory, config) = config(10, "wait_max: 2s");
    let service = Distribution::Fixed(Duration::from_secs(5));
    for (timeouts, reason) in [
        ("deadline: 1s", Reason::Deadline),
        ("answer: 1s", Reason::Timeout),
    ] {
        let arrivals =
            format!("arrivals: {{ rate: 2/s, duration: 2s }}\ntimeouts: {{ {timeouts} }}");
        let results = simulated(&of(&arrivals, ""), &config, service);
        assert!(results.counts.failed > 0);
        let reasons = results.reasons.iter().map(|count| count.reason);
        assert_eq!(reasons.collect::<Vec<_>>(), [reason]);
    }
}

#[test]
fn a_condition_that_no_longer_holds_ends_a_simulation_as_it_ends_a_run() {
    let (_directory, config) = config(1, "waiting_max: 0");
    let arrivals = "arrivals: { rate: 20/s, duration: 60s }\nabort: [ \"failed < 50%\" ]";
    let service = Distribution::Fixed(Duration::from_secs(1));
    let results = simulated(&of(arrivals, ""), &config, service);
    assert!(matches!(&results.ending, Ending::Aborted(why) if why.contains("failed < 50%")));
    assert!(results.seconds.len() < 10);
    assert!(results.counts.is_complete());
}
