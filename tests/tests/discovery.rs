//! Endpoints that are looked up: what a name server or a file says is where requests go, and what it fails to say
//! changes nothing.

use std::{fs, net::SocketAddr};

use schleuse_tests::{Edge, Manner, NameServer, Origin, RunningEdge, Volume, eventually};
use serde_json::Value;

const HOST: &str = "110000000000.wohngeld.example";
const NAME: &str = "wohngeld.internal";
const AGE: &str = "schleuse_discovery_age_seconds{pool=\"wohngeld\"}";

fn found_by(discovery: &str) -> Edge {
    let discovery = format!("discovery: {discovery}");
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &discovery)
}

fn asking(server: &NameServer, port: u16) -> Edge {
    let resolver = server.address();
    found_by(&format!(
        "{{ dns: {{ name: {NAME}, port: {port}, resolver: \"{resolver}\" }} }}"
    ))
}

/// Those that a request may go to.
fn endpoints(edge: &RunningEdge) -> Vec<String> {
    let pool = edge.resource("/api/v1/pools/wohngeld");
    let endpoints = pool["endpoints"].as_array().unwrap().iter();
    let mut listed: Vec<_> = endpoints
        .filter(|endpoint| endpoint["leaving"] == false)
        .map(|endpoint| endpoint["address"].as_str().unwrap().to_owned())
        .collect();
    listed.sort_unstable();
    listed
}

fn wait_endpoints(edge: &RunningEdge, addresses: &[&str]) {
    eventually("these are the endpoints", || endpoints(edge) == addresses);
}

fn source(edge: &RunningEdge) -> Value {
    edge.resource("/api/v1/pools/wohngeld")["source"].clone()
}

fn body(edge: &RunningEdge) -> String {
    String::from_utf8(edge.get(HOST, "/").body).unwrap()
}

/// Backends at the same port of several addresses of this machine.
fn backends<const N: usize>(names: [&'static str; N]) -> (u16, [Origin; N]) {
    let answer = |address: SocketAddr, name: &'static str| {
        Origin::serve_on(address, move |_, conversation| {
            conversation.send(schleuse_tests::origin::ok(name));
        })
    };
    let first = Origin::ok("chooses the port");
    let port = first.address().port();
    let mut number = 1;
    let backends = names.map(|name| {
        number += 1;
        answer(SocketAddr::from(([127, 0, 0, number], port)), name)
    });
    (port, backends)
}

#[test]
fn requests_go_to_the_addresses_that_the_name_server_names_now() {
    let (port, _backends) = backends(["first", "second"]);
    let server = NameServer::new(0);
    server.set_addresses(NAME, &["127.0.0.2"]);
    let edge = asking(&server, port).start();
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    assert_eq!(body(&edge), "first");
    server.set_addresses(NAME, &["127.0.0.3"]);
    wait_endpoints(&edge, &[&format!("127.0.0.3:{port}")]);
    assert_eq!(body(&edge), "second");
}

#[test]
fn both_address_families_are_endpoints_in_one_order_however_they_are_rotated() {
    let server = NameServer::new(0);
    server.set_addresses(NAME, &["192.0.2.2", "192.0.2.1", "2001:db8::1"]);
    let edge = asking(&server, 80).start();
    let all = ["192.0.2.1:80", "192.0.2.2:80", "[2001:db8::1]:80"];
    wait_endpoints(&edge, &all);
    server.set_addresses(NAME, &["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    let before = server.asked(NAME);
    eventually("asked again", || server.asked(NAME) > before + 1);
    wait_endpoints(&edge, &all);
    assert_eq!(edge.log().events("endpoints_found").len(), 1);
}

#[test]
fn services_bring_their_ports_and_the_least_priority_number_is_used() {
    let server = NameServer::new(0);
    server.set_addresses("a.internal", &["192.0.2.1"]);
    server.set_addresses("b.internal", &["192.0.2.2"]);
    let services = "_http._tcp.wohngeld.internal";
    server.set_services(
        services,
        &[
            (10, 81, "a.internal"),
            (10, 82, "a.internal"),
            (20, 83, "b.internal"),
        ],
    );
    let resolver = server.address();
    let edge = found_by(&format!(
        "{{ dns: {{ srv: {services}, resolver: \"{resolver}\" }} }}"
    ))
    .start();
    wait_endpoints(&edge, &["192.0.2.1:81", "192.0.2.1:82"]);
    // One target of two without an address: what there is of the other is not the whole.
    server.set_services(services, &[(10, 81, "a.internal"), (10, 84, "c.internal")]);
    eventually("it is shown", || source(&edge)["problem"].is_string());
    assert_eq!(endpoints(&edge), ["192.0.2.1:81", "192.0.2.1:82"]);
    server.set_addresses("c.internal", &["192.0.2.3"]);
    wait_endpoints(&edge, &["192.0.2.1:81", "192.0.2.3:84"]);
}

#[test]
fn p27_a_name_server_that_fails_in_whatever_way_takes_no_endpoint_away() {
    let (port, _backends) = backends(["still here"]);
    for manner in [
        Manner::Code(2),
        Manner::Code(3),
        Manner::Absent("internal"),
        Manner::Code(5),
        Manner::Garbage,
        Manner::Referral,
        Manner::AliasLoop,
        Manner::Silent,
    ] {
        let server = NameServer::new(0);
        server.set_addresses(NAME, &["127.0.0.2"]);
        let edge = asking(&server, port).start();
        wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
        server.behave(manner);
        let failed = edge.log().wait_event("discovery_failed");
        assert_eq!(failed["pool"], "wohngeld", "{manner:?}");
        assert_eq!(body(&edge), "still here", "{manner:?}");
        assert!(source(&edge)["problem"].is_string(), "{manner:?}");
        let age = edge.metric(AGE);
        eventually("the age of the last answer grows", || {
            edge.metric(AGE) > age
        });
        server.behave(Manner::Honest);
        edge.log().wait_event("discovery_recovered");
        assert!(source(&edge)["problem"].is_null(), "{manner:?}");
        assert_eq!(edge.log().events("endpoints_found").len(), 1, "{manner:?}");
    }
}

#[test]
fn p27_an_answer_without_records_empties_the_pool_and_the_next_one_fills_it() {
    let (port, _backends) = backends(["back"]);
    let server = NameServer::new(0);
    server.set_addresses(NAME, &["127.0.0.2"]);
    let edge = asking(&server, port).start();
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    server.set_addresses(NAME, &[]);
    wait_endpoints(&edge, &[]);
    assert_eq!(source(&edge)["answered"], true);
    server.set_addresses(NAME, &["127.0.0.2"]);
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    assert_eq!(body(&edge), "back");
}

/// The same as a pool whose replicas others start, as a headless Service of a cluster names them.
fn scaled(server: &NameServer, port: u16) -> Edge {
    let resolver = server.address();
    let pool = format!(
        "concurrency: 20\nqueue: {{ wait_max: 60s }}\nscale: {{ keda: {{}}, min: 0 }}\n\
         discovery: {{ dns: {{ name: {NAME}, port: {port}, resolver: \"{resolver}\" }} }}"
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &pool)
}

#[test]
fn a_pool_of_replicas_that_do_not_exist_yet_is_woken_by_its_first_request() {
    let (port, _backends) = backends(["awake"]);
    let server = NameServer::new(0);
    server.behave(Manner::Absent("internal"));
    let edge = scaled(&server, port).start();
    let mut client = edge.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    eventually("whoever starts replicas is told", || {
        let told = edge.admin().get("admin", "/api/v1/signals/wohngeld");
        told.status == 200 && told.json()["desired"].as_u64() >= Some(1)
    });
    assert!(source(&edge)["problem"].is_null());
    server.set_addresses(NAME, &["127.0.0.2"]);
    server.behave(Manner::Honest);
    assert_eq!(client.response().text(), "awake");
}

#[test]
fn the_last_replica_that_goes_takes_its_address_with_it() {
    let (port, _backends) = backends(["first"]);
    let server = NameServer::new(0);
    server.set_addresses(NAME, &["127.0.0.2"]);
    let edge = scaled(&server, port).start();
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    server.behave(Manner::Absent("internal"));
    wait_endpoints(&edge, &[]);
    assert_eq!(source(&edge)["answered"], true);
    assert_eq!(edge.log().events("discovery_failed").len(), 0);
}

#[test]
fn p27_that_replicas_do_not_exist_counts_when_their_zone_says_so_twice() {
    let (port, _backends) = backends(["still here"]);
    let server = NameServer::new(0);
    server.set_addresses(NAME, &["127.0.0.2"]);
    let edge = scaled(&server, port).start();
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    let before = server.asked(NAME);
    server.lapse(2, Manner::Absent("internal")); // of both address families
    eventually("asked again and again", || server.asked(NAME) > before + 2);
    // The root: whoever was asked knows nothing of the zone.
    server.behave(Manner::Absent(""));
    edge.log().wait_event("discovery_failed");
    assert_eq!(body(&edge), "still here");
    assert_eq!(edge.log().events("endpoints_found").len(), 1);
}

#[test]
fn a_name_server_is_not_asked_again_before_its_answer_is_over() {
    let (slow, quick) = (NameServer::new(3600), NameServer::new(0));
    for server in [&slow, &quick] {
        server.set_addresses(NAME, &["192.0.2.1"]);
    }
    let (one, other) = (asking(&slow, 80).start(), asking(&quick, 80).start());
    for edge in [&one, &other] {
        wait_endpoints(edge, &["192.0.2.1:80"]);
    }
    eventually("the other one is asked", || quick.asked(NAME) >= 3);
    assert_eq!(slow.asked(NAME), 1);
}

#[test]
fn a_reload_to_a_source_that_does_not_answer_keeps_the_endpoints() {
    let (port, _backends) = backends(["first", "second"]);
    let (server, next) = (NameServer::new(0), NameServer::new(0));
    server.set_addresses(NAME, &["127.0.0.2"]);
    next.set_addresses(NAME, &["127.0.0.3"]);
    next.behave(Manner::Code(2));
    let mut edge = asking(&server, port).start();
    wait_endpoints(&edge, &[&format!("127.0.0.2:{port}")]);
    edge.reload(asking(&next, port));
    edge.log().wait_event("discovery_failed");
    assert_eq!(body(&edge), "first");
    next.behave(Manner::Honest);
    wait_endpoints(&edge, &[&format!("127.0.0.3:{port}")]);
}

#[test]
fn a_volume_that_is_swapped_changes_the_endpoints_and_a_broken_list_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(directory.path());
    let (first, second) = (Origin::ok("first"), Origin::ok("second"));
    let list = |origin: &Origin| format!("[\"{}\"]", origin.address());
    volume.write(&[("list", &list(&first))]);
    let path = directory.path().join("list");
    let edge = found_by(&format!("{{ file: \"{}\" }}", path.display())).start();
    eventually("the first answers", || body(&edge) == "first");
    volume.write(&[("list", &format!("- {}\n", second.address()))]);
    eventually("the second answers", || body(&edge) == "second");
    volume.write(&[("list", &list(&first)[..9])]);
    edge.log().wait_event("discovery_failed");
    assert_eq!(body(&edge), "second");
    let age = edge.metric(AGE);
    eventually("the age of the last list grows", || edge.metric(AGE) > age);
    volume.write(&[("list", &list(&first))]);
    eventually("the first answers again", || body(&edge) == "first");
}

#[test]
fn a_list_that_is_removed_takes_no_endpoint_away_and_an_empty_one_does() {
    let origin = Origin::ok("fine");
    let list = format!("[\"{}\"]", origin.address());
    let edge = found_by("{ file: list }").file("list", list).start();
    eventually("it answers", || body(&edge) == "fine");
    let path = edge.directory().join("list");
    fs::remove_file(&path).unwrap();
    edge.log().wait_event("discovery_failed");
    assert_eq!(body(&edge), "fine");
    fs::write(&path, "[]").unwrap();
    wait_endpoints(&edge, &[]);
}
