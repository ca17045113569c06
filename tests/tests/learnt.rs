//! What pools have learnt survives whatever ends the process, also while it is being written down.

use std::{fmt::Write as _, fs, path::Path};

use nix::sys::signal::Signal;
use schleuse_tests::{Edge, RunningEdge, binary, eventually};
use serde_json::Value;

const HOST: &str = "110000000000.wohngeld.example";
/// So many that writing them takes a while.
const POOLS: usize = 4_000;

/// A pool that starts from nothing, so that each process learns a cold start and writes it down.
fn site() -> Edge {
    let binary = binary::path().display();
    let options = format!(
        "scale:\n  min: 0\n  process: {{ command: [\"{binary}\", demo-backend, --name, w, --port, \"{{port}}\"] }}"
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &options)
        .top("state_directory: state")
}

/// What earlier processes have learnt of pools that the config has no longer.
fn many() -> String {
    let sketch: Vec<_> = (0..200).map(|bucket| [bucket, 3]).collect();
    let sketch = serde_json::to_string(&sketch).unwrap();
    let mut text = r#"{"format":"schleuse-learnt","version":1,"pools":{"#.to_owned();
    for number in 0..POOLS {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}"p{number}":{{"loaded":[1.5,10.0],"quiet":[0.5,9.0],"seat_times":{sketch},"cold_starts":[[80,2]]}}"#
        );
    }
    text + "}}"
}

fn pools(directory: &Path) -> Value {
    let text = fs::read(directory.join("state/learnt.json")).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    value["pools"].clone()
}

#[test]
fn a_process_that_is_killed_while_it_writes_leaves_the_file_before_or_the_one_after() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join("state").join(name);
    fs::create_dir(path("")).unwrap();
    fs::write(path("learnt.json"), many()).unwrap();
    site().write_into(directory.path());
    for _ in 0..4 {
        let _ = fs::remove_file(path("learnt.json.new"));
        let mut edge = RunningEdge::start_in(site(), directory.path());
        assert_eq!(edge.get(HOST, "/").status, 200);
        let before = fs::metadata(path("learnt.json"))
            .unwrap()
            .modified()
            .unwrap();
        eventually("it writes, or has written", || {
            let now = fs::metadata(path("learnt.json"))
                .unwrap()
                .modified()
                .unwrap();
            path("learnt.json.new").exists() || now != before
        });
        edge.signal(Signal::SIGKILL);
        edge.wait_exit();
        let known = pools(directory.path());
        assert!(known.as_object().unwrap().len() >= POOLS);
        assert_eq!(known["p7"]["cold_starts"], serde_json::json!([[80, 2]]));
    }
    let edge = RunningEdge::start_in(site(), directory.path());
    assert_eq!(edge.get(HOST, "/").status, 200);
    assert!(edge.log().events("learnt_unusable").is_empty());
    assert!(!path("learnt.json.unusable").exists());
}

#[test]
fn how_long_requests_hold_their_seats_is_learnt_shown_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    site().write_into(directory.path());
    let edge = RunningEdge::start_in(site(), directory.path());
    for _ in 0..5 {
        assert_eq!(edge.get(HOST, "/").status, 200);
    }
    let shown = |edge: &RunningEdge| {
        let pool = edge.resource("/api/v1/pools/wohngeld");
        pool["scale"]["service_times_ms"].clone()
    };
    eventually("it is learnt", || shown(&edge).is_object());
    let learnt = shown(&edge);
    let quantile = |name: &str| learnt[name].as_f64().unwrap();
    assert!(
        0.0 < quantile("p50") && quantile("p50") <= quantile("p99"),
        "{learnt}"
    );
    assert_eq!(edge.stop().code(), Some(0));
    let kept = pools(directory.path())["wohngeld"]["seat_times"].clone();
    assert!(!kept.as_array().unwrap().is_empty(), "{kept}");
    let edge = RunningEdge::start_in(site(), directory.path());
    eventually("the next process has it", || shown(&edge).is_object());
}
