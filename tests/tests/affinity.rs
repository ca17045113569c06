//! Sessions that stay on their endpoint: a form half filled in must not lose its backend without need.

use std::net::SocketAddr;

use schleuse_tests::{Client, Edge, Origin, RunningEdge, eventually};

use crate::requeue::{dead_port, listening};

const HOST: &str = "110000000000.wohngeld.example";
const COOKIE: &str = "schleuse-affinity";

struct Town {
    one: Origin,
    two: Origin,
    edge: RunningEdge,
}

fn config(origins: [&Origin; 2], keys: &str) -> Edge {
    before(&origins.map(Origin::address), keys)
}

fn before(endpoints: &[SocketAddr], keys: &str) -> Edge {
    let edge = Edge::new()
        .service("wohngeld", "affinity: { cookie: true, ttl: 30m }")
        .pool("wohngeld", endpoints, "slow_start: 0s")
        .environment("FIRST_KEY", &"a".repeat(32))
        .environment("SECOND_KEY", &"b".repeat(32));
    if keys.is_empty() {
        edge
    } else {
        edge.top(&format!("affinity: {{ keys: [{keys}] }}"))
    }
}

impl Town {
    fn start(keys: &str) -> Self {
        let (one, two) = (Origin::ok("one"), Origin::ok("two"));
        let edge = config([&one, &two], keys).start();
        Self { one, two, edge }
    }

    /// A new session: its cookie and its endpoint.
    fn begin(&self) -> (String, String) {
        let answer = self.edge.get(HOST, "/");
        let cookie = answer.cookie(COOKIE).expect("a cookie").to_owned();
        (cookie, answer.text().to_owned())
    }

    /// Asks in a session: the endpoint and the cookie, if it is set anew.
    fn go_on(&self, cookie: &str) -> (String, Option<String>) {
        let mut client: Client = self.edge.connect();
        let answer = client.get_with(
            HOST,
            "/",
            &format!("Cookie: a=b; {COOKIE}={cookie}; c=d\r\n"),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        (
            answer.text().to_owned(),
            answer.cookie(COOKIE).map(str::to_owned),
        )
    }

    /// The session goes on where it was.
    fn stays(&self, cookie: &str, endpoint: &str) {
        for _ in 0..10 {
            assert_eq!(self.go_on(cookie), (endpoint.to_owned(), None));
        }
    }

    fn set_mode(&self, endpoint: &str, mode: &str) {
        let origin = if endpoint == "one" {
            &self.one
        } else {
            &self.two
        };
        self.edge.set_mode("wohngeld", origin.address(), mode);
    }

    fn lost(&self) -> u64 {
        self.edge.count("schleuse_affinity_lost_total")
    }
}

#[test]
fn a_session_stays_on_its_endpoint_and_different_ones_use_both() {
    let town = Town::start("");
    let mut endpoints = std::collections::BTreeSet::new();
    eventually("both endpoints have sessions", || {
        let (cookie, endpoint) = town.begin();
        town.stays(&cookie, &endpoint);
        endpoints.insert(endpoint);
        endpoints.len() == 2
    });
    assert_eq!(town.lost(), 0);
}

#[test]
fn its_cookie_is_for_the_browser_alone_and_never_leaves_tls() {
    let town = Town::start("");
    let answer = town.edge.get(HOST, "/");
    let set = schleuse_tests::message::values(&answer.fields, "Set-Cookie");
    let set: Vec<_> = set
        .iter()
        .map(|value| String::from_utf8_lossy(value))
        .collect();
    let affinity = set.iter().find(|value| value.starts_with(COOKIE)).unwrap();
    for attribute in [
        "Path=/",
        "Max-Age=1800",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
    ] {
        assert!(affinity.contains(attribute), "{affinity}");
    }
    let (_, value) = affinity.split_once('=').unwrap();
    assert!(
        !value.contains("127.0.0.1"),
        "it does not tell the endpoint: {affinity}"
    );
}

#[test]
fn a_session_survives_a_reload_also_with_a_key_that_was_drawn() {
    let mut town = Town::start("");
    let (cookie, endpoint) = town.begin();
    let changed = config([&town.one, &town.two], "").top("drain_max: 7s");
    assert_eq!(town.edge.reload(changed), 2);
    town.stays(&cookie, &endpoint);
}

#[test]
fn a_session_survives_the_rotation_of_keys_until_its_key_is_removed() {
    let mut town = Town::start("{ env: FIRST_KEY }");
    let (cookie, endpoint) = town.begin();
    town.edge.reload(config(
        [&town.one, &town.two],
        "{ env: SECOND_KEY }, { env: FIRST_KEY }",
    ));
    town.stays(&cookie, &endpoint);
    let (new, new_endpoint) = town.begin();
    town.edge
        .reload(config([&town.one, &town.two], "{ env: SECOND_KEY }"));
    town.stays(&new, &new_endpoint);
    let (_, set_anew) = town.go_on(&cookie);
    assert!(set_anew.is_some(), "the old one begins anew");
    assert_eq!(town.lost(), 0, "no endpoint was to blame");
}

#[test]
fn a_key_in_a_file_is_read_and_rotated_like_any_other() {
    let (one, two) = (Origin::ok("one"), Origin::ok("two"));
    let with_key = |key: &str| {
        config([&one, &two], "{ file: affinity.key }, { env: FIRST_KEY }")
            .file("affinity.key", key.repeat(32))
    };
    let edge = with_key("x").start();
    let mut town = Town {
        edge,
        one: Origin::ok("one"),
        two: Origin::ok("two"),
    };
    let (cookie, endpoint) = town.begin();
    town.stays(&cookie, &endpoint);
    town.edge.reload(with_key("y"));
    let (_, set_anew) = town.go_on(&cookie);
    assert!(set_anew.is_some());
}

#[test]
fn a_forged_cookie_is_worth_nothing_and_harms_nobody() {
    let town = Town::start("{ env: FIRST_KEY }");
    let (cookie, _) = town.begin();
    let mut flipped = cookie.clone().into_bytes();
    flipped[3] = if flipped[3] == b'A' { b'B' } else { b'A' };
    let long = "x".repeat(4000);
    for forged in [
        std::str::from_utf8(&flipped).unwrap(),
        "",
        "x",
        &long,
        &cookie[1..],
    ] {
        let (_, set_anew) = town.go_on(forged);
        assert!(set_anew.is_some_and(|new| new != forged), "{forged}");
    }
    assert_eq!(town.lost(), 0);
}

#[test]
fn a_drained_endpoint_keeps_its_sessions_and_gets_no_new_ones() {
    let town = Town::start("");
    let (cookie, endpoint) = town.begin();
    town.set_mode(&endpoint, "drain");
    town.stays(&cookie, &endpoint);
    for _ in 0..10 {
        assert_ne!(town.begin().1, endpoint);
    }
    assert_eq!(town.lost(), 0);
}

#[test]
fn a_session_of_an_endpoint_in_maintenance_moves_once_is_counted_and_stays_there() {
    let town = Town::start("");
    let (cookie, endpoint) = town.begin();
    town.set_mode(&endpoint, "maintenance");
    let (moved_to, new_cookie) = town.go_on(&cookie);
    assert_ne!(moved_to, endpoint);
    assert_eq!(town.lost(), 1);
    let new_cookie = new_cookie.expect("a cookie for the new endpoint");
    town.set_mode(&endpoint, "ready");
    town.stays(&new_cookie, &moved_to);
    assert_eq!(town.lost(), 1);
}

#[test]
fn a_session_whose_endpoint_left_the_config_moves_and_is_counted() {
    let mut town = Town::start("");
    let (cookie, endpoint) = town.begin();
    let other = if endpoint == "one" {
        &town.two
    } else {
        &town.one
    };
    let without = config([&town.one, &town.two], "").pool("wohngeld", &[other.address()], "");
    town.edge.reload(without);
    let (moved_to, set_anew) = town.go_on(&cookie);
    assert_ne!(moved_to, endpoint);
    assert!(set_anew.is_some());
    assert_eq!(town.lost(), 1);
}

#[test]
fn a_session_is_lost_once_however_often_its_request_waits_again() {
    let mut town = Town::start("{ env: FIRST_KEY }");
    let (cookie, _) = town.begin();
    let address = dead_port();
    town.edge.reload(before(&[address], "{ env: FIRST_KEY }"));
    let mut client = town.edge.connect();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: {COOKIE}={cookie}\r\n\r\n"
    ));
    town.edge.wait_metric("schleuse_requeued_total", 2.0);
    let _origin = listening(address);
    assert_eq!(client.response().status, 200);
    assert_eq!(town.lost(), 1);
}
