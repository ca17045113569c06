//! More than a pool can do: what is held, what is refused at once, and what is left when it is over.

use schleuse_tests::{Client, Gate, Origin, RunningEdge, eventually, origin::ok};

use crate::{
    fair_line::{BERLIN, COLOGNE, GROEDE, HAMBURG, config},
    one_service::label,
};

const WAITING: &str = "schleuse_pool_waiting{pool=\"wohngeld\"}";

fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |_, conversation| {
        gate.pass();
        conversation.send(ok("served"));
    })
}

fn get(tenant: &str) -> String {
    format!("GET /{tenant}/ HTTP/1.1\r\nHost: wohngeld.example\r\n\r\n")
}

/// So many clients of these tenants in turn, each with a request sent.
fn ask(edge: &RunningEdge, count: usize, tenants: &[&str]) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| edge.connect()).collect();
    for (client, tenant) in clients.iter_mut().zip(tenants.iter().cycle()) {
        client.send(get(tenant));
    }
    clients
}

#[test]
fn beyond_its_places_a_pool_refuses_at_once_and_keeps_every_connection() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let edge = config(2, "waiting_max: 4", &[origin.address()]).start();
    // Of several tenants, so that it is the pool's places that run out and no tenant's own.
    let clients = ask(&edge, 40, &[BERLIN, HAMBURG, COLOGNE, GROEDE]);
    eventually("34 are refused", || {
        edge.metrics().sum("schleuse_refused_total") >= 34.0
    });
    origin.wait_requests(2);
    assert_eq!((edge.count(WAITING), origin.request_count()), (4, 2));
    gate.open();
    eventually("there is room again", || edge.count(WAITING) == 0);
    let mut served = 0;
    for mut client in clients {
        let answer = client.response();
        if answer.status == 200 {
            served += 1;
            continue;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(label(&answer).1.contains("queue_full"), "{}", answer.text());
        let seconds: u64 = answer.field("Retry-After").unwrap().parse().unwrap();
        assert!(seconds >= 1);
        // The same connection again, now that there is room.
        assert_eq!(client.send(get(BERLIN)).response().text(), "served");
    }
    assert_eq!(served, 6);
}
