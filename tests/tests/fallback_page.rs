//! A service's own page for people that its pool cannot take, and what everybody else gets.

use std::fs;

use schleuse_tests::{Edge, Origin, Response, RunningEdge, eventually};

use crate::{
    full_pool::{ask, wait_waiting},
    one_service::{amt, label, refusal},
};

const PAGE: &str = "<!doctype html><html lang=\"de\"><title>Amt</title><style>p{color:red}</style>\
    <p>In {retry_after} Sekunden wieder. Kennung {reference}.</p>";
const HTML: &str = "Accept: text/html\r\n";

/// A pool that sleeps, with nobody who starts it.
fn asleep(pool: &str) -> Edge {
    let options = format!(
        "discovery: {{ file: endpoints.json }}\nscale: {{ keda: {{}}, min: 0, cold_start: 20s }}\n{pool}"
    );
    amt(&[], "fallback_page: own.html", &options)
        .file("endpoints.json", "[]")
        .file("own.html", PAGE)
}

fn page(edge: &RunningEdge) -> Response {
    edge.connect().get_with("amt.example", "/", HTML)
}

/// What the person who got this answer should read.
fn expected(response: &Response) -> String {
    PAGE.replace("{retry_after}", response.field("retry-after").unwrap())
        .replace("{reference}", response.reference())
}

#[test]
fn people_get_the_services_own_page_with_status_wait_and_reference() {
    let edge = asleep("queue: { wait_max: 2s }").start();
    let refused = page(&edge);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.text(), expected(&refused));
    assert_eq!(
        refused.field("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(refused.field("cache-control"), Some("no-store"));
    let policy = refused.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let seconds: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 20, "the cold start that is expected");
    let line = edge.log().wait_request(refused.reference());
    assert_eq!(line["refusal"], "starting");
}

#[test]
fn programs_get_problem_json_all_the_same() {
    let edge = asleep("queue: { wait_max: 2s }").start();
    let refused = edge.get("amt.example", "/");
    assert_eq!(label(&refused), refusal(503, "starting"));
}

#[test]
fn who_waited_in_vain_gets_it_too() {
    let slow = Origin::hanging();
    let edge = amt(
        &[slow.address()],
        "fallback_page: own.html",
        "concurrency: 1\nqueue: { wait_max: 1s }",
    )
    .file("own.html", PAGE)
    .start();
    let _served = ask(&edge, "/");
    slow.wait_requests(1);
    let mut waits = edge.connect();
    waits.send(format!("GET / HTTP/1.1\r\nHost: amt.example\r\n{HTML}\r\n"));
    wait_waiting(&edge, 1);
    let refused = waits.response();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.text(), expected(&refused));
}

#[test]
fn what_is_not_the_pools_fault_has_our_own_page() {
    let edge = asleep("").top("client: { header_max: 10s }").start();
    let refused = edge.connect().get_with("nobody.example", "/", HTML);
    assert_eq!(refused.status, 404);
    assert!(!refused.text().contains("<title>Amt"), "{}", refused.text());
    let traversal = edge.connect().get_with("amt.example", "/a/../b", HTML);
    assert_eq!(traversal.status, 400);
    assert!(!traversal.text().contains("<title>Amt"));
}

#[test]
fn a_page_that_changes_is_read_again_and_one_that_breaks_leaves_the_old_one() {
    let edge = asleep("queue: { wait_max: 2s }").start();
    fs::write(edge.directory().join("own.html"), "<p>neu {reference}").unwrap();
    eventually("the new page is shown", || {
        let refused = page(&edge);
        refused.text() == format!("<p>neu {}", refused.reference())
    });
    fs::write(edge.directory().join("own.html"), b"\xff").unwrap();
    edge.log().wait_event("config_rejected");
    let refused = page(&edge);
    assert_eq!(refused.text(), format!("<p>neu {}", refused.reference()));
    assert_eq!(refused.status, 503);
}
