//! What `decide` makes of given evidence.

use std::time::Duration;

use schleuse_core::scale::{
    arrivals::ArrivalEvidence,
    decide::{Evidence, decide},
    policy::ScalePolicy,
};

use crate::support::{asleep, labels, policy, serving, steady};

#[test]
fn a_sleeping_pool_stays_asleep() {
    let decision = decide(&policy(), &asleep());
    assert_eq!((decision.replicas, labels(&decision)), (0, vec![]));
}

#[test]
fn one_request_wakes_one_replica() {
    let woken = Evidence {
        waiting: 1,
        idle: Duration::ZERO,
        ..asleep()
    };
    let decision = decide(&policy(), &woken);
    assert_eq!(decision.replicas, 1);
    assert_eq!(labels(&decision), ["backlog", "floor"]);
}

#[test]
fn the_first_slice_of_a_flood_orders_what_is_needed_in_one_step() {
    // 2,000 a second need 11 replicas, and another two dozen to be rid within two seconds of what waits by then.
    let flood = Evidence {
        arrivals: ArrivalEvidence {
            counts: [500; 4],
            observed: 0.25,
            window: 0.25,
            in_window: 500,
            ..ArrivalEvidence::default()
        },
        waiting: 500,
        idle: Duration::ZERO,
        ..asleep()
    };
    let decision = decide(&policy(), &flood);
    assert_eq!(labels(&decision), ["panic"]);
    assert!((30..=40).contains(&decision.replicas), "{decision:?}");
}

#[test]
fn a_steady_load_is_staffed_by_the_square_root_rule_and_by_utilisation_when_it_is_large() {
    let replicas = |rate| decide(&policy(), &serving(rate, 1)).wanted;
    // 10 busy seats and 3.2 free ones; 200 and 22.
    assert_eq!([1, 100, 2_000].map(replicas), [1, 1, 12]);
}

#[test]
fn certain_growth_is_ordered_for_ahead_of_time() {
    let mut evidence = serving(2_000, 12);
    evidence.arrivals.slope = 100.0;
    evidence.arrivals.recent_slope = 100.0;
    let decision = decide(&policy(), &evidence);
    assert_eq!(labels(&decision), ["forecast"]);
    // In 5.25 s there will be 500 more, and the line says that 2,500 are there already.
    assert!((16..=18).contains(&decision.replicas), "{decision:?}");
}

#[test]
fn growth_within_the_noise_is_none() {
    let mut evidence = serving(2_000, 12);
    evidence.arrivals.slope = 5.0;
    evidence.arrivals.recent_slope = 40.0;
    assert_eq!(decide(&policy(), &evidence).replicas, 12);
}

#[test]
fn replicas_that_start_already_are_not_ordered_again() {
    let waiting = Evidence {
        waiting: 2_000,
        in_flight: 0,
        ready: 0,
        starting: 30,
        starting_seconds: 30.0 * 4.0,
        ..serving(2_000, 30)
    };
    let decision = decide(&policy(), &waiting);
    assert_eq!((decision.wanted, decision.replicas), (12, 30));
}

#[test]
fn a_floor_holds_for_the_cold_start_and_half_a_minute() {
    let policy = ScalePolicy {
        wake_floor: 25,
        ..policy()
    };
    let awake = |seconds| Evidence {
        awake: Some(Duration::from_secs(seconds)),
        held: 0,
        descent_from: 0,
        ..serving(100, 25)
    };
    assert_eq!(decide(&policy, &awake(34)).replicas, 25);
    assert_eq!(decide(&policy, &awake(36)).replicas, 1);
}

#[test]
fn a_plan_is_followed_and_the_maximum_bounds_it() {
    let planned = |plan| decide(&policy(), &Evidence { plan, ..asleep() });
    assert_eq!(planned(40).replicas, 40);
    assert_eq!(labels(&planned(40)), ["plan"]);
    assert_eq!(planned(140).replicas, 100);
    assert_eq!(labels(&planned(140)), ["plan", "limit"]);
}

#[test]
fn a_descent_waits_and_then_takes_half_a_minute_at_a_time() {
    let held = Evidence {
        held: 40,
        ..serving(100, 40)
    };
    let decision = decide(&policy(), &held);
    assert_eq!(decision.replicas, 40);
    assert_eq!(labels(&decision).last(), Some(&"hold_down"));
    let free = Evidence { held: 1, ..held };
    assert_eq!(decide(&policy(), &free).replicas, 20);
}

#[test]
fn what_is_in_flight_keeps_its_replicas() {
    let tunnels = Evidence {
        in_flight: 390,
        held: 0,
        descent_from: 0,
        ..serving(1, 40)
    };
    assert_eq!(decide(&policy(), &tunnels).replicas, 20);
}

#[test]
fn a_change_of_a_few_per_cent_is_not_worth_an_order() {
    let mut evidence = serving(2_000, 12);
    evidence.arrivals = steady(17_000);
    evidence.previous = 92;
    evidence.held = 0;
    evidence.descent_from = 0;
    let decision = decide(&policy(), &evidence);
    assert_eq!((decision.wanted, decision.replicas), (95, 92));
    assert_eq!(labels(&decision).last(), Some(&"dead_band"));
}

#[test]
fn what_was_announced_is_ordered_to_the_last_replica() {
    let mut evidence = serving(2_000, 12);
    evidence.previous = 92;
    evidence.plan = 95;
    assert_eq!(decide(&policy(), &evidence).replicas, 95);
}

#[test]
fn p35_a_pool_with_one_long_request_is_not_idle() {
    let long = Evidence {
        in_flight: 1,
        idle: Duration::from_hours(1),
        held: 0,
        descent_from: 0,
        ..serving(0, 1)
    };
    let with = |in_flight, waiting| {
        let evidence = Evidence {
            in_flight,
            waiting,
            ..long
        };
        decide(&policy(), &evidence).replicas
    };
    assert_eq!([with(1, 0), with(0, 1), with(0, 0)], [1, 1, 0]);
}

#[test]
fn p35_a_pool_in_which_somebody_arrived_lately_is_not_idle() {
    let since = |seconds| {
        let evidence = Evidence {
            idle: Duration::from_secs(seconds),
            held: 0,
            descent_from: 0,
            ..serving(0, 1)
        };
        decide(&policy(), &evidence).replicas
    };
    assert_eq!([since(299), since(300)], [1, 0]);
}
