//! Orders to those who start endpoints: who is served first when many pools wake together, and what is said too late.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, binary, eventually, origin};
use serde_json::Value;

use crate::{
    full_pool::{ask, wait_waiting},
    one_service::amt,
};

const POOLS: usize = 50;
const BACKLOG_MAX: usize = 4;
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Requests that wait for the pool of this number: neither falls nor grows with the number.
fn backlog(pool: usize) -> usize {
    pool % BACKLOG_MAX + 1
}

/// Addresses on which nobody listens until the test does: their port is taken on another address of this machine.
struct Reserved(TcpListener);

impl Reserved {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self, number: usize) -> SocketAddr {
        let host = Ipv4Addr::from_bits(0x7f4d_0001 + u32::try_from(number).unwrap());
        SocketAddr::from((host, self.0.local_addr().unwrap().port()))
    }

    fn serve(&self, number: usize) -> Origin {
        Origin::serve_on(self.address(number), |_, conversation| {
            conversation.send(origin::ok("awake"));
        })
    }
}

fn sleeping(reserved: &Reserved, way: &str) -> Edge {
    let pool = |edge: Edge, number: usize| {
        let options = format!(
            "concurrency: 2\nslow_start: 0s\nqueue: {{ client_share: 100%, wait_max: 60s }}\n\
             scale: {{ min: 0, max: 1, cold_start: 20s, {way} }}"
        );
        let name = format!("p{number}");
        edge.service(&name, "responsible: bund")
            .pool(&name, &[reserved.address(number)], &options)
    };
    (0..POOLS).fold(Edge::new().file("k", SECRET), pool)
}

/// Runs on one core: what it sends out one after the other then arrives one after the other. The kernel has a queue of
/// arrivals per core.
fn start_on_one_core(edge: Edge) -> RunningEdge {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this).unwrap();
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|core| all.is_set(*core).unwrap());
    one.set(first.unwrap()).unwrap();
    sched_setaffinity(this, &one).unwrap();
    let edge = edge.start();
    sched_setaffinity(this, &all).unwrap();
    edge
}

/// Number of the pool and of the order, by the number of the connection that brought it.
type Orders = Arc<Mutex<BTreeMap<usize, (usize, u64)>>>;

fn receiver() -> (Origin, Orders) {
    let orders = Orders::default();
    let taken = orders.clone();
    let receiver = Origin::serve(move |request, conversation| {
        let order: Value = serde_json::from_slice(&request.body).unwrap();
        let pool = order["pool"].as_str().unwrap().strip_prefix('p').unwrap();
        let order = (pool.parse().unwrap(), order["attempt"].as_u64().unwrap());
        taken.lock().unwrap().insert(conversation.number(), order);
        conversation.send(origin::ok("taken"));
    });
    (receiver, orders)
}

#[test]
fn of_fifty_pools_woken_at_once_those_with_the_greatest_backlog_are_ordered_for_first_and_nobody_is_lost()
 {
    let reserved = Reserved::new();
    let (receiver, orders) = receiver();
    let mut edge = start_on_one_core(sleeping(&reserved, "keda: {}"));
    let mut clients: Vec<Client> = (0..POOLS)
        .flat_map(|pool| (0..backlog(pool)).map(move |_| pool))
        .map(|pool| {
            let mut client = edge.connect();
            client.send(format!("GET / HTTP/1.1\r\nHost: p{pool}.example\r\n\r\n"));
            client
        })
        .collect();
    let all = (0..POOLS).map(backlog).sum::<usize>();
    eventually("all of them wait", || {
        let waiting = edge.metrics().sum("schleuse_pool_waiting");
        (waiting - f64::from(u32::try_from(all).unwrap())).abs() < 0.5
    });
    let webhook = format!(
        "webhook: {{ url: \"http://{}/\", secret: {{ file: k }} }}",
        receiver.address()
    );
    edge.reload(sleeping(&reserved, &webhook));
    eventually("each has its order", || {
        orders.lock().unwrap().len() == POOLS
    });
    let taken: Vec<_> = orders.lock().unwrap().values().copied().collect();
    let backlogs: Vec<_> = taken.iter().map(|(pool, _)| backlog(*pool)).collect();
    assert!(
        backlogs.is_sorted_by(|before, after| before >= after),
        "{backlogs:?}"
    );
    assert!(
        taken.is_sorted_by_key(|(_, number)| *number),
        "numbered as they were given: {taken:?}"
    );
    let _started: Vec<_> = (0..POOLS).map(|pool| reserved.serve(pool)).collect();
    for client in &mut clients {
        assert_eq!(client.response().text(), "awake");
    }
}

fn activation(edge: &RunningEdge, key: &str) -> Value {
    edge.resource("/api/v1/pools/amt")["activation"][key].clone()
}

#[test]
fn a_refusal_of_an_order_that_comes_when_its_attempt_was_given_up_changes_nothing_for_the_next() {
    let reserved = Reserved::new();
    let gate = Gate::default();
    let (asked, late) = (AtomicUsize::new(0), gate.clone());
    let receiver = Origin::serve(move |_, conversation| {
        conversation.send(if asked.fetch_add(1, SeqCst) == 0 {
            late.pass();
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            origin::ok("taken")
        });
    });
    let pool = format!(
        "queue: {{ wait_max: 60s }}\nscale: {{ min: 0, max: 1, cold_start: 1s, \
         webhook: {{ url: \"http://{}/\", secret: {{ file: k }}, timeout: 1m }} }}",
        receiver.address()
    );
    let edge = amt(&[reserved.address(0)], "", &pool)
        .file("k", SECRET)
        .start();
    let mut first = ask(&edge, "/");
    receiver.wait_requests(1);
    let given_up = edge.log().wait_event("wake_failed");
    assert_eq!(
        (&given_up["attempt"], &given_up["why"]),
        (&"1".into(), &"timed_out".into())
    );
    assert_eq!(first.response().status, 503);
    let mut second = ask(&edge, "/");
    edge.log()
        .wait_event_with("pool_wakes", "\"attempt\":\"2\"");
    gate.open();
    edge.log().wait_event("webhook_failed");
    receiver.wait_requests(2);
    assert_eq!(activation(&edge, "phase"), "waking");
    assert_eq!(activation(&edge, "failed_starts"), 0);
    let orders = receiver.requests();
    let keys: Vec<_> = orders
        .iter()
        .map(|order| order.field("idempotency-key"))
        .collect();
    assert_ne!(keys[0], keys[1], "the new attempt has an order of its own");
    let _started = reserved.serve(0);
    assert_eq!(second.response().text(), "awake");
    assert_eq!(edge.log().events("wake_failed").len(), 1);
}

/// A program of which the first two that are started end when the test says so, and the next serves when the test does.
fn program() -> String {
    let binary = binary::path().display();
    let wait = |file: &str| format!("while [ ! -e {file} ]; do sleep 0.02; done");
    format!(
        "if mkdir first; then {}; exit 1; elif mkdir second; then {}; exit 1; else {}; \
         exec {binary} demo-backend --name a --port {{port}}; fi",
        wait("end-first"),
        wait("end-second"),
        wait("serve")
    )
}

#[test]
fn a_replica_that_ends_when_its_attempt_was_given_up_changes_nothing_for_the_next() {
    let pool = format!(
        "concurrency: 1\nslow_start: 0s\nqueue: {{ wait_max: 60s, client_share: 100% }}\n\
         scale:\n  process:\n    command: [sh, -c, \"{}\"]\n  min: 0\n  max: 2\n  cold_start: 20s\n  service_time: 10s",
        program()
    );
    let edge = amt(&[], "", &pool).start();
    let say = |file: &str| fs::write(edge.directory().join(file), "").unwrap();
    let is_there = |file: &str| Path::exists(&edge.directory().join(file));
    let mut clients = [ask(&edge, "/"), ask(&edge, "/")];
    eventually("two are started", || is_there("second"));
    say("end-first");
    let given_up = edge.log().wait_event("wake_failed");
    assert_eq!(given_up["why"], "start_failed");
    edge.log()
        .wait_event_with("pool_wakes", "\"attempt\":\"2\"");
    say("end-second");
    eventually("its end is known", || {
        activation(&edge, "failed_starts") == 2
    });
    assert_eq!(activation(&edge, "phase"), "waking");
    wait_waiting(&edge, 2);
    say("serve");
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(edge.log().events("wake_failed").len(), 1);
}
