//! What tests of waiting stand on: a pool whose seats are all taken until a gate opens.

use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, eventually};

use crate::one_service::amt;

/// How many wait in the pool of `one_service`.
pub(crate) const WAITING: &str = "schleuse_pool_waiting{pool=\"amt\"}";
/// How many have a seat in it.
pub(crate) const IN_FLIGHT: &str = "schleuse_pool_in_flight{pool=\"amt\"}";

/// A backend that answers with the target it was asked for, once the gate is open.
pub(crate) fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serve(move |request, conversation| {
        gate.pass();
        conversation.send(schleuse_tests::origin::ok(&request.target));
    })
}

/// One seat before `origin`, with lines for the pool's queue.
pub(crate) fn one_seat(origin: &Origin, queue: &str) -> Edge {
    let pool = format!("concurrency: 1\nslow_start: 0s\nqueue: {{ {queue} }}");
    amt(&[origin.address()], "", &pool)
}

/// Sends a request and does not wait for its answer.
pub(crate) fn ask(edge: &RunningEdge, target: &str) -> Client {
    let mut client = edge.connect();
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: amt.example\r\n\r\n"
    ));
    client
}

/// Takes the only seat.
pub(crate) fn occupy(edge: &RunningEdge, origin: &Origin) -> Client {
    let client = ask(edge, "/first");
    origin.wait_requests(1);
    client
}

/// Waits until exactly so many wait.
pub(crate) fn wait_waiting(edge: &RunningEdge, count: u64) {
    eventually(&format!("{count} wait"), || edge.count(WAITING) == count);
}
