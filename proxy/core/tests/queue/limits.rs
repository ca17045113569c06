//! Rates and requests in flight: who waits for a limit of its own hinders nobody.

use std::time::Duration;

use schleuse_core::{Fraction, Leave, Quota, Refusal, Retry, Terms};

use crate::support::{Ask, Bench, flow, of};

fn rated(rate: f64, burst: f64) -> Ask {
    Ask {
        quota: Some(Quota::new(rate, burst)),
        ..of(1)
    }
}

#[test]
fn beyond_its_rate_a_tenant_waits_until_the_rate_allows_it_though_seats_are_free() {
    let mut bench = Bench::new(10);
    let ask = rated(2.0, 2.0);
    let _slots = [bench.go(&ask), bench.go(&ask)];
    let first = bench.wait(&ask);
    assert_eq!(first.predicted, Duration::from_millis(500));
    assert_eq!(bench.wait(&ask).predicted, Duration::from_secs(1));
    assert!(bench.dispatch().is_none());
    assert_eq!(bench.view(1).rated_until, Some(bench.now + first.predicted));
    let _ = bench.go(&of(2)); // who has no limit goes on

    bench.pass(Duration::from_micros(499_999));
    assert!(bench.dispatch().is_none());
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.dispatch().unwrap().ticket, first.ticket);
    assert!(bench.dispatch().is_none());
}

#[test]
fn due_names_the_moment_at_which_a_rate_lets_one_through() {
    let mut bench = Bench::new(10);
    let ask = rated(10.0, 1.0);
    let _slot = bench.go(&ask);
    bench.wait(&ask);
    bench.pool.tick(&bench.policy, bench.now);
    assert_eq!(bench.due(), Some(bench.now + Duration::from_millis(100)));
}

#[test]
fn who_leaves_before_its_turn_costs_its_tenant_no_token() {
    let mut bench = Bench::new(10);
    let ask = rated(1.0, 1.0);
    let _slot = bench.go(&ask);
    let waiting = bench.wait(&ask);
    bench.leave(waiting, Leave::Gone);
    bench.pass(Duration::from_secs(1));
    let _ = bench.go(&ask);
}

#[test]
fn a_rate_that_would_hold_it_beyond_the_longest_wait_refuses_at_once_and_says_when() {
    let mut bench = Bench::new(10);
    bench.policy.queue.wait_max = Duration::from_secs(3);
    let ask = rated(0.5, 1.0);
    let _slot = bench.go(&ask);
    let waiting = bench.wait(&ask);
    let refused = bench.refused(&ask);
    assert_eq!(refused.refusal, Refusal::TenantRate);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(4)));

    // After exactly that wait one passes, if nobody else asked.
    bench.leave(waiting, Leave::Gone);
    bench.pass(Duration::from_secs(4));
    let _ = bench.go(&ask);
}

#[test]
fn whose_time_is_over_while_only_its_rate_held_it_is_told_so() {
    let mut bench = Bench::new(10);
    bench.policy.queue.wait_max = Duration::from_secs(3);
    let ask = rated(0.5, 1.0);
    let _slot = bench.go(&ask);
    let waiting = bench.wait(&ask);
    // Another process of the same rate takes the token, or the quota was lowered: here it is one of its own requests.
    bench.pass(Duration::from_secs(1));
    let lowered = rated(0.1, 1.0);
    assert_eq!(bench.refused(&lowered).refusal, Refusal::TenantRate);
    bench.pass(Duration::from_millis(500));
    let refused = bench.leave(waiting, Leave::Expired).unwrap();
    assert_eq!(refused.refusal, Refusal::TenantRate);
    bench.pass(refused.retry_after.unwrap());
    let _ = bench.go(&ask);
}

#[test]
fn a_limit_of_requests_in_flight_lets_others_go_first_and_is_no_refusal() {
    let mut bench = Bench::new(3);
    let limited = Ask {
        in_flight_max: 1,
        ..of(1)
    };
    let own = bench.go(&limited);
    let waiting = bench.wait(&limited);
    assert!(bench.dispatch().is_none() && bench.view(1).limited);
    let _others = [bench.go(&of(2)), bench.go(&of(3))];
    let grant = bench.next_after(own, 50).unwrap();
    assert_eq!(grant.ticket, waiting.ticket);
    assert!(!bench.view(1).limited);
}

#[test]
fn a_stream_no_longer_counts_among_its_tenants_requests_in_flight() {
    let mut bench = Bench::new(3);
    let limited = Ask {
        in_flight_max: 1,
        ..of(1)
    };
    let own = bench.go(&limited);
    bench.wait(&limited);
    let _stream = bench.pool.stream(&bench.policy, own, bench.now).unwrap();
    assert!(bench.dispatch().is_some());
}

#[test]
fn of_two_processes_each_has_half_of_seats_rates_and_requests_in_flight() {
    let mut bench = Bench::new(10);
    bench.policy.share = Fraction::new(1, 2).unwrap();
    bench.set_endpoints(1);
    let limited = Ask {
        in_flight_max: 4,
        ..of(1)
    };
    let _own = [bench.go(&limited), bench.go(&limited)];
    assert!(bench.view(1).limited || bench.wait(&limited).predicted > Duration::ZERO);
    let rated = Ask {
        quota: Some(Quota::new(2.0, 4.0)),
        ..of(2)
    };
    let _others = [bench.go(&rated), bench.go(&rated)];
    assert_eq!(bench.wait(&rated).predicted, Duration::from_secs(1));
    let _last = bench.go(&of(3));
    bench.wait(&of(3));
    assert_eq!(bench.pool.in_flight(), 5);
}

#[test]
fn a_retry_does_not_take_a_tenant_beyond_what_it_may_have_in_flight() {
    let mut bench = Bench::new(3);
    bench.set_endpoints(2);
    let ask = Ask {
        in_flight_max: 1,
        ..of(1)
    };
    let slot = bench.go(&ask);
    bench.wait(&ask);
    let tried = [slot.endpoint];
    // Its seat goes to the next of the same tenant.
    bench.depart(slot);
    let next = bench.dispatch().unwrap();
    let retry = Retry {
        flow: flow(1),
        inhabitants: 1_000,
        cost: 1,
        tried: &tried,
        preferred: None,
        until: bench.now,
        draw: 1,
    };
    let again = bench.pool.retry(&bench.policy, bench.now, &retry);
    assert_eq!(again.unwrap_err(), Refusal::PoolFull);
    bench.depart(next.slot);
    assert!(bench.pool.retry(&bench.policy, bench.now, &retry).is_ok());
}

#[test]
fn new_terms_reach_those_who_wait() {
    let mut bench = Bench::new(10);
    let rated = rated(0.1, 1.0);
    let limited = Ask {
        in_flight_max: 1,
        ..of(2)
    };
    let _slots = [bench.go(&rated), bench.go(&limited)];
    bench.wait(&rated);
    bench.wait(&limited);
    assert!(bench.dispatch().is_none());
    for tenant in [1, 2] {
        let terms = Terms {
            generation: 1,
            inhabitants: 1_000,
            in_flight_max: u32::MAX,
            rate: None,
        };
        bench
            .pool
            .set_terms(&bench.policy, flow(tenant), terms, bench.now);
    }
    assert!(bench.dispatch().is_some() && bench.dispatch().is_some());
    assert_eq!(bench.waiting(), 0);
}

#[test]
fn a_request_of_an_older_config_does_not_bring_its_terms_back() {
    let mut bench = Bench::new(10);
    let mut old = rated(1_000.0, 10.0);
    old.in_flight_max = 5;
    let new = Ask {
        generation: 1,
        in_flight_max: 1,
        ..rated(0.1, 1.0)
    };
    let slot = bench.go(&new);
    bench.wait(&new);
    bench.wait(&old);
    assert!(bench.dispatch().is_none(), "one is in flight");
    // Its number in flight is free again; of the rate in force nothing is left.
    assert!(bench.next_after(slot, 10).is_none());
    let view = bench.view(1);
    assert!(view.rated_until.is_some() && view.waiting == 2, "{view:?}");
}
