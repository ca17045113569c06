//! What a review with fresh eyes broke, each as the claim that holds now.

use schleuse_tests::{Authority, Client, Edge, Origin, eventually};

const HOST: &str = "wohngeld.example";
const SERVICE: &str = "hosts: [wohngeld.example]\nresponsible: bund";

#[test]
fn a_tls_client_that_never_reads_does_not_keep_its_connection() {
    // More than all socket buffers hold, so that the answer, and close_notify behind it, cannot go out.
    let origin = Origin::fixed(
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec(),
            vec![b'x'; 50_000_000],
        ]
        .concat(),
    );
    let authority = Authority::new();
    let pair = authority.issue(&[HOST]);
    let edge = Edge::new()
        .service("wohngeld", SERVICE)
        .pool("wohngeld", &[origin.address()], "")
        .top("client: { body_idle_max: 1s }")
        .tls("tls")
        .file("tls/a.crt", pair.certificate.clone())
        .file("tls/a.key", pair.key.clone())
        .start();
    let mut client = Client::secure(edge.https(), HOST, authority.client()).unwrap();
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    edge.wait_metric("schleuse_answers_aborted_total", 1.0);
    edge.wait_metric("schleuse_connections_open", 0.0);
    drop(client);
}

#[test]
fn a_trailer_obeys_the_rules_for_fields() {
    let origin = Origin::echo();
    let edge = Edge::new()
        .service(
            "wohngeld",
            "hosts: [wohngeld.example]\nresponsible: gemeinde\ntenant_from: [query, header]\n\
             tenant_header: X-Ars\n\
             request: { headers: { set: { X-Mandant: \"{tenant.ars}\" }, remove: [X-Debug] } }",
        )
        .pool("wohngeld", &[origin.address()], "")
        .top("trusted_proxies: [10.0.0.0/8]")
        .start();
    let mut client = edge.connect();
    client.send(format!(
        "POST /?ars=110000000000 HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\na\r\n0\r\nX-Ars: 064120000000\r\nX-Mandant: 064120000000\r\nX-Debug: 1\r\nX-Checksum: 5\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let received = String::from_utf8_lossy(&origin.received(0)).into_owned();
    assert!(received.contains("X-Checksum: 5"), "{received}");
    for other in ["X-Ars", "X-Mandant: 064120000000", "X-Debug"] {
        assert!(!received.contains(other), "{other} in {received}");
    }
}

#[test]
fn a_certificate_directory_that_appears_later_is_seen() {
    let origin = Origin::echo();
    let pair = Authority::new().issue(&[HOST]);
    let config = || {
        Edge::new()
            .service("wohngeld", SERVICE)
            .pool("wohngeld", &[origin.address()], "")
    };
    let edge = config().start();
    edge.write_config(&config().tls("late"));
    edge.log().wait_event("config_rejected");
    pair.write(&edge.directory().join("late"), "a");
    edge.log().wait_event("config_loaded");
}

#[test]
fn a_connection_that_outlives_its_listener_keeps_its_rules_and_is_asked_to_leave() {
    let origin = Origin::echo();
    let config = |second: bool| {
        let edge =
            Edge::new()
                .service("wohngeld", SERVICE)
                .pool("wohngeld", &[origin.address()], "");
        if second {
            edge.listener("address: 127.0.0.2:0\nredirect_https: true")
        } else {
            edge
        }
    };
    let edge = config(true).start();
    let event = edge.log().wait_event_with("listening", "127.0.0.2");
    let address = event["address"].as_str().unwrap().parse().unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get(HOST, "/").status, 308);

    edge.write_config(&config(false));
    edge.log().wait_event("config_loaded");

    let answer = client.get(HOST, "/");
    assert_eq!(
        (answer.status, answer.field("Connection")),
        (308, Some("close"))
    );
}

#[test]
fn a_redirect_points_to_no_host_but_ours() {
    let origin = Origin::echo();
    let edge = Edge::new()
        .service("wohngeld", SERVICE)
        .pool("wohngeld", &[origin.address()], "")
        .only_listener("address: 127.0.0.1:0\nredirect_https: true")
        .start();
    let mut client = edge.connect();
    assert_eq!(client.get(HOST, "/").status, 308);
    assert_eq!(client.get("evil.example", "/").status, 404);
}

#[test]
fn a_web_page_cannot_take_an_endpoint_out() {
    let origin = Origin::echo();
    let edge = Edge::new()
        .service("wohngeld", SERVICE)
        .pool("wohngeld", &[origin.address()], "")
        .start();
    let mut admin = edge.admin();
    admin.send(format!(
        "POST /api/v1/pools/wohngeld/endpoints/{}/maintenance HTTP/1.1\r\nHost: a\r\nOrigin: http://evil.example\r\n\r\n",
        origin.address()
    ));
    assert_eq!(admin.response().status, 403);
    eventually("the endpoint is still ready", || {
        edge.resource("/api/v1/pools/wohngeld")["endpoints"][0]["mode"] == "ready"
    });
}
