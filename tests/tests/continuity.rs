//! What lives goes on through a reload: exchanges with the config they began under, endpoints with what is known of them.

use schleuse_tests::{Client, Edge, Load, Origin, origin::ok};

const HOST: &str = "110000000000.wohngeld.example";

/// Opens a WebSocket and sends one round through it.
fn open_tunnel(client: &mut Client) {
    client.send(format!(
        "GET /chat HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(client.response().status, 101);
    round(client, b"\x81\x03one");
}

fn round(client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    assert_eq!(client.read_exact(bytes.len()), bytes);
}

#[test]
fn p25_a_tunnel_and_an_upload_survive_the_removal_of_an_unrelated_route_and_of_their_own() {
    let chat = Origin::websocket_echo();
    let upload = Origin::serve(|request, conversation| {
        conversation.send(ok(&request.body.len().to_string()));
    });
    let both = Edge::new()
        .origin(chat.address())
        .service("bafoeg", "")
        .pool("bafoeg", &[upload.address()], "");
    let mut edge = both
        .clone()
        .service("elterngeld", "")
        .pool("elterngeld", &[upload.address()], "")
        .start();
    let (mut tunnel, mut form) = (edge.connect(), edge.connect());
    open_tunnel(&mut tunnel);
    form.send(
        "POST /form HTTP/1.1\r\nHost: 110000000000.bafoeg.example\r\nContent-Length: 10\r\n\r\nabc",
    );

    edge.reload(both.clone());
    round(&mut tunnel, b"\x81\x03two");
    form.send("def");
    edge.reload(
        both.without("wohngeld")
            .without("bafoeg")
            .service("elterngeld", "")
            .pool("elterngeld", &[upload.address()], ""),
    );
    round(&mut tunnel, b"\x81\x05three");
    form.send("ghij");

    assert_eq!(form.response().text(), "10");
    assert_eq!(edge.get(HOST, "/").status, 404, "the route itself is gone");
    round(&mut tunnel, b"\x81\x04four");
}

#[test]
fn p26_requests_split_about_evenly_however_often_the_config_is_reloaded() {
    let origins = [Origin::ok("one").forgetful(), Origin::ok("two").forgetful()];
    let addresses = [origins[0].address(), origins[1].address()];
    let config = |number: usize| {
        let header = format!("request: {{ headers: {{ set: {{ X-Number: \"{number}\" }} }} }}");
        Edge::new()
            .top("access_log: { enabled: false }")
            .service("wohngeld", &header)
            .pool("wohngeld", &addresses, "")
    };
    let mut edge = config(0).start();
    let load = Load::plain(4, edge.http(), HOST);
    for number in 1..=20 {
        load.wait_answers(50);
        edge.reload(config(number));
    }
    let (_, failures) = load.stop();
    assert!(failures.is_empty(), "{failures:?}");
    let [one, two] = [origins[0].request_count(), origins[1].request_count()];
    // One would have all new requests if a reload forgot what is known of endpoints. A busy machine can slow one of them
    // down for a while, and it is spared then.
    assert!(
        one * 20 > one + two && two * 20 > one + two,
        "{one} : {two}"
    );
}

#[test]
fn p26_what_is_known_of_an_endpoint_outlives_a_reload() {
    let origins = [Origin::ok("one"), Origin::ok("two")];
    let addresses = [origins[0].address(), origins[1].address()];
    let config = |options: &str| {
        Edge::new()
            .service("wohngeld", "")
            .pool("wohngeld", &addresses, options)
    };
    let mut edge = config("").start();
    for _ in 0..20 {
        assert_eq!(edge.get(HOST, "/").status, 200);
    }
    edge.set_mode("wohngeld", addresses[0], "drain");
    let before = edge.resource("/api/v1/pools/wohngeld");
    edge.reload(config("concurrency: 7"));
    let after = edge.resource("/api/v1/pools/wohngeld");
    assert_eq!(after["endpoints"][0]["seats"], 7);
    for (before, after) in
        [0, 1].map(|index| (&before["endpoints"][index], &after["endpoints"][index]))
    {
        for key in ["address", "mode", "healthy", "arrivals", "connections"] {
            assert_eq!(before[key], after[key], "{key}");
        }
    }
    assert_eq!(after["arrivals"], 20);
}

#[test]
fn p28_one_host_with_two_ports_is_two_endpoints_and_losing_one_keeps_the_other() {
    let origins = [Origin::ok("one"), Origin::ok("two")];
    let addresses = [origins[0].address(), origins[1].address()];
    let config = |endpoints: &[_]| {
        Edge::new()
            .service("wohngeld", "")
            .pool("wohngeld", endpoints, "")
    };
    let mut edge = config(&addresses).start();
    for _ in 0..40 {
        assert_eq!(edge.get(HOST, "/").status, 200);
    }
    assert!(origins.iter().all(|origin| origin.request_count() > 0));
    edge.reload(config(&addresses[1..]));
    let pool = edge.resource("/api/v1/pools/wohngeld");
    assert_eq!(pool["endpoints"].as_array().unwrap().len(), 1);
    for _ in 0..10 {
        assert_eq!(edge.get(HOST, "/").text(), "two");
    }
    edge.reload(config(&addresses));
    let pool = edge.resource("/api/v1/pools/wohngeld");
    assert_eq!(pool["endpoints"].as_array().unwrap().len(), 2);
}
