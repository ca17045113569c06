//! What a client network may ask: requests per time and connections, and what a refused one sees.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use schleuse_tests::{Client, Edge, Origin, Response, RunningEdge, eventually};

use crate::one_service::{amt, label, refusal};

/// One service whose clients have this limit.
fn limited(origin: &Origin, limit: &str) -> Edge {
    let service = format!("limits: {{ client: {{ {limit} }} }}");
    amt(&[origin.address()], &service, "")
}

fn field<'r>(answer: &'r Response, name: &str) -> &'r str {
    answer
        .field(name)
        .unwrap_or_else(|| panic!("{name} is there"))
}

fn seconds(answer: &Response) -> u64 {
    field(answer, "Retry-After").parse().expect("whole seconds")
}

/// The number behind `key` in a `RateLimit` field.
fn parameter(value: &str, key: &str) -> u64 {
    let found = value.split(';').find_map(|part| part.strip_prefix(key));
    found
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

/// Statuses of that many requests over one connection.
fn statuses(client: &mut Client, count: usize) -> Vec<u16> {
    (0..count)
        .map(|_| client.get("amt.example", "/").status)
        .collect()
}

#[test]
fn a_client_beyond_its_rate_is_told_when_to_come_back_and_keeps_its_connection() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 2/min, burst: 3").start();
    let mut client = edge.connect();
    assert_eq!(statuses(&mut client, 3), [200; 3]);
    for _ in 0..2 {
        let answer = client.get("amt.example", "/");
        assert_eq!(label(&answer), refusal(429, "client_rate"));
        assert!((1..=30).contains(&seconds(&answer)));
        assert_eq!(field(&answer, "RateLimit-Policy"), "\"client\";q=3;w=90");
        let state = field(&answer, "RateLimit");
        assert!(state.starts_with("\"client\";r=0;t="), "{state}");
        assert_eq!(parameter(state, "t="), seconds(&answer));
        assert_eq!(answer.field("Connection"), None);
    }
    assert_eq!(origin.request_count(), 3);
    edge.wait_metric("schleuse_refused_total{reason=\"client_rate\"}", 2.0);
}

#[test]
fn the_reference_of_a_refused_client_is_in_the_log() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 1").start();
    let mut client = edge.connect();
    assert_eq!(statuses(&mut client, 1), [200]);
    let answer = client.get("amt.example", "/");
    let reference = answer.json()["reference"].as_str().unwrap().to_owned();
    eventually("the refusal is logged", || {
        let text = edge.log().text();
        let mut lines = text.lines().filter(|line| line.contains(&reference));
        lines.any(|line| line.contains("client_rate"))
    });
}

#[test]
fn clients_have_their_own_rates() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 2").start();
    for last in 1..4 {
        let own = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        let mut client = Client::connect_from(own, edge.http());
        assert_eq!(statuses(&mut client, 3), [200, 200, 429]);
    }
}

#[test]
fn p31_one_ipv6_line_is_one_client_and_ipv4_through_ipv6_is_the_same_as_ipv4() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 2")
        .top("trusted_proxies: [127.0.0.0/8]")
        .start();
    let mut client = edge.connect();
    let mut asked_for = |address: &str| {
        let fields = format!("X-Forwarded-For: {address}\r\n");
        client.get_with("amt.example", "/", &fields).status
    };
    assert_eq!(asked_for("2001:db8:1:2::1"), 200);
    assert_eq!(asked_for("2001:db8:1:2:ffff:ffff:ffff:fffe"), 200);
    assert_eq!(asked_for("2001:db8:1:2::3"), 429);
    assert_eq!(asked_for("2001:db8:1:3::1"), 200);
    assert_eq!(asked_for("192.0.2.1"), 200);
    assert_eq!(asked_for("::ffff:192.0.2.1"), 200);
    assert_eq!(asked_for("192.0.2.1"), 429);
}

#[test]
fn p31_a_socket_that_speaks_ipv6_sees_the_same_ipv4_client() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 2")
        .listener("address: \"[::]:0\"")
        .start();
    let listening = edge.log().events("listening");
    let dual = listening
        .iter()
        .find(|event| event["configured"] == "[::]:0")
        .and_then(|event| event["address"].as_str()?.rsplit(':').next()?.parse().ok())
        .expect("a port");
    let mut through_ipv6 = Client::connect((Ipv4Addr::LOCALHOST, dual).into());
    assert_eq!(statuses(&mut through_ipv6, 2), [200, 200]);
    assert_eq!(statuses(&mut edge.connect(), 1), [429]);
}

#[test]
fn p32_who_waits_as_long_as_retry_after_says_passes() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/s, burst: 1").start();
    let mut client = edge.connect();
    assert_eq!(statuses(&mut client, 1), [200]);
    let refused = client.get("amt.example", "/");
    let told = Instant::now();
    assert_eq!(refused.status, 429);
    let wait = Duration::from_secs(seconds(&refused));
    while told.elapsed() < wait {
        thread::park_timeout(wait.saturating_sub(told.elapsed()));
    }
    assert_eq!(statuses(&mut client, 1), [200]);
}

#[test]
fn a_limit_that_is_observed_counts_and_refuses_nothing() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 2, mode: observe").start();
    assert_eq!(statuses(&mut edge.connect(), 6), [200; 6]);
    let observed = "schleuse_limits_observed_total{limit=\"client\"}";
    assert_eq!(edge.count(observed), 4);
}

#[test]
fn a_reload_fills_nobodys_bucket() {
    let origin = Origin::ok("ok");
    let mut edge = limited(&origin, "rate: 1/h, burst: 3").start();
    let mut client = edge.connect();
    assert_eq!(statuses(&mut client, 2), [200, 200]);
    for burst in [4, 3] {
        edge.reload(limited(&origin, &format!("rate: 1/h, burst: {burst}")));
    }
    assert_eq!(statuses(&mut client, 2), [200, 429]);
    edge.reload(limited(&origin, "rate: 1/h, burst: 9"));
    assert_eq!(
        statuses(&mut client, 8)
            .iter()
            .filter(|status| **status == 200)
            .count(),
        6
    );
}

#[test]
fn the_page_is_german_or_english_as_the_browser_asks() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/h, burst: 1").start();
    let mut client = edge.connect();
    assert_eq!(statuses(&mut client, 1), [200]);
    for (languages, tag, words) in [
        ("de-DE,de;q=0.9,en;q=0.8", "de", "zu viele Anfragen"),
        ("en-GB,en;q=0.9,de;q=0.1", "en", "Too many requests"),
        ("fr", "de", "zu viele Anfragen"),
    ] {
        let fields = format!("Accept: text/html,*/*;q=0.8\r\nAccept-Language: {languages}\r\n");
        let page = client.get_with("amt.example", "/", &fields);
        assert_eq!(page.status, 429);
        assert_eq!(field(&page, "Content-Language"), tag);
        assert_eq!(field(&page, "Content-Type"), "text/html; charset=utf-8");
        assert!(page.text().contains(&format!("<html lang=\"{tag}\">")));
        assert!(page.text().contains(words), "{}", page.text());
        assert!(page.text().contains(field(&page, "X-Request-Id")));
    }
}

/// Whether a new connection from this address is taken and answered.
fn is_served(edge: &RunningEdge, last: u8) -> Option<Client> {
    let own = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    let mut client = Client::connect_from(own, edge.http());
    let request = "GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n";
    client.try_send(request).ok()?;
    let answer = client.try_response_to("GET").ok()??;
    (answer.status == 200).then_some(client)
}

#[test]
fn a_network_has_so_many_connections_and_others_still_have_theirs() {
    let origin = Origin::ok("ok");
    let caps = "client: { connections_per_network_max: 2 }";
    let edge = amt(&[origin.address()], "", "").top(caps).start();
    let mut held = [is_served(&edge, 1).unwrap(), is_served(&edge, 1).unwrap()];
    assert!(is_served(&edge, 1).is_none());
    assert!(is_served(&edge, 2).is_some());
    let refused = "schleuse_connections_refused_total{reason=\"network\"}";
    assert_eq!(edge.count(refused), 1);
    assert_eq!(statuses(&mut held[0], 1), [200]);
    let [first, _second] = held;
    drop(first);
    eventually("its place is free again", || is_served(&edge, 1).is_some());
}

#[test]
fn all_clients_together_have_so_many_connections() {
    let origin = Origin::ok("ok");
    let caps = "client: { connections_max: 3, connections_per_network_max: 3 }";
    let edge = amt(&[origin.address()], "", "").top(caps).start();
    let held: Vec<_> = (1..4).map(|last| is_served(&edge, last).unwrap()).collect();
    assert!(is_served(&edge, 4).is_none());
    let refused = "schleuse_connections_refused_total{reason=\"total\"}";
    assert_eq!(edge.count(refused), 1);
    drop(held);
    eventually("there is room again", || is_served(&edge, 4).is_some());
}

#[test]
fn a_trusted_proxy_brings_as_many_connections_as_it_likes() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { connections_per_network_max: 1 }")
        .top("trusted_proxies: [127.0.0.1]")
        .start();
    let held: Vec<_> = (0..3).map(|_| is_served(&edge, 1)).collect();
    assert!(held.iter().all(Option::is_some));
    let _other = is_served(&edge, 2).unwrap();
    assert!(is_served(&edge, 2).is_none());
}
