//! What counts as demand for replicas: what the limits let through, once each, and the time that seats are held.

use std::time::Duration;

use schleuse_core::{Leave, Quota, Requeued, scale::demand::Counters};

use crate::support::{Ask, Bench, of};

fn rated(rate: f64, burst: f64) -> Ask {
    Ask {
        quota: Some(Quota::new(rate, burst)),
        ..of(1)
    }
}

fn counters(bench: &Bench) -> Counters {
    bench.pool.demand(bench.now).0
}

fn arrivals(bench: &Bench) -> u64 {
    counters(bench).arrivals
}

#[test]
fn a_request_counts_once_whether_it_goes_waits_for_a_seat_or_leaves_again() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(1));
    let (first, second) = (bench.wait(&of(1)), bench.wait(&of(2)));
    assert_eq!(arrivals(&bench), 3);
    bench.leave(second, Leave::Gone);
    let granted = bench.next_after(slot, 100).unwrap();
    assert_eq!(granted.ticket, first.ticket);
    assert_eq!(arrivals(&bench), 3);
}

#[test]
fn what_waits_for_a_limit_of_its_own_counts_when_that_lets_it_through() {
    let mut bench = Bench::new(10);
    let ask = rated(1.0, 1.0);
    let _slot = bench.go(&ask);
    bench.wait(&ask);
    assert_eq!(arrivals(&bench), 1);
    assert_eq!(bench.pool.demand(bench.now).1.waiting, 0);
    bench.pass(Duration::from_secs(1));
    assert!(bench.dispatch().is_some());
    assert_eq!(arrivals(&bench), 2);
}

#[test]
fn what_waits_for_its_tenants_requests_in_flight_counts_when_one_of_them_departs() {
    let mut bench = Bench::new(10);
    let ask = Ask {
        in_flight_max: 1,
        ..of(1)
    };
    let slot = bench.go(&ask);
    bench.wait(&ask);
    assert_eq!(arrivals(&bench), 1);
    assert!(bench.next_after(slot, 10).is_some());
    assert_eq!(arrivals(&bench), 2);
}

#[test]
fn who_is_refused_for_want_of_seats_counts_and_who_is_refused_by_a_limit_does_not() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_max = 2;
    bench.policy.queue.waiting_per_tenant_max = 1;
    let _slot = bench.go(&of(1));
    bench.wait(&of(1));
    bench.refused(&of(1)); // its tenant's places are taken
    assert_eq!(arrivals(&bench), 2);
    bench.wait(&of(2));
    bench.refused(&of(3)); // the pool's are
    assert_eq!(arrivals(&bench), 4);
}

#[test]
fn seat_time_is_what_is_in_flight_over_time_and_grows_before_anybody_departs() {
    let mut bench = Bench::new(10);
    let slots = [bench.go(&of(1)), bench.go(&of(2))];
    bench.pass(Duration::from_millis(300));
    assert_eq!(counters(&bench).seat_micros, 600_000);
    assert_eq!(counters(&bench).completions, 0);
    for slot in slots {
        bench.depart(slot);
        bench.pass(Duration::from_millis(100));
    }
    let counted = counters(&bench);
    assert_eq!((counted.seat_micros, counted.completions), (700_000, 2));
}

#[test]
fn beside_one_that_waits_again_those_whom_the_rate_holds_are_no_demand() {
    let mut bench = Bench::new(1);
    let ask = rated(0.5, 1.0);
    let slot = bench.go(&ask);
    for _ in 0..5 {
        bench.wait(&ask);
    }
    let Requeued::Wait(_) = bench.requeue(&ask, slot) else {
        panic!("it may wait");
    };
    let view = bench.pool.queue(&bench.policy, bench.now);
    assert_eq!((view.waiting, view.waiting_for_seats), (6, 1));
    assert_eq!(bench.pool.demand(bench.now).1.waiting, 1);
    assert_eq!(view.drain, view.service_time, "of one request for one seat");
    // One that comes now misses more than a seat.
    let before = arrivals(&bench);
    bench.wait(&ask);
    assert_eq!(arrivals(&bench), before);
    // Once it has gone, the rate holds all others again; two seconds later it lets one through.
    bench.pass(Duration::from_millis(60));
    let slot = bench.dispatch().unwrap().slot;
    assert_eq!(bench.pool.demand(bench.now).1.waiting, 0);
    bench.next_after(slot, 10);
    bench.pass(Duration::from_secs(2));
    assert!(bench.dispatch().is_some());
}

#[test]
fn a_stream_is_in_flight_without_a_seat() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(1));
    bench.pass(Duration::from_millis(5));
    let stream = bench.pool.stream(&bench.policy, slot, bench.now).unwrap();
    bench.pass(Duration::from_mins(1));
    let (counted, gauges) = bench.pool.demand(bench.now);
    assert_eq!((counted.seat_micros, counted.completions), (5_000, 1));
    assert_eq!(gauges.in_flight, 1);
    bench.pool.end_stream(stream);
    assert_eq!(bench.pool.demand(bench.now).1.in_flight, 0);
}

#[test]
fn of_single_requests_is_told_how_long_they_held_their_seats_once() {
    let mut bench = Bench::new(2);
    let (short, long) = (bench.go(&of(1)), bench.go(&of(2)));
    bench.next_after(short, 30);
    bench.next_after(long, 70);
    let times: Vec<_> = bench.pool.take_seat_times().iter().collect();
    assert_eq!(times, [30, 100].map(Duration::from_millis));
    assert!(bench.pool.take_seat_times().is_empty());
}

#[test]
fn what_was_learnt_elsewhere_counts_until_the_first_request_departs() {
    let mut bench = Bench::new(1);
    bench.pool.expect_seat_time(Duration::from_secs(3));
    let told = |bench: &Bench| bench.pool.queue(&bench.policy, bench.now).service_time;
    assert_eq!(told(&bench), Duration::from_secs(3));
    let slot = bench.go(&of(1));
    bench.next_after(slot, 100);
    assert_eq!(told(&bench), Duration::from_millis(100));
}
