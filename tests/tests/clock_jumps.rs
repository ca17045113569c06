//! A wall clock that is set while the proxy runs: replicas and waits go by the monotonic one, launches alone by the
//! calendar, whatever that says at the moment.

use std::time::{Duration, SystemTime};

use schleuse_tests::{Origin, RunningEdge, WallClock, eventually};
use serde_json::{Value, json};

use crate::{
    full_pool::{ask, wait_waiting},
    launches::{in_seconds, now, processes, ready},
    wake::{activation, list, listed, pool},
};

const HOST: &str = "110000000000.wohngeld.example";
const DAY: i64 = 24 * 3_600;

/// Unix seconds as the process sees them.
fn seen_by(edge: &RunningEdge) -> i64 {
    // The proxy's own answer: it has a reference in it.
    let refused = edge.get(HOST, "/a/../b");
    let line = edge.log().wait_request(refused.reference());
    let at = line["time"].as_str().unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(at, format)
        .unwrap()
        .unix_timestamp()
}

fn true_time() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

fn endpoints(edge: &RunningEdge) -> Value {
    let pool = edge.resource("/api/v1/pools/wohngeld");
    let addresses = pool["endpoints"].as_array().unwrap().iter();
    addresses.map(|one| one["address"].clone()).collect()
}

#[test]
fn a_jump_moves_no_replica_and_loses_no_request() {
    let clock = WallClock::new();
    let launch = "at: 2999-01-01T00:00:00Z, duration: 1h, arrivals_per_second: 15";
    let edge = clock.of(processes("min: 2\n  max: 4", launch)).start();
    eventually("two serve", || ready(&edge) == 2);
    let before = endpoints(&edge);
    for ahead in [DAY, -DAY, 0] {
        clock.set(ahead);
        // Its log is late by a second at most.
        eventually("the process goes by it", || {
            (seen_by(&edge) - true_time() - ahead).abs() < 3_600
        });
        assert_eq!(edge.get(HOST, "/").status, 200);
        assert_eq!(ready(&edge), 2);
    }
    assert_eq!(endpoints(&edge), before);
    assert_eq!(edge.log().events("replica_listening").len(), 2);
    assert_eq!(edge.stop().code(), Some(0));
}

#[test]
fn who_waits_for_a_pool_that_wakes_waits_on_and_no_day_is_learnt() {
    for ahead in [DAY, -DAY] {
        let clock = WallClock::new();
        let origin = Origin::ok("awake");
        let edge = clock.of(listed("wait_max: 60s")).start();
        let mut waits = ask(&edge, "/");
        wait_waiting(&edge, 1);
        eventually("whoever starts endpoints is told", || {
            pool(&edge)["scale"]["desired"] == 1
        });
        clock.set(ahead);
        let _later = ask(&edge, "/");
        wait_waiting(&edge, 2);
        list(&edge, &[origin.address()]);
        assert_eq!(waits.response().text(), "awake");
        assert_eq!(activation(&edge, "wakes"), 1);
        eventually("the cold start is learnt", || {
            pool(&edge)["scale"]["cold_start_ms"].is_object()
        });
        let learnt = &pool(&edge)["scale"]["cold_start_ms"]["p99"];
        let longest = Duration::from_mins(10).as_secs_f64() * 1_000.0;
        assert!(learnt.as_f64().unwrap() < longest, "{learnt}");
    }
}

#[test]
fn a_launch_whose_beginning_is_jumped_over_is_short_until_its_replicas_serve() {
    let clock = WallClock::new();
    let at = in_seconds(3_600);
    let launch = format!("at: {at}, duration: 4h, arrivals_per_second: 15");
    let policy = "min: 1\n  max: 6\n  hold_down: 0s\n  descent_per_minute: 100%\n  idle_after: 1s";
    let edge = clock.of(processes(policy, &launch)).start();
    eventually("one serves", || ready(&edge) == 1);
    assert_eq!(now(&edge)["in_window"], false);
    clock.set(2 * 3_600);
    let short = edge.log().wait_event("launch_short");
    assert_eq!(
        (&short["launch"], &short["needed"]),
        (&json!("grant"), &json!("2"))
    );
    edge.log().wait_event("launch_ready");
    assert_eq!(ready(&edge), 2);
    // Back before the pre-warm: it has yet to come, and the pool follows what arrives.
    clock.set(0);
    eventually("the window is not open yet", || {
        now(&edge)["in_window"] == false
    });
    eventually("one is enough", || ready(&edge) == 1);
    // Beyond its end nothing is asked for, and nobody is told of a launch that nobody saw.
    clock.set(6 * 3_600);
    assert_eq!(edge.get(HOST, "/").status, 200);
    eventually("the timetable is behind", || now(&edge)["planned"] == 0);
    assert_eq!(edge.log().events("launch_short").len(), 1);
    assert_eq!(edge.resource("/api/v1/status")["launches_short"], json!([]));
}
