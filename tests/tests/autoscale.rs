//! How many replicas there are follows from what arrives, whoever starts them; and what was learnt outlives the process.

use std::{fs, net::SocketAddr, thread};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use schleuse_tests::{Edge, Origin, Response, RunningEdge, binary, eventually};
use serde_json::Value;

const HOST: &str = "110000000000.wohngeld.example";

/// A pool whose replicas are processes that answer `/langsam` after two seconds, with two seats each.
fn processes(scale: &str) -> Edge {
    let binary = binary::path().display();
    let options = format!(
        "concurrency: 2\nscale:\n  process:\n    command: [\"{binary}\", demo-backend, --name, w, --port, \"{{port}}\"]\n    \
         drain_max: 5s\n  {scale}"
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &options)
}

fn pool(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/pools/wohngeld")
}

fn scale(edge: &RunningEdge, key: &str) -> u64 {
    pool(edge)["scale"][key].as_u64().unwrap_or_default()
}

fn wait_ready(edge: &RunningEdge, count: u64) {
    eventually("so many replicas serve", || {
        scale(edge, "ready") == count && scale(edge, "desired") == count
    });
}

/// Sends requests at once, each over a connection of its own.
fn ask_at_once(
    edge: &RunningEdge,
    count: usize,
    target: &'static str,
) -> Vec<thread::JoinHandle<Response>> {
    let ask = |_| {
        let mut client = edge.connect();
        thread::spawn(move || client.get(HOST, target))
    };
    (0..count).map(ask).collect()
}

fn statuses(requests: Vec<thread::JoinHandle<Response>>) -> Vec<u16> {
    let answers = requests.into_iter().map(|each| each.join().unwrap());
    answers.map(|answer| answer.status).collect()
}

/// The process that serves on a port, by its command line.
fn process_on(port: u16) -> Pid {
    let port = port.to_string();
    let serves = |id: &i32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.get(1) == Some(&&b"demo-backend"[..]) && words.contains(&port.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Pid::from_raw(ids.into_iter().find(serves).unwrap())
}

#[test]
fn a_step_in_load_scales_processes_up_and_its_end_back_to_the_minimum() {
    let edge = processes(
        "min: 1\n  max: 4\n  cold_start: 200ms\n  service_time: 2s\n  hold_down: 1s\n  descent_per_minute: 100%\n  \
         idle_after: 1s",
    )
    .start();
    wait_ready(&edge, 1);
    let requests = ask_at_once(&edge, 12, "/langsam");
    wait_ready(&edge, 4);
    assert_eq!(statuses(requests), [200; 12]);
    wait_ready(&edge, 1);
    assert_eq!(edge.get(HOST, "/").status, 200);
    assert_eq!(pool(&edge)["endpoints"].as_array().unwrap().len(), 1);
}

#[test]
fn a_reload_keeps_replicas_and_what_holds_them() {
    let mut edge = processes("min: 2\n  hold_down: 1h").start();
    wait_ready(&edge, 2);
    let before = pool(&edge)["endpoints"].clone();
    edge.reload(processes("min: 1\n  max: 7\n  hold_down: 1h"));
    eventually("the new policy decides", || scale(&edge, "max") == 7);
    let after = pool(&edge);
    assert_eq!(after["scale"]["desired"], 2);
    assert_eq!(
        after["scale"]["reasons"][1]["reason"], "hold_down",
        "{after}"
    );
    let addresses = |endpoints: &Value| -> Vec<Value> {
        let endpoints = endpoints.as_array().unwrap().iter();
        endpoints
            .map(|endpoint| endpoint["address"].clone())
            .collect()
    };
    assert_eq!(addresses(&after["endpoints"]), addresses(&before));
}

#[test]
fn a_replica_that_is_killed_costs_those_in_flight_at_most_and_another_one_is_started() {
    let edge = processes("min: 1\n  max: 1\n  cold_start: 200ms").start();
    wait_ready(&edge, 1);
    let [mut form, mut page] = [edge.connect(), edge.connect()];
    form.send(format!(
        "POST /langsam HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"
    ));
    page.send(format!("GET /langsam HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let in_flight = || pool(&edge)["in_flight"] == 2;
    eventually("both are with the replica", in_flight);
    let address = pool(&edge)["endpoints"][0]["address"].clone();
    let address: SocketAddr = address.as_str().unwrap().parse().unwrap();
    kill(process_on(address.port()), Signal::SIGKILL).unwrap();
    assert_eq!(form.response().status, 502);
    // Asked again where nobody listens any more, it waits for the next replica; if it is known by then that nobody is left,
    // there is no free seat for a second try.
    assert!([200, 502].contains(&page.response().status));
    edge.log().wait_event("replica_crashed");
    eventually("another one serves", || {
        let endpoints = pool(&edge)["endpoints"].clone();
        endpoints[0]["address"].is_string() && endpoints[0]["address"] != address.to_string()
    });
    assert_eq!(edge.get(HOST, "/").status, 200);
}

#[test]
fn a_receiver_of_orders_gets_each_number_signed() {
    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    let receiver = Origin::ok("taken");
    let slow = Origin::hanging();
    let options = format!(
        "concurrency: 1\nscale:\n  webhook: {{ url: \"http://{}/orders?pool=a\", secret: {{ file: k }} }}\n  \
         min: 1\n  max: 3\n  service_time: 10s",
        receiver.address()
    );
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[slow.address()], &options)
        .file("k", format!("whsec_{}", STANDARD.encode(KEY)))
        .start();
    // One endpoint is there, and one is right: nothing is ordered beyond that first statement.
    receiver.wait_requests(1);
    let _waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut client = edge.connect();
            client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
            client
        })
        .collect();
    let desired = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["desired"].as_u64();
    eventually("three are ordered", || {
        let orders = receiver.requests();
        orders.last().and_then(|order| desired(&order.body)) == Some(3)
    });
    for order in receiver.requests() {
        let field = |name: &str| order.field(name).unwrap().to_owned();
        let (id, time) = (field("webhook-id"), field("webhook-timestamp"));
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &order.body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &signed);
        assert_eq!(
            field("webhook-signature"),
            format!("v1,{}", STANDARD.encode(tag))
        );
        assert_eq!(field("idempotency-key"), id);
    }
}

#[test]
fn what_the_config_does_not_scale_is_not_decided_about() {
    let origin = Origin::ok("fine");
    let edge = Edge::new().origin(origin.address()).start();
    assert_eq!(edge.get(HOST, "/").status, 200);
    assert!(pool(&edge)["scale"].is_null());
    let signal = edge
        .admin()
        .get("admin.example", "/api/v1/signals/wohngeld");
    assert_eq!(signal.status, 503);
}

/// Kept where the config says, and there is a cold start in it.
fn wait_learnt(edge: &RunningEdge) {
    let file = edge.directory().join("state/learnt.json");
    eventually("the cold start is written down", || {
        let text = fs::read(&file).unwrap_or_default();
        let value: Value = serde_json::from_slice(&text).unwrap_or_default();
        let starts = value["pools"]["wohngeld"]["cold_starts"].as_array();
        starts.is_some_and(|starts| !starts.is_empty())
    });
}

fn cold_start(edge: &RunningEdge) -> Value {
    let mut learnt = Value::Null;
    eventually("something is decided", || {
        let scale = pool(edge)["scale"].clone();
        learnt = scale["cold_start_ms"]["p50"].clone();
        scale.is_object()
    });
    learnt
}

#[test]
fn a_start_that_failed_at_first_is_not_learnt_as_a_cold_start() {
    let binary = binary::path().display();
    let command = format!(
        "[sh, -c, \"test -e mended || exit 3; exec {binary} demo-backend --name w --port {{port}}\"]"
    );
    let options = format!("scale:\n  min: 1\n  process: {{ command: {command}, directory: . }}");
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &options)
        .start();
    edge.log().wait_event("replica_crashed");
    fs::write(edge.directory().join("mended"), "").unwrap();
    eventually("a replica serves, and is counted", || {
        scale(&edge, "ready") == 1
    });
    assert!(cold_start(&edge).is_null());
}

/// Nothing but what a file says can be known of a pool whose endpoints somebody else starts.
fn asked_for(address: SocketAddr) -> Edge {
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[address], "scale: { keda: {} }")
        .top("state_directory: state")
}

#[test]
fn what_was_learnt_outlives_a_process_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let config = processes("min: 1").top("state_directory: state");
    config.write_into(directory.path());
    let mut edge = RunningEdge::start_in(config, directory.path());
    wait_learnt(&edge);
    edge.signal(Signal::SIGKILL);
    edge.wait_exit();
    let next = asked_for(Origin::ok("fine").address());
    next.write_into(directory.path());
    let edge = RunningEdge::start_in(next, directory.path());
    let learnt = cold_start(&edge);
    assert!(learnt.is_number(), "{learnt}");
}

#[test]
fn a_file_that_cannot_be_understood_is_moved_aside_with_a_warning() {
    let origin = Origin::ok("fine");
    let edge = asked_for(origin.address())
        .file("state/learnt.json", "not ours")
        .start();
    let warning = edge.log().wait_event("learnt_unusable");
    assert_eq!(warning["level"], "warn");
    assert!(cold_start(&edge).is_null());
    let aside = edge.directory().join("state/learnt.json.unusable");
    assert_eq!(fs::read_to_string(aside).unwrap(), "not ours");
}

#[test]
fn the_first_decision_about_each_of_many_pools_is_in_the_log() {
    let origin = Origin::ok("fine");
    let pools = (0..400).fold(Edge::new(), |edge, number| {
        let name = format!("p{number}");
        let pool = "scale: { keda: {} }";
        edge.service(&name, "")
            .pool(&name, &[origin.address()], pool)
    });
    let edge = pools.start();
    let decided = edge.log().wait_events("scale_decided", 400);
    assert_eq!(decided.len(), 400);
}
