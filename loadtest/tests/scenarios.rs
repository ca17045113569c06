//! The scenarios that users can run, with the proxy's configs beside them: all of them are right.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

use std::{fs, path::PathBuf};

use launchday::scenario;

fn files(ending: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(ending));
    paths.sort();
    paths
}

#[test]
fn every_scenario_is_right_and_judges_something() {
    let mut names = Vec::new();
    for path in files(".yaml") {
        let path = path.to_str().unwrap();
        if path.ends_with(".schleuse.yaml") {
            continue;
        }
        match scenario::load(path) {
            Ok(scenario) => {
                assert!(!scenario.thresholds.is_empty(), "{path}");
                names.push(scenario.name);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(names, ["from-zero", "noisy-neighbour"]);
}

#[test]
fn every_config_beside_a_scenario_is_accepted_by_the_proxy() {
    let configs = files(".schleuse.yaml");
    assert_eq!(configs.len(), 3);
    for path in configs {
        match schleuse_config::load(&path) {
            Ok(mut loaded) => {
                // The queue alone is what these are to prove.
                loaded
                    .warnings
                    .retain(|warning| !warning.remedy.contains("in_flight"));
                assert_eq!(loaded.warnings, Vec::new(), "{}", path.display());
            }
            Err(problems) => panic!("{problems}"),
        }
    }
}

#[test]
fn the_noisy_neighbour_asks_for_more_than_there_is_and_the_others_for_less_than_their_part() {
    let path = files("noisy-neighbour.yaml").remove(0);
    let scenario = scenario::load(path.to_str().unwrap()).unwrap();
    let (asked, seats_per_second) = (350.0, 10.0 / 0.05);
    let all: f64 = scenario.tenants.iter().map(|tenant| tenant.weight).sum();
    let entitled: f64 = scenario
        .tenants
        .iter()
        .map(|tenant| tenant.entitlement)
        .sum();
    let berlin = scenario
        .tenants
        .iter()
        .find(|tenant| tenant.key == "110000000000")
        .unwrap();
    let others = asked * (1.0 - berlin.weight / all);
    let their_part = seats_per_second * (1.0 - berlin.entitlement / entitled);
    assert!(asked > seats_per_second);
    assert!(others < their_part / 2.0, "{others} of {their_part}");
}
