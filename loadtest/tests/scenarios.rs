//! The scenarios that users can run, with the proxy's configs beside them: all of them are right.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

use std::{fs, path::PathBuf, process::Command};

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

/// Plays a proof against the config beside it in virtual time, with the pool fair as `by` says; what it exits with, and says.
fn simulate(name: &str, by: &str, more: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_launchday"))
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios"))
        .arg("simulate")
        .arg(format!("{name}.yaml"))
        .arg(format!("--config={name}.schleuse.yaml"))
        .arg("--target=http://wohngeld.example")
        .arg(format!("--set=pools.wohngeld.fair_by={by}"))
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), said)
}

/// With the queue's own decisions, but neither the speed of a machine nor chance in it.
#[test]
fn both_proofs_hold_with_fairness_and_fail_without() {
    let noisy = ["--service-time=50ms"].as_slice();
    let cold = ["--service-time=100ms", "--cold-start=2s"].as_slice();
    for (name, more) in [("noisy-neighbour", noisy), ("from-zero", cold)] {
        let (code, said) = simulate(name, "population", more);
        assert_eq!(code, 0, "{name}\n{said}");
        let (code, said) = simulate(name, "none", more);
        assert_eq!(code, 1, "{name}\n{said}");
        for class in ["tiny: p75", "small: p95", "medium: p95"] {
            let line = format!("not held: {class}");
            assert!(said.contains(&line), "{name}: {class}\n{said}");
        }
    }
}

#[test]
fn the_example_of_a_comparison_is_of_the_scenario_and_config_beside_it() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/compare");
    let loaded = schleuse_config::load(&directory.join("schleuse.yaml"));
    assert_eq!(loaded.unwrap().warnings, Vec::new());
    let scenario = scenario::load(directory.join("scenario.yaml").to_str().unwrap()).unwrap();
    assert!(scenario.tenants.len() > 10_700);
    for peer in ["nginx", "haproxy"] {
        let read = |ending| fs::read_to_string(directory.join(format!("schleuse-{peer}.{ending}")));
        let found: serde_json::Value = serde_json::from_str(&read("json").unwrap()).unwrap();
        assert_eq!(found["provenance"]["scenario"]["sha256"], *scenario.sha256);
        assert!(found["rounds"].as_u64().unwrap() >= 10);
        let page = read("html").unwrap();
        assert!(page.len() <= 2_000_000 && page.contains(&scenario.sha256));
        assert!(!page.contains("<script") && !page.contains("src="));
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
