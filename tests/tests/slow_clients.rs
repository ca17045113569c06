//! Clients that are slow, silent or gone: each ends at its deadline and costs nobody else anything.

use schleuse_tests::{Origin, Response, eventually};

use crate::one_service::{amt, before, label, refusal};

#[test]
fn a_client_that_stops_in_its_body_is_a_408() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { body_idle_max: 300ms }")
        .start();
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 10\r\n\r\nhalf");
    let answer = client.response();
    assert_eq!(label(&answer), refusal(408, "client_body_timeout"));
    assert!(client.read_to_end().is_empty());
    eventually("the upstream is closed", || origin.open_count() == 0);
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn a_client_that_drips_its_body_below_the_least_rate_is_a_408() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { body_rate_min: 1MiB/s }")
        .start();
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 100000000\r\n\r\n");
    // The rate is judged over ten seconds of waiting.
    eventually("something comes before the body's end", || {
        client.try_send("x").is_err() || !client.is_quiet()
    });
    assert_eq!(client.response().status, 408);
}

#[test]
fn a_client_that_leaves_frees_its_place_while_it_waits() {
    let origin = Origin::hanging();
    let edge = before(&[origin.address()], "");
    for way in ["close", "reset", "half-close"] {
        let mut client = edge.connect();
        client.send("GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n");
        eventually("the backend has it", || origin.open_count() == 1);
        match way {
            "close" => drop(client),
            "reset" => client.reset(),
            // Who says that nothing more comes is taken for gone, as by HAProxy's `abortonclose`.
            _ => assert!(client.half_close().read_to_end().is_empty()),
        }
        eventually("the backend's connection is closed", || {
            origin.open_count() == 0
        });
    }
}

#[test]
fn a_client_that_does_not_take_its_answer_ends_and_the_backend_is_not_to_blame() {
    let origin = Origin::fixed(
        [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n"[..],
            &vec![b'x'; 64 << 20],
        ]
        .concat(),
    );
    let edge = amt(&[origin.address()], "", "")
        .top("client: { body_idle_max: 300ms }")
        .start();
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    eventually("nothing is in flight any more", || {
        origin.connection_count() == 1 && origin.open_count() == 0
    });
    assert!(!matches!(client.try_response_to("GET"), Ok(Some(_))));
    let endpoint = &edge.resource("/api/v1/pools/amt")["endpoints"][0];
    assert_eq!(endpoint["failures"], 0);
}

#[test]
fn slow_heads_end_at_their_deadline_and_hurt_nobody() {
    const SLOW: usize = 500;
    allow_files(4096);
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { header_max: 1s }")
        .start();
    let head = b"GET / HTTP/1.1\r\nHost: amt.example\r\nX: ";
    let mut slow: Vec<_> = (0..SLOW).map(|_| edge.connect()).collect();
    let mut sent = 0;
    let mut answers: Vec<Response> = Vec::new();
    eventually("the slow are gone", || {
        let byte = head.get(sent).copied().unwrap_or(b'x');
        sent += 1;
        slow.retain_mut(|client| {
            let open = client.try_send([byte]).is_ok() && client.is_quiet();
            if !open {
                answers.extend(client.try_response_to("GET").ok().flatten());
            }
            open
        });
        assert_eq!(
            edge.get("amt.example", "/").text(),
            "ok",
            "a normal client meanwhile"
        );
        slow.is_empty()
    });
    assert!(answers.iter().all(|answer| answer.status == 408));
    assert!(!answers.is_empty());
}

#[test]
fn a_connection_without_a_request_ends_after_its_idle_time() {
    let origin = Origin::ok("ok");
    let edge = amt(&[origin.address()], "", "")
        .top("client: { header_max: 300ms, idle_max: 300ms }")
        .start();
    let mut silent = edge.connect();
    assert!(silent.read_to_end().is_empty());
    let mut idle = edge.connect();
    idle.get("amt.example", "/");
    assert!(
        idle.read_to_end().is_empty(),
        "without an answer to what was not asked"
    );
}

#[test]
fn half_a_head_at_the_end_of_input_is_no_request() {
    let origin = Origin::ok("ok");
    let edge = before(&[origin.address()], "");
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: amt.exam");
    client.half_close();
    assert!(client.read_to_end().is_empty());
    assert_eq!(origin.request_count(), 0);
}

/// Many sockets at once in this process.
fn allow_files(count: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).unwrap();
    }
}
