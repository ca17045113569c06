//! TLS towards clients: which certificate, which versions and suites, which names on which connection.

use std::io;

use nix::sys::signal::Signal;
use rustls::{SupportedCipherSuite, crypto::aws_lc_rs::cipher_suite as suite};
use schleuse_tests::{Authority, Client, Edge, Origin, Pair, RunningEdge};

/// Two services under names of their own, each with its certificate, and one certificate for two names.
struct Town {
    authority: Authority,
    berlin: Pair,
    koeln: Pair,
    _origin: Origin,
    edge: RunningEdge,
}

impl Town {
    fn start() -> Self {
        let authority = Authority::new();
        let berlin = authority.issue(&["berlin.example", "www.berlin.example"]);
        let koeln = authority.issue(&["koeln.example", "*.koeln.example"]);
        let origin = Origin::echo();
        let hosts =
            "hosts: [berlin.example, www.berlin.example, koeln.example, \"*.koeln.example\"]";
        let mut config = Edge::new()
            .service("wohngeld", &format!("{hosts}\nresponsible: bund"))
            .pool("wohngeld", &[origin.address()], "")
            .tls("tls");
        for (name, pair) in [("berlin", &berlin), ("koeln", &koeln)] {
            config = config
                .file(&format!("tls/{name}.crt"), pair.certificate.clone())
                .file(&format!("tls/{name}.key"), pair.key.clone());
        }
        Self {
            edge: config.start(),
            authority,
            berlin,
            koeln,
            _origin: origin,
        }
    }

    fn connect(&self, name: &str) -> Client {
        Client::secure(self.edge.https(), name, self.authority.client()).unwrap()
    }
}

#[test]
fn each_name_gets_its_own_certificate_and_a_stranger_the_first() {
    let town = Town::start();
    for (name, pair) in [
        ("berlin.example", &town.berlin),
        ("www.berlin.example", &town.berlin),
        ("koeln.example", &town.koeln),
        ("antrag.koeln.example", &town.koeln),
    ] {
        let mut client = town.connect(name);
        assert_eq!(client.certificate(), Some(pair.der()), "{name}");
        assert_eq!(client.get(name, "/").status, 200, "{name}");
    }
    let stranger = Client::secure(town.edge.https(), "other.example", town.authority.client());
    let refused = stranger.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[test]
fn the_backend_is_told_that_the_client_came_over_tls() {
    let town = Town::start();
    let answer = town.connect("berlin.example").get("berlin.example", "/");
    assert!(
        answer.text().contains("[\"X-Forwarded-Proto\",\"https\"]"),
        "{}",
        answer.text()
    );
}

#[test]
fn p17_another_certificates_name_is_421_and_the_connection_stays_open_for_the_right_one() {
    let town = Town::start();
    let mut client = town.connect("berlin.example");
    for _ in 0..3 {
        let misdirected = client.get("koeln.example", "/");
        assert_eq!(misdirected.status, 421);
        assert_eq!(misdirected.json()["reason"], "misdirected");
        assert_eq!(client.get("berlin.example", "/").status, 200);
    }
    assert_eq!(
        client.get("www.berlin.example", "/").status,
        200,
        "the same certificate"
    );
}

#[test]
fn p18_neither_a_port_nor_capital_letters_make_a_name_another_one() {
    let town = Town::start();
    let mut client = town.connect("berlin.example");
    for host in [
        "berlin.example:8443",
        "BERLIN.example",
        "Www.Berlin.Example:443",
    ] {
        assert_eq!(client.get(host, "/").status, 200, "{host}");
    }
    assert_eq!(client.get("koeln.example:8443", "/").status, 421);
    assert_eq!(
        town.connect("BERLIN.EXAMPLE")
            .get("berlin.example", "/")
            .status,
        200
    );
}

#[test]
fn aes_gcm_with_forward_secrecy_is_spoken_in_1_2_and_1_3_and_chacha_in_neither() {
    let town = Town::start();
    let speak = |suite: SupportedCipherSuite| {
        let config = town.authority.client_with(&[suite]);
        let mut client = Client::secure(town.edge.https(), "berlin.example", config)?;
        assert_eq!(client.get("berlin.example", "/").status, 200);
        let negotiated = client.tls().unwrap().negotiated_cipher_suite();
        io::Result::Ok(negotiated.unwrap().suite())
    };
    for spoken in [
        suite::TLS13_AES_128_GCM_SHA256,
        suite::TLS13_AES_256_GCM_SHA384,
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ] {
        assert_eq!(speak(spoken).unwrap(), spoken.suite());
    }
    for refused in [
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ] {
        assert!(speak(refused).is_err(), "{:?}", refused.suite());
    }
    town.edge
        .wait_metric("schleuse_tls_handshakes_failed_total", 2.0);
}

#[test]
fn plain_text_on_a_tls_listener_gets_no_answer_and_hurts_nobody() {
    let town = Town::start();
    let mut client = Client::connect(town.edge.https());
    client.send("GET / HTTP/1.1\r\nHost: berlin.example\r\n\r\n");
    let came = client.read_to_end();
    assert!(
        !came.starts_with(b"HTTP"),
        "{}",
        String::from_utf8_lossy(&came)
    );
    assert_eq!(
        town.connect("berlin.example")
            .get("berlin.example", "/")
            .status,
        200
    );
}

#[test]
fn a_plain_listener_redirects_to_https_and_keeps_path_query_and_method() {
    let origin = Origin::ok("never");
    for (setting, port) in [("true", ""), ("8443", ":8443")] {
        let edge = Edge::new()
            .only_listener(&format!("address: 127.0.0.1:0\nredirect_https: {setting}"))
            .origin(origin.address())
            .start();
        let mut client = edge.connect();
        let answer = client.get("Wohngeld.Example:80", "/a%20b?c=d&e");
        assert_eq!(answer.status, 308);
        let location = format!("https://wohngeld.example{port}/a%20b?c=d&e");
        assert_eq!(answer.field("Location"), Some(&*location));
        assert_eq!(
            client.get("wohngeld.example", "/").status,
            308,
            "the connection goes on"
        );
    }
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn idle_connections_end_with_close_notify_when_their_time_is_over_and_when_the_process_stops() {
    let authority = Authority::new();
    let pair = authority.issue(&["wohngeld.example"]);
    let origin = Origin::ok("fine");
    for (idle_max, signal) in [("100ms", None), ("1h", Some(Signal::SIGTERM))] {
        let edge = Edge::new()
            .top(&format!("client: {{ idle_max: {idle_max} }}"))
            .service("wohngeld", "responsible: bund")
            .pool("wohngeld", &[origin.address()], "")
            .tls("tls")
            .file("tls/a.crt", pair.certificate.clone())
            .file("tls/a.key", pair.key.clone())
            .start();
        let name = "wohngeld.example";
        let mut client = Client::secure(edge.https(), name, authority.client()).unwrap();
        assert_eq!(client.get(name, "/").status, 200);
        if let Some(signal) = signal {
            edge.signal(signal);
        }
        // Without close_notify this would be an error: the end could be an attacker's (RFC 8446 §6.1).
        assert_eq!(client.try_response_to("GET").unwrap(), None, "{idle_max}");
    }
}
