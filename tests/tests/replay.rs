//! A launch that happened, at 1:100 for real: ten seconds of the rush of Schleswig-Holstein's, with the config that users have,
//! beside the same in virtual time. What is claimed holds however slow the machine is.

use std::{fs, net::TcpListener, path::Path, process::Command};

use schleuse_tests::binary::{self, Finished, launchday, repository};
use serde_json::Value;

/// The config of the repository, on ports of its own.
fn write_config(directory: &Path) {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let (address, admin) = (free(), free());
    let text = fs::read_to_string(repository().join("loadtest/scenarios/replays.schleuse.yaml"));
    let register = repository().join("config/register/gemeinden.csv");
    let text = text
        .unwrap()
        .replace("127.0.0.1:8080", &address)
        .replace("127.0.0.1:9900", &admin)
        .replace(
            "../../config/register/gemeinden.csv",
            register.to_str().unwrap(),
        );
    fs::write(directory.join("schleuse.yaml"), text).unwrap();
}

/// The command ends by itself, after its schedule and its drain; that takes longer than tests wait for others.
fn play(directory: &Path, command: &str, more: &[&str]) -> Finished {
    let mut process = Command::new(launchday());
    process
        .args([command, "sh", "--scale", "0.01", "--window", "50s..60s"])
        .args(["--target", "http://sh.example", "--config", "schleuse.yaml"])
        .args(["--calibration", "kept.json"])
        .args(more)
        .current_dir(directory);
    let output = process.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn result(directory: &Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join(file)).unwrap()).unwrap()
}

#[test]
fn a_launch_for_real_has_the_citizens_of_its_simulation_and_accounts_for_each() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory);
    let schleuse = binary::path().to_str().unwrap();
    let more = ["--schleuse", schleuse, "--no-tui", "--json", "real.json"];
    let calibrated = play(directory, "calibrate", &more);
    let simulated = play(directory, "simulate", &["--json", "simulated.json"]);
    let real = result(directory, "real.json");
    let modelled = result(directory, "simulated.json");
    // In ten seconds cut out of the rush the thresholds of the whole launch need not hold.
    assert!(
        matches!(simulated.code, Some(0 | 1)),
        "{}",
        simulated.stderr
    );
    let started = |result: &Value| result["journeys"][0]["started"].as_u64().unwrap();
    assert!(started(&real) > 200);
    assert_eq!(started(&real), started(&modelled));
    for result in [&real, &modelled] {
        let count = |what: &str| result["counts"][what].as_u64().unwrap();
        let ended = ["answered", "failed", "abandoned", "unanswered", "not_sent"];
        let ended: u64 = ended.into_iter().map(count).sum();
        assert_eq!(ended, count("scheduled"), "{}", result["counts"]);
        assert!(count("answered") > 200, "{}", result["counts"]);
    }
    // A machine that was too busy to measure says so, and then there is nothing to go by.
    let kept = directory.join("kept.json").is_file();
    assert_eq!(kept, calibrated.code != Some(3), "{}", calibrated.stdout);
    let known = &modelled["simulation"]["calibration"];
    assert_eq!(known["scenario"].as_str(), kept.then_some("sh"));
    let words = if kept {
        "calibrated 2"
    } else {
        "never calibrated"
    };
    assert!(simulated.stdout.contains(words), "{}", simulated.stdout);
}
