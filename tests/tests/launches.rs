//! Announced launches: the timetable says what will be ordered and whether it holds.

use std::time::Duration;

use schleuse_tests::{
    Edge,
    binary::{Finished, run},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment so many seconds from now, as a config has it.
fn in_seconds(seconds: u64) -> String {
    let moment = OffsetDateTime::now_utc() + Duration::from_secs(seconds);
    moment.format(&Rfc3339).unwrap()
}

/// A pool that somebody else scales, and a launch for it.
fn announced(scale: &str, launch: &str) -> Edge {
    let pool = format!("concurrency: 10\nscale: {{ keda: {{}}, {scale} }}");
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &["127.0.0.1:9".parse().unwrap()], &pool)
        .top(&format!(
            "launches: {{ grant: {{ service: wohngeld, duration: 4h, {launch} }} }}"
        ))
}

fn plan(edge: &Edge, options: &[&str]) -> Finished {
    let directory = edge.write();
    let finished = run(directory.path(), &[&["plan"], options].concat());
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    finished
}

#[test]
fn a_plan_that_holds_is_a_timetable_with_code_0() {
    let launch = "at: 2035-01-15T08:00:00+01:00, arrivals_per_second: 900";
    let edge = announced("max: 40, cold_start: 8s", launch);
    let finished = plan(&edge, &["--check"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    // 90 seats at 90 % are ten replicas; 8 s + 10 at five a second + 2 m before the hour.
    let expected = "\
pool wohngeld for grant: 10 of at most 40 replicas: it holds
  reckoned with 10 seats per replica, 100ms per request, cold start 8s (p99), 5 replicas created per second, 2m in hand; nothing is learnt yet

  when                  what          arrivals/s  replicas
  2035-01-15T06:57:50Z  pre-warm               0        10
  2035-01-15T06:59:00Z  verify                 0        10
  2035-01-15T07:00:00Z  grant begins         900        10
  2035-01-15T11:00:00Z  grant ends             0         0
";
    assert_eq!(finished.stdout, expected);
}

/// The problems of a plan, by their stable names; with a check the exit code says that there are some.
fn problems(edge: &Edge) -> Vec<String> {
    let finished = plan(edge, &["--check", "--format", "json"]);
    let plans: Value = serde_json::from_str(&finished.stdout).unwrap();
    let problems = plans[0]["problems"].as_array().unwrap();
    assert_eq!(finished.code, Some(i32::from(!problems.is_empty())));
    assert_eq!(plans[0]["holds"], problems.is_empty());
    assert_eq!(plan(edge, &[]).code, Some(0), "nothing was to be checked");
    let names = problems
        .iter()
        .map(|problem| problem["problem"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn what_speaks_against_a_plan_fails_its_check() {
    let later = format!("at: {}, arrivals_per_second: 900", in_seconds(86_400));
    let soon = format!("at: {}, arrivals_per_second: 900", in_seconds(60));
    let past = "at: 2020-01-15T08:00:00Z, arrivals_per_second: 900";
    let none: [&str; 0] = [];
    assert_eq!(problems(&announced("cold_start: 8s", &later)), none);
    assert_eq!(
        problems(&announced("cold_start: 8s, max: 9", &later)),
        ["max_too_small"]
    );
    assert_eq!(
        problems(&announced("max: 40", &later)),
        ["cold_start_unknown"]
    );
    assert_eq!(problems(&announced("cold_start: 8s", &soon)), ["too_late"]);
    assert_eq!(
        problems(&announced("cold_start: 8s", past)),
        ["begins_in_the_past"]
    );
}

#[test]
fn launches_that_overlap_on_one_pool_add_up() {
    let edge = announced(
        "max: 40, cold_start: 8s",
        "at: 2035-01-15T07:00:00Z, arrivals_per_second: 900 }, grant-two: { service: wohngeld, duration: 4h, \
         at: 2035-01-15T08:00:00Z, arrivals_per_second: 900",
    );
    let finished = plan(&edge, &["--format", "json"]);
    let plans: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(plans[0]["replicas"], 20);
    assert_eq!(plans[0]["launches"].as_array().unwrap().len(), 2);
}

#[test]
fn a_state_that_cannot_be_read_is_said_and_left_as_it_is() {
    let launch = "at: 2035-01-15T08:00:00+01:00, arrivals_per_second: 900";
    let edge = announced("cold_start: 8s", launch)
        .top("state_directory: state")
        .file("state/learnt.json", "not ours");
    let directory = edge.write();
    let finished = run(directory.path(), &["plan", "--check"]);
    assert_eq!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("state/learnt.json: "),
        "{}",
        finished.stderr
    );
    let kept = std::fs::read_to_string(directory.path().join("state/learnt.json"));
    assert_eq!(kept.unwrap(), "not ours");
}

#[test]
fn without_launches_there_is_nothing_to_hold() {
    let edge = Edge::new().origin("127.0.0.1:9".parse().unwrap());
    let finished = plan(&edge, &["--check"]);
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stdout, "no launches are announced\n");
}
