//! By what it is decided how many endpoints a pool should have, as an operator writes it.

use std::time::Duration;

use schleuse_config::{Scale, ScaleWay};
use schleuse_core::scale::policy::ScalePolicy;

use crate::support::{BODY, HEAD, Site, body_problems};

fn body(scale: &str) -> String {
    let pool = format!("endpoints: [\"10.0.0.1:80\"], concurrency: 7, scale: {{ {scale} }}");
    BODY.replace("endpoints: [\"10.0.0.1:80\"]", &pool)
}

fn scale(scale: &str) -> Scale {
    let site = Site::new(format!("{HEAD}{}", body(scale)));
    assert_eq!(site.warnings(), [""; 0]);
    site.loaded().snapshot.pools[0].scale.clone().unwrap()
}

fn problem(scale: &str) -> String {
    body_problems(&body(scale))
}

#[test]
fn what_is_not_written_is_as_documented_and_a_replica_has_the_seats_of_an_endpoint() {
    let Scale { policy, way, .. } = scale("keda: {}");
    assert_eq!(way, ScaleWay::Keda);
    let expected = ScalePolicy {
        seats_per_replica: 7,
        min: 1,
        ..ScalePolicy::default()
    };
    assert_eq!(policy, expected);
}

#[test]
fn every_key_has_its_place_in_the_policy() {
    let Scale { policy, .. } = scale(
        "keda: {}, min: 2, max: 99, wake_floor: 4, service_time: 80ms, cold_start: 3s, backlog_drain: 5s, \
         hold_down: 2m, descent_per_minute: 25%, idle_after: 10m, failing_starts_max: 5",
    );
    let expected = ScalePolicy {
        seats_per_replica: 7,
        min: 2,
        max: 99,
        wake_floor: 4,
        seat_time: Duration::from_millis(80),
        cold_start: Duration::from_secs(3),
        drain: Duration::from_secs(5),
        hold_down: Duration::from_mins(2),
        descent_per_minute: 0.25,
        idle_after: Duration::from_mins(10),
        failing_starts_max: 5,
        ..ScalePolicy::default()
    };
    assert_eq!(policy, expected);
}

#[test]
fn nothing_is_always_there_that_is_more_than_there_may_be() {
    assert_eq!(
        problem("keda: {}, min: 5, max: 4"),
        "schleuse.yaml:7:76: pools.a.scale.min: `min` is 5, and `max` is 4; write `max` as 5 or more, or lower `min`"
    );
    assert_eq!(
        problem("keda: {}, min: 41"),
        "schleuse.yaml:7:76: pools.a.scale.min: `min` is 41, and `max` is 40; write `max` as 41 or more, or lower `min`"
    );
    assert_eq!(
        problem("keda: {}, wake_floor: 9, max: 4"),
        "schleuse.yaml:7:83: pools.a.scale.wake_floor: `wake_floor` is 9, and `max` is 4; write `max` as 9 or more, or lower `wake_floor`"
    );
}

#[test]
fn one_way_out_is_enough() {
    let two = problem("keda: {}, webhook: { url: \"https://a.example\", secret: { env: PATH } }");
    assert!(
        two.contains("pools.a.scale: has `webhook` and `keda`; keep one of them"),
        "{two}"
    );
}
