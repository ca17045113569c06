//! The six launches that happened, at 1:100 over their whole length in virtual time, against the config that users have
//! beside them. (At full size, and for real, in `make bench`; a minute of one for real in the black-box tests of the proxy.)
#![cfg(test)] // tells clippy that helpers may unwrap like tests

use std::process::{Command, Output};

fn simulate(launch: &str, more: &[&str]) -> Output {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    Command::new(env!("CARGO_BIN_EXE_launchday"))
        .current_dir(directory)
        .args(["simulate", launch, "--config", "replays.schleuse.yaml"])
        .args([
            "--target",
            &format!("http://{launch}.example"),
            "--scale",
            "0.01",
        ])
        .args(["--calibration", "/nonexistent/calibration.json"])
        .args(more)
        .output()
        .unwrap()
}

fn assert_holds(launch: &str) {
    let output = simulate(launch, &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{launch}: {said}");
    assert!(said.contains("never calibrated against reality"), "{said}");
}

#[test]
fn ez200_holds_behind_schleuse() {
    assert_holds("ez200");
}

#[test]
fn ibb_holds_behind_schleuse() {
    assert_holds("ibb");
}

#[test]
fn sh_holds_behind_schleuse() {
    assert_holds("sh");
}

#[test]
fn nrw_holds_behind_schleuse() {
    assert_holds("nrw");
}

#[test]
fn elster_holds_behind_schleuse() {
    assert_holds("elster");
}

#[test]
fn kfw_holds_behind_schleuse() {
    assert_holds("kfw");
}

/// As it was: four times as many as the platform could serve (here 1.77 a second of 7).
#[test]
fn nrw_with_a_quarter_of_the_capacity_fails_as_it_did() {
    let quarter = [
        "--set",
        "pools.nrw.max=1",
        "--set",
        "pools.nrw.concurrency=1",
    ];
    let slow = [
        "--service-time",
        "lognormal 500ms 0.5",
        "--window",
        "0s..1h",
    ];
    let output = simulate("nrw", &[quarter.as_slice(), &slow].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
}
