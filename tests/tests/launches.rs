//! Announced launches: the timetable says what will be ordered and whether it holds, and the process does what it says.

use std::time::Duration;

use schleuse_tests::{
    Edge, Manner, NameServer, RunningEdge,
    binary::{self, Finished, run},
    eventually,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment so many seconds from now, as a config has it.
pub(crate) fn in_seconds(seconds: u64) -> String {
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
fn a_plan_that_does_not_know_where_the_state_is_says_so() {
    let launch = "at: 2035-01-15T08:00:00+01:00, arrivals_per_second: 900";
    let edge = announced("cold_start: 8s", launch);
    let complaint = |edge: &Edge| plan(edge, &["--check"]).stderr;
    assert!(complaint(&edge).contains("state_directory"));
    assert_eq!(complaint(&edge.top("state_directory: state")), "");
}

#[test]
fn without_launches_there_is_nothing_to_hold() {
    let edge = Edge::new().origin("127.0.0.1:9".parse().unwrap());
    let finished = plan(&edge, &["--check"]);
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stdout, "no launches are announced\n");
}

/// Replicas that are processes with two seats; 15 requests a second of 200 ms hold three seats: two replicas.
pub(crate) fn processes(scale: &str, launch: &str) -> Edge {
    let binary = binary::path().display();
    let pool = format!(
        "concurrency: 2\nscale:\n  process: {{ command: [\"{binary}\", demo-backend, --name, w, --port, \"{{port}}\"] }}\n  {scale}"
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &pool)
        .top(&format!(
            "launches: {{ grant: {{ service: wohngeld, cold_start: 1s, service_time: 200ms, {launch} }} }}"
        ))
}

pub(crate) fn now(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/launches")[0]["now"].clone()
}

pub(crate) fn ready(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/pools/wohngeld")["scale"]["ready"].clone()
}

#[test]
fn a_launch_has_its_replicas_before_its_time_and_keeps_them_to_its_end() {
    let launch = format!(
        "at: {}, duration: 4h, arrivals_per_second: 15",
        in_seconds(50)
    );
    // Without the launch an idle pool would be down to one replica within a second.
    let policy = "min: 1\n  max: 6\n  hold_down: 0s\n  descent_per_minute: 100%\n  idle_after: 1s";
    let mut edge = processes(policy, &launch).start();
    let ready_line = edge.log().wait_event("launch_ready");
    assert_eq!(ready_line["launch"], "grant");
    let planned = now(&edge)["planned"].as_u64().unwrap();
    assert!(planned >= 2, "{planned}");
    assert_eq!(now(&edge)["in_window"], true);
    let first = edge.log().wait_event("scale_decided");
    assert_eq!(first["decision"]["evidence"]["plan"], planned);
    eventually("all serve", || ready(&edge) == planned);
    // Nothing else holds an idle pool up here: `hold_down` is nothing, and all may go at once.
    let scale = edge.resource("/api/v1/pools/wohngeld")["scale"].clone();
    assert_eq!(scale["reasons"][0]["reason"], "plan", "{scale}");
    edge.wait_metric("schleuse_launch_planned_replicas{pool=\"wohngeld\"}", 2.0);
    edge.wait_metric(
        "schleuse_launch_short{launch=\"grant\",pool=\"wohngeld\"}",
        0.0,
    );
    assert_eq!(edge.resource("/api/v1/status")["launches_short"], json!([]));
    // The plan is withdrawn, so that live demand takes over.
    let over = "at: 2020-01-15T08:00:00Z, duration: 1s, arrivals_per_second: 15";
    edge.reload(processes(policy, over));
    eventually("one is enough", || ready(&edge) == 1);
    assert_eq!(now(&edge)["in_window"], false);
}

#[test]
fn a_launch_that_its_pool_is_too_small_for_is_an_alarm_until_it_is_mended() {
    let launch = format!(
        "at: {}, duration: 4h, arrivals_per_second: 15",
        in_seconds(50)
    );
    let mut edge = processes("min: 1\n  max: 1", &launch).start();
    let alarm = edge.log().wait_event("launch_short");
    assert_eq!(
        (&alarm["level"], &alarm["needed"]),
        (&json!("error"), &json!("2"))
    );
    eventually("one serves", || ready(&edge) == 1);
    edge.wait_metric(
        "schleuse_launch_short{launch=\"grant\",pool=\"wohngeld\"}",
        1.0,
    );
    assert_eq!(
        edge.resource("/api/v1/status")["launches_short"],
        json!(["grant"])
    );
    let plan = edge.resource("/api/v1/launches")[0].clone();
    assert_eq!(plan["problems"][0]["problem"], "max_too_small", "{plan}");
    edge.reload(processes("min: 1\n  max: 4", &launch));
    edge.log().wait_event("launch_ready");
    edge.wait_metric(
        "schleuse_launch_short{launch=\"grant\",pool=\"wohngeld\"}",
        0.0,
    );
}

#[test]
fn a_launch_is_an_alarm_while_nobody_knows_which_replicas_its_pool_has() {
    let server = NameServer::new(0);
    server.behave(Manner::Code(2));
    let resolver = server.address();
    let site = |at: &str| {
        let pool = format!(
            "concurrency: 10\nscale: {{ keda: {{}}, cold_start: 1s }}\n\
             discovery: {{ dns: {{ name: wohngeld.internal, port: 80, resolver: \"{resolver}\" }} }}"
        );
        let launch = format!("at: {at}, duration: 4h, arrivals_per_second: 900");
        Edge::new()
            .service("wohngeld", "")
            .pool("wohngeld", &[], &pool)
            .top(&format!(
                "launches: {{ grant: {{ service: wohngeld, {launch} }} }}"
            ))
    };
    let mut edge = site(&in_seconds(50)).start();
    let alarm = edge.log().wait_event("launch_short");
    assert_eq!(
        (&alarm["needed"], &alarm["ready"]),
        (&json!("10"), &json!("0"))
    );
    edge.wait_metric(
        "schleuse_launch_short{launch=\"grant\",pool=\"wohngeld\"}",
        10.0,
    );
    assert_eq!(
        edge.resource("/api/v1/status")["launches_short"],
        json!(["grant"])
    );
    assert_eq!(edge.log().events("scale_decided").len(), 0);
    edge.reload(site("2999-01-01T00:00:00Z"));
    edge.log().wait_event("launch_over");
}
