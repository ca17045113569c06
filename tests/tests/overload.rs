//! What the proxy does when it is short of something itself: memory for those who wait, time, file handles.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use schleuse_tests::{Client, Edge, Gate, Origin, RunningEdge, eventually};

use crate::{
    one_service::{PREFETCH_BYTES, amt, label, refusal},
    requeue::{dead_port, listening},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n";

#[test]
fn clients_are_served_and_not_reset_when_file_handles_run_short() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("overload: { file_handles: 60% }")
        .file_handles_max(100)
        .start();
    // More than there are handles for, and none of them leaves by itself.
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..150 {
        let mut client = edge.connect();
        assert_eq!(client.get("amt.example", "/").status, 200);
        clients.push(client);
    }
    assert!(edge.metric("schleuse_accept_paused_total") >= 1.0);
    let closed = "schleuse_overload_actions_total{action=\"close_resting\"}";
    assert!(edge.metric(closed) >= 1.0);
    eventually("accepting goes on", || {
        edge.metric("schleuse_file_handles") < edge.metric("schleuse_file_handles_pause")
    });
}

#[test]
fn too_few_file_handles_for_the_config_are_said_at_start_with_what_to_do() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { connections_max: 500 }")
        .file_handles_max(600)
        .start();
    let events = edge.log().events("few_file_handles");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["limit"], "600");
    assert_eq!(events[0]["wanted"], "1256");
    let remedy = events[0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("LimitNOFILE=1256"), "{remedy}");
}

#[test]
fn as_many_file_handles_as_the_config_needs_are_not_warned_about() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { connections_max: 500 }")
        .file_handles_max(1256)
        .start();
    assert!(edge.log().events("few_file_handles").is_empty());
}

#[test]
fn without_a_word_connections_are_as_many_as_file_handles_are_enough_for() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .file_handles_max(400)
        .start();
    assert!(edge.log().events("few_file_handles").is_empty());
    let mut served: Vec<_> = (0..72).map(|_| edge.connect()).collect();
    for client in &mut served {
        assert_eq!(client.get("amt.example", "/").status, 200);
    }
    assert!(edge.connect().read_to_end().is_empty());
    let refused = "schleuse_connections_refused_total{reason=\"total\"}";
    assert_eq!(edge.count(refused), 1);
}

/// Holds the process up for longer than it may be late, with what `meanwhile` does.
fn stand_still<T>(edge: &RunningEdge, meanwhile: impl FnOnce() -> T) -> T {
    const LATE: Duration = Duration::from_millis(300);
    edge.signal(Signal::SIGSTOP);
    let since = Instant::now();
    let done = meanwhile();
    while since.elapsed() < LATE {
        thread::park_timeout(LATE.saturating_sub(since.elapsed()));
    }
    edge.signal(Signal::SIGCONT);
    done
}

#[test]
fn a_worker_that_is_late_refuses_new_clients_and_serves_those_it_has() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("overload: { lag_max: 50ms }")
        .start();
    let mut old = edge.connect();
    assert_eq!(old.get("amt.example", "/").status, 200);
    // A machine that is itself late may let the moment pass; then it is tried again.
    eventually("a new client is refused", || {
        let mut new = stand_still(&edge, || {
            old.send(GET);
            let mut new = edge.connect();
            new.send(GET);
            new
        });
        assert_eq!(old.response().status, 200);
        let answer = new.response();
        if answer.status == 503 {
            assert_eq!(label(&answer), refusal(503, "overloaded"));
            assert_eq!(
                new.get("amt.example", "/").status,
                200,
                "the connection stays open"
            );
        }
        answer.status == 503
    });
    let refused = "schleuse_overload_actions_total{action=\"refuse_new_late\"}";
    assert!(edge.metric(refused) >= 1.0);
    assert!(edge.metric("schleuse_worker_lag_seconds_sum") >= 0.1);
}

/// Two services with a pool each, of one seat that is taken, and 1 MiB for those who wait at either.
fn two_full_pools(origin: &Origin) -> Edge {
    let pool =
        "concurrency: 1\nslow_start: 0s\nqueue: { wait_max: 20s, bytes_per_tenant_max: 1MiB }";
    Edge::new()
        .environment("SCHLEUSE_WORKERS", "1")
        .top("overload: { held_bytes_max: 1MiB }")
        .service("amt", "responsible: bund")
        .pool("amt", &[origin.address()], pool)
        .service("kfz", "responsible: bund")
        .pool("kfz", &[origin.address()], pool)
}

#[test]
fn whoever_would_wait_is_refused_when_memory_for_waiting_is_used_up() {
    let gate = Gate::default();
    let pass = gate.clone();
    let origin = Origin::serve(move |_, conversation| {
        pass.pass();
        conversation.send(schleuse_tests::origin::ok("ok"));
    });
    let edge = two_full_pools(&origin).start();
    let body = "x".repeat(PREFETCH_BYTES);
    let post = |host: &str| {
        let mut client = edge.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {PREFETCH_BYTES}\r\n\r\n{body}"
        ));
        client
    };
    let taken = [post("amt.example"), post("kfz.example")];
    origin.wait_requests(2);
    // 16 KiB and 4 KiB each: 51 fit into the process's MiB, and neither pool alone has as many.
    let mut waiting: Vec<_> = taken.into_iter().collect();
    waiting.extend((0..40).map(|_| post("amt.example")));
    eventually("they wait", || {
        edge.metric("schleuse_held_bytes") > 40.0 * 20_480.0
    });
    let mut late: Vec<_> = (0..30).map(|_| post("kfz.example")).collect();
    let refused = "schleuse_overload_actions_total{action=\"refuse_wait_memory\"}";
    eventually("some of the late ones are refused", || {
        edge.metric(refused) >= 15.0
    });
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().status, 200, "admitted work is finished");
    }
    for client in &mut late {
        let answer = client.response();
        assert!(answer.status == 200 || label(&answer) == refusal(503, "overloaded"));
    }
    eventually("nothing is held any more", || {
        edge.metric("schleuse_held_bytes") < 1.0
    });
}

/// Its endpoint takes no connection for a while, and by then others have used up the memory for waiting.
#[test]
fn who_had_a_seat_waits_again_whatever_memory_others_wait_in() {
    let gate = Gate::default();
    let pass = gate.clone();
    let busy = Origin::serve(move |_, conversation| {
        pass.pass();
        conversation.send(schleuse_tests::origin::ok("ok"));
    });
    let address = dead_port();
    let edge = Edge::new()
        .environment("SCHLEUSE_WORKERS", "1")
        .top("overload: { held_bytes_max: 1MiB }")
        .service("amt", "responsible: bund")
        .pool("amt", &[busy.address()], "concurrency: 1\nslow_start: 0s")
        .service("kfz", "responsible: bund")
        .pool("kfz", &[address], "slow_start: 0s")
        .start();
    let body = "x".repeat(PREFETCH_BYTES);
    let _waiting: Vec<_> = (0..60)
        .map(|_| {
            let mut client = edge.connect();
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {PREFETCH_BYTES}\r\n\r\n{body}"
            ));
            client
        })
        .collect();
    eventually("the memory is used up", || {
        edge.metric("schleuse_held_bytes") > 50.5 * 20_480.0
    });
    let mut admitted = edge.connect();
    admitted.send("GET /admitted HTTP/1.1\r\nHost: kfz.example\r\n\r\n");
    edge.wait_metric("schleuse_pool_waiting{pool=\"kfz\"}", 1.0);
    let _origin = listening(address);
    assert_eq!(admitted.response().text(), "/admitted 0");
    gate.open();
}

/// A service with a MiB for all that is held.
fn one_mebibyte(origin: &Origin) -> RunningEdge {
    amt(&[origin.address()], "", "concurrency: 200\nslow_start: 0s")
        .top("overload: { held_bytes_max: 1MiB }\nclient: { body_rate_min: 0B/s }")
        .start()
}

/// Starts more requests than there is memory for, ends them, and says how many were refused.
fn refused_of_100(edge: &RunningEdge, start: &str, rest: &str) -> usize {
    let mut clients: Vec<_> = (0..100).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(start);
    }
    let refused = "schleuse_overload_actions_total{action=\"refuse_read_memory\"}";
    let held = (1 << 20) / (start.len() as u64 - 1_200);
    eventually("those beyond the budget are refused", || {
        edge.count(refused) + held >= 100
    });
    assert!(edge.metric("schleuse_held_bytes") <= 1_048_576.0);
    let mut count = 0;
    for client in &mut clients {
        let _ = client.try_send(rest); // a refused one may be closed already
        let answer = client.response();
        if answer.status != 200 {
            assert_eq!(label(&answer), refusal(503, "overloaded"));
            count += 1;
        }
    }
    eventually("nothing is held any more", || {
        edge.metric("schleuse_held_bytes") < 1.0
    });
    count
}

#[test]
fn bodies_that_trickle_are_in_the_budget_of_memory_while_they_are_read() {
    let origin = Origin::ok("ok");
    let edge = one_mebibyte(&origin);
    let start = "x".repeat(PREFETCH_BYTES - 1);
    let start = format!(
        "POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {PREFETCH_BYTES}\r\n\r\n{start}"
    );
    let refused = refused_of_100(&edge, &start, "x");
    assert!((20..60).contains(&refused), "{refused}");
}

#[test]
fn heads_that_trickle_are_in_the_budget_of_memory_while_they_are_read() {
    let origin = Origin::ok("ok");
    let edge = one_mebibyte(&origin);
    let filling = "x".repeat(15_000);
    let start = format!("GET / HTTP/1.1\r\nHost: amt.example\r\nX-Filling: {filling}");
    let refused = refused_of_100(&edge, &start, "\r\n\r\n");
    assert!((20..60).contains(&refused), "{refused}");
}
