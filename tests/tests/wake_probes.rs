//! Probes of endpoints that start: those that hang, many as they are, do not hold up whoever is waited for.

use std::net::{Ipv4Addr, SocketAddr};

use schleuse_tests::{Edge, Origin, origin};

use crate::{
    full_pool::{ask, wait_waiting},
    one_service::amt,
    wake::{list, listed},
};

/// So many that their turns, 64 at a time, take ten seconds and more: far longer than a wake takes to be noticed.
const HANGING: usize = 4_000;

/// What accepts at every address of this machine and never answers.
fn hanging() -> Origin {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Origin::serve_on(everywhere, |_, conversation| {
        conversation.wait_for_the_peer();
    })
}

/// The same with a second pool, whose endpoints hang.
fn beside(hanging: &Origin, edge: Edge) -> Edge {
    let port = hanging.address().port();
    let address = |number| {
        let host = Ipv4Addr::from_bits(0x7f4e_0001 + u32::try_from(number).unwrap());
        SocketAddr::from((host, port))
    };
    let addresses: Vec<_> = (0..HANGING).map(address).collect();
    let pool = "concurrency: 1\nscale: { keda: {}, min: 0 }\nhealth: { path: / }";
    edge.service("mute", "responsible: bund")
        .pool("mute", &addresses, pool)
}

#[test]
fn a_new_endpoint_that_is_waited_for_is_probed_before_four_thousand_that_hang_had_their_turns() {
    let hanging = hanging();
    let origin = Origin::ok("awake");
    let edge = beside(&hanging, listed("wait_max: 60s")).start();
    let mut client = ask(&edge, "/");
    wait_waiting(&edge, 1);
    hanging.wait_requests(100); // all places are taken, and the others wait for one
    let before = hanging.request_count();
    list(&edge, &[origin.address()]);
    assert_eq!(client.response().text(), "awake");
    let meanwhile = hanging.request_count() - before;
    assert!(meanwhile < HANGING / 2, "{meanwhile}");
}

#[test]
fn an_endpoint_that_has_been_silent_for_long_is_probed_as_a_new_one_when_its_pool_is_woken() {
    let hanging = hanging();
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let pool = "scale: { keda: {}, min: 0 }\nqueue: { wait_max: 60s }";
    let edge = beside(&hanging, amt(&[address], "", pool)).start();
    hanging.wait_requests(100);
    let mut client = ask(&edge, "/");
    let before = hanging.request_count();
    let _origin = Origin::serve_on(address, |_, conversation| {
        conversation.send(origin::ok("awake"));
    });
    assert_eq!(client.response().text(), "awake");
    let meanwhile = hanging.request_count() - before;
    assert!(meanwhile < HANGING / 2, "{meanwhile}");
}
