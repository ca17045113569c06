//! Pools that sleep: their first request wakes them and waits, and who cannot wait is told the truth.

use std::{fs, net::SocketAddr};

use schleuse_tests::{Client, Edge, Origin, Response, RunningEdge, binary, eventually};
use serde_json::Value;

use crate::{
    full_pool::{ask, wait_waiting},
    one_service::{amt, label, refusal},
};

pub(crate) fn pool(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/pools/amt")
}

pub(crate) fn activation(edge: &RunningEdge, key: &str) -> Value {
    pool(edge)["activation"][key].clone()
}

/// Endpoints as a file lists them, and somebody who starts them: the test.
pub(crate) fn listed(queue: &str) -> Edge {
    let options = format!(
        "concurrency: 20\nslow_start: 0s\ndiscovery: {{ file: endpoints.json }}\nscale: {{ keda: {{}}, min: 0 }}\n\
         queue: {{ client_share: 100%, {queue} }}"
    );
    amt(&[], "", &options).file("endpoints.json", "[]")
}

pub(crate) fn list(edge: &RunningEdge, endpoints: &[SocketAddr]) {
    let file = edge.directory().join("endpoints.json");
    let new = edge.directory().join("endpoints.new");
    fs::write(&new, serde_json::to_string(endpoints).unwrap()).unwrap();
    fs::rename(new, file).unwrap();
}

/// Replicas that are processes of this command.
fn processes(command: &str, more: &str) -> Edge {
    let options = format!(
        "concurrency: 4\nslow_start: 0s\nscale:\n  process:\n    command: {command}\n  min: 0\n  max: 2\n{more}"
    );
    amt(&[], "", &options)
}

fn working() -> String {
    let binary = binary::path().display();
    format!("[\"{binary}\", demo-backend, --name, a, --port, \"{{port}}\"]")
}

/// Seconds of `Retry-After`.
fn retry_after(response: &Response) -> u64 {
    response.field("retry-after").unwrap().parse().unwrap()
}

#[test]
fn two_hundred_requests_wake_a_sleeping_pool_once_and_none_is_lost() {
    let origin = Origin::ok("awake");
    let edge = listed("wait_max: 60s").start();
    let mut clients: Vec<Client> = (0..200).map(|_| ask(&edge, "/")).collect();
    wait_waiting(&edge, 200);
    assert_eq!(activation(&edge, "phase"), "waking");
    eventually("whoever starts endpoints is told", || {
        let told = edge.admin().get("admin.example", "/api/v1/signals/amt");
        told.status == 200 && told.json()["desired"].as_u64() >= Some(1)
    });
    list(&edge, &[origin.address()]);
    for client in &mut clients {
        assert_eq!(client.response().text(), "awake");
    }
    assert_eq!(activation(&edge, "phase"), "ready");
    assert_eq!(activation(&edge, "wakes"), 1);
    assert_eq!(edge.log().events("pool_wakes").len(), 1);
}

#[test]
fn a_pool_of_processes_starts_from_nothing_sleeps_when_idle_and_starts_again() {
    let edge = processes(
        &working(),
        "  cold_start: 1s\n  idle_after: 1s\n  hold_down: 0s\n  descent_per_minute: 100%",
    )
    .start();
    assert!(pool(&edge)["endpoints"].as_array().unwrap().is_empty());
    assert_eq!(edge.get("amt.example", "/").status, 200);
    eventually("it sleeps again", || activation(&edge, "phase") == "cold");
    assert_eq!(edge.get("amt.example", "/").status, 200);
    assert_eq!(activation(&edge, "wakes"), 2);
}

#[test]
fn a_start_that_fails_is_told_to_those_who_wait_with_the_time_to_come_back() {
    let edge = processes("[\"false\"]", "  cold_start: 9s\nqueue: { wait_max: 10s }").start();
    let refused = edge.get("amt.example", "/");
    assert_eq!(label(&refused), refusal(503, "start_failed"));
    assert!(retry_after(&refused) >= 9);
}

#[test]
fn who_would_wait_too_long_for_a_start_is_told_at_once_and_wakes_the_pool_all_the_same() {
    let origin = Origin::ok("awake");
    let edge = listed("wait_max: 2s").start();
    let refused = edge.get("amt.example", "/");
    assert_eq!(label(&refused), refusal(503, "starting"));
    assert!(
        retry_after(&refused) >= 10,
        "the cold start that is expected"
    );
    assert_eq!(activation(&edge, "wakes"), 1);
    list(&edge, &[origin.address()]);
    eventually("it serves", || activation(&edge, "phase") == "ready");
    assert_eq!(edge.get("amt.example", "/").text(), "awake");
}

#[test]
fn a_backend_that_crashes_as_it_starts_is_not_hammered_by_those_who_want_it() {
    let edge = processes(
        "[\"false\"]",
        "  cold_start: 9s\n  failing_starts_max: 1\nqueue: { wait_max: 10s }",
    )
    .start();
    for _ in 0..50 {
        let refused = edge.get("amt.example", "/");
        assert_eq!(refused.status, 503);
        assert!(retry_after(&refused) >= 45, "the pause is a minute");
    }
    assert_eq!(activation(&edge, "why"), "crashing");
    assert_eq!(edge.log().events("pool_wakes").len(), 1);
}

#[test]
fn a_client_that_leaves_while_the_pool_wakes_frees_its_place_and_reaches_nobody() {
    let origin = Origin::ok("awake");
    let edge = listed("wait_max: 60s").start();
    let leaves = ask(&edge, "/leaves");
    wait_waiting(&edge, 1);
    drop(leaves);
    wait_waiting(&edge, 0);
    let mut stays = ask(&edge, "/stays");
    wait_waiting(&edge, 1);
    list(&edge, &[origin.address()]);
    assert_eq!(stays.response().status, 200);
    assert_eq!(origin.request_count(), 1);
    assert_eq!(edge.log().events("pool_wakes").len(), 1);
}

#[test]
fn an_address_that_stays_while_its_endpoint_sleeps_gets_no_request_before_it_answers() {
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let edge = amt(&[address], "", "scale: { keda: {}, min: 0 }").start();
    let mut client = ask(&edge, "/");
    wait_waiting(&edge, 1);
    assert_eq!(pool(&edge)["endpoints"][0]["starting"], true);
    let _origin = Origin::serve_on(address, |_, conversation| {
        conversation.send(schleuse_tests::origin::ok("awake"));
    });
    assert_eq!(client.response().text(), "awake");
}
