//! How often a tenant may ask: those that wait for their turn, those that are refused, those that are only counted.

use std::time::{Duration, Instant};

use schleuse_tests::{Client, Edge, Origin, RunningEdge, eventually};

use crate::{
    full_pool::{ask, wait_waiting},
    one_service::{amt, label, refusal},
};

fn limited(origin: &Origin, tenant: &str, pool: &str) -> RunningEdge {
    let limits = format!("limits: {{ tenant: {{ {tenant} }} }}");
    amt(&[origin.address()], &limits, pool).start()
}

#[test]
fn beyond_its_rate_a_tenant_waits_and_loses_nothing() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 10/s, burst: 1", "");
    let started = Instant::now();
    let mut clients: Vec<Client> = (0..6).map(|_| ask(&edge, "/")).collect();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    // Five intervals: it may take longer, never less.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(490), "{took:?}");
    eventually("five of them say that they waited", || {
        let lines = edge.log().values();
        let waited = lines.iter().filter(|line| line["waited_ms"].is_number());
        waited.count() == 5
    });
}

#[test]
fn in_every_window_no_more_pass_than_burst_and_rate_allow() {
    let origin = Origin::ok("ok").forgetful();
    let edge = limited(&origin, "rate: 50/s, burst: 5, over: refuse", "");
    let started = Instant::now();
    let passed: u32 = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = edge.connect();
                    let mut passed = 0;
                    while started.elapsed() < Duration::from_secs(2) {
                        let answer = client.get("amt.example", "/");
                        passed += u32::from(answer.status == 200);
                    }
                    passed
                })
            })
            .collect();
        asking
            .into_iter()
            .map(|asking| asking.join().unwrap())
            .sum()
    });
    let allowed = 5.0 + 50.0 * started.elapsed().as_secs_f64();
    assert!(f64::from(passed) <= allowed, "{passed} of {allowed}");
    assert_eq!(u64::from(passed), origin.request_count() as u64);
}

#[test]
fn with_over_refuse_the_answer_says_how_much_is_allowed_and_when() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 2/min, burst: 3, over: refuse", "");
    let mut client = edge.connect();
    for _ in 0..3 {
        assert_eq!(client.get("amt.example", "/").status, 200);
    }
    let refused = client.get("amt.example", "/");
    assert_eq!(label(&refused), refusal(429, "tenant_rate"));
    assert_eq!(
        refused.field("RateLimit-Policy"),
        Some("\"tenant\";q=3;w=90")
    );
    let state = refused.field("RateLimit").unwrap();
    assert!(state.starts_with("\"tenant\";r=0;t="), "{state}");
    let after: u64 = refused.field("Retry-After").unwrap().parse().unwrap();
    assert!((1..=30).contains(&after), "{after}");
    // The connection stays, and who is refused has used up nothing of anybody.
    assert_eq!(client.get("amt.example", "/").status, 429);
    assert_eq!(origin.request_count(), 3);
}

#[test]
fn a_wait_for_the_rate_that_would_be_too_long_is_a_429_at_once() {
    let origin = Origin::ok("ok");
    let edge = limited(&origin, "rate: 1/min, burst: 1", "queue: { wait_max: 5s }");
    assert_eq!(ask(&edge, "/").response().status, 200);
    let refused = ask(&edge, "/").response();
    assert_eq!(label(&refused), refusal(429, "tenant_rate"));
    assert!(refused.field("RateLimit").is_some());
    let after: u64 = refused.field("Retry-After").unwrap().parse().unwrap();
    assert!((50..=60).contains(&after), "{after}");
    wait_waiting(&edge, 0);
}

#[test]
fn each_tenant_has_a_rate_of_its_own_that_grows_with_its_inhabitants() {
    let origin = Origin::ok("ok");
    let edge = Edge::new()
        .service(
            "amt",
            "tenant_from: [path]\nlimits: { tenant: { rate_per_1000_inhabitants: 1/h, burst: 1h, over: refuse } }",
        )
        .pool("amt", &[origin.address()], "")
        .start();
    let asked = |place: &str, count: usize| {
        let mut client = edge.connect();
        let target = format!("/{place}/");
        (0..count)
            .filter(|_| client.get("amt.example", &target).status == 200)
            .count()
    };
    // Gröde has 7 inhabitants, Aachen 262,670: one and 262 requests in an hour.
    assert_eq!(asked("010545459039", 5), 1);
    assert_eq!(asked("053340002002", 300), 262);
}

#[test]
fn an_observed_limit_holds_nobody_up() {
    let origin = Origin::ok("ok");
    for over in ["wait", "refuse"] {
        let tenant = format!("rate: 1/min, burst: 1, in_flight: 1, over: {over}, mode: observe");
        let edge = limited(&origin, &tenant, "");
        for _ in 0..5 {
            assert_eq!(ask(&edge, "/").response().status, 200, "{over}");
        }
        let lines = edge.log().values();
        assert!(lines.iter().all(|line| line["waited_ms"].is_null()));
    }
}
