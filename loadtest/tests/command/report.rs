//! `launchday report`: a saved result is judged by its figures, whatever the file says about itself.

use std::path::Path;

use super::{compare::write_launch, json, launchday};

/// A result that failed: half a second for each answer, and thresholds that ask for less.
fn failed(directory: &Path) {
    write_launch(directory);
    let said = launchday(
        directory,
        &[
            "simulate",
            "launch.yaml",
            "--config=schleuse.yaml",
            "--service-time=500ms",
            "--threshold=p99 < 100ms",
            "--threshold=p50 < 100ms after 5s",
            "--json=result.json",
        ],
    );
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
}

#[test]
fn a_verdict_that_was_changed_by_hand_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    failed(directory);
    let honest = launchday(directory, &["report", "result.json"]);
    assert_eq!(honest.code, 1, "{}{}", honest.out, honest.err);
    assert_eq!(honest.err, "");

    let mut forged = json(&directory.join("result.json"));
    forged["verdict"]["ok"] = true.into();
    forged["verdict"]["outcome"] = "passed".into();
    forged["verdict"]["exit_code"] = 0.into();
    forged["verdict"]["findings"] = serde_json::json!([]);
    for threshold in forged["thresholds"].as_array_mut().unwrap() {
        threshold["held"] = true.into();
        threshold["why"] = "".into();
    }
    std::fs::write(directory.join("forged.json"), forged.to_string()).unwrap();
    let said = launchday(directory, &["report", "forged.json", "--json=again.json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert_eq!(said.out, honest.out);
    assert!(
        said.err
            .contains("forged.json calls itself passed; by its figures it is failed"),
        "{}",
        said.err
    );
    let (again, first) = (directory.join("again.json"), directory.join("result.json"));
    assert_eq!(json(&again), json(&first));
}

#[test]
fn a_threshold_that_is_none_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    failed(directory);
    let mut changed = json(&directory.join("result.json"));
    changed["thresholds"][1]["threshold"] = "speed < 3".into();
    std::fs::write(directory.join("changed.json"), changed.to_string()).unwrap();
    let said = launchday(directory, &["report", "changed.json"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(
        said.err
            .contains("changed.json: a threshold in it is none: "),
        "{}",
        said.err
    );
}
