//! What survives a changed list, and how endpoints come and go.

use std::time::Duration;

use schleuse_core::{HealthChange, Mode, Outcome, PoolPolicy, Refusal};

use crate::support::{Bench, RESET, address, addresses, answered};

fn probed() -> PoolPolicy {
    PoolPolicy {
        probed: true,
        ..PoolPolicy::default()
    }
}

#[test]
fn everything_known_of_an_endpoint_survives_a_new_list_p26() {
    let mut bench = Bench::new(3, probed());
    bench.ask(0, answered(70));
    (0..5).for_each(|_| bench.ask(1, RESET));
    bench.pool.set_mode(address(2), Mode::Drain, bench.now);
    let _held = bench.hold(2);
    let before = bench.views();

    bench.set_endpoints(&[address(7), address(2), address(0), address(1)]);
    assert_eq!(bench.views()[..3], before[..]);
}

#[test]
fn one_host_with_two_ports_is_two_endpoints_and_a_repeat_is_one_p28() {
    let mut bench = Bench::new(0, PoolPolicy::default());
    bench.set_endpoints(&[address(1), address(2), address(1), address(2)]);
    assert_eq!(bench.views().len(), 2);
    bench.set_endpoints(&[address(2)]);
    bench.set_endpoints(&[address(2), address(1), address(1)]);
    assert_eq!(bench.views().len(), 2);
}

#[test]
fn an_endpoint_that_goes_is_kept_until_its_last_request_departs_and_takes_no_new_ones() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    let leaving = bench.id(0);
    let slot = bench.arrive_with(&[], Some(leaving)).unwrap();
    bench.set_endpoints(&[address(1)]);

    assert!(!bench.view(0).listed);
    assert_eq!(bench.pool.endpoint(address(0)), None);
    let moved = bench.arrive_with(&[], Some(leaving)).unwrap();
    assert!(moved.affinity_lost && moved.endpoint != leaving);

    bench.depart(slot, answered(1));
    assert_eq!(bench.views().len(), 1);
}

#[test]
fn an_endpoint_that_comes_back_while_it_is_busy_is_the_same_one() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    let id = bench.id(0);
    let slot = bench.arrive_with(&[], Some(id)).unwrap();
    bench.set_endpoints(&[address(1)]);
    bench.set_endpoints(&addresses(2));

    assert_eq!(bench.id(0), id);
    assert_eq!(bench.view(0).in_flight, 1);
    bench.depart(slot, answered(1));
    assert_eq!(bench.view(0).in_flight, 0);
}

#[test]
fn an_endpoint_that_comes_back_after_it_was_idle_is_a_new_one() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    let id = bench.id(0);
    bench.set_endpoints(&[address(1)]);
    bench.set_endpoints(&addresses(2));
    assert_ne!(bench.id(0), id);
}

#[test]
fn a_slot_of_another_pool_does_not_disturb() {
    let mut one = Bench::new(1, PoolPolicy::default());
    let mut other = Bench::new(0, PoolPolicy::default());
    let slot = one.arrive().unwrap();
    other.depart(slot, answered(1));
    assert_eq!(other.arrive().unwrap_err(), Refusal::NoEndpoint);
}

#[test]
fn the_first_endpoints_of_a_process_do_not_ramp() {
    let bench = Bench::new(3, PoolPolicy::default());
    assert!(bench.views().iter().all(|view| view.seats == 20));
}

#[test]
fn an_endpoint_that_joins_others_ramps() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    bench.set_endpoints(&addresses(3));
    let mut seats = |seconds| {
        bench.pass(Duration::from_secs(seconds));
        bench.view(2).seats
    };
    assert_eq!([seats(0), seats(5), seats(5)], [2, 11, 20]);
}

#[test]
fn a_list_that_is_exchanged_as_a_whole_keeps_its_capacity() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    bench.set_endpoints(&[address(8), address(9)]);
    assert!(bench.views().iter().all(|view| view.seats == 20));
}

#[test]
fn a_recovered_endpoint_ramps_beside_healthy_ones_and_not_alone() {
    let mut bench = Bench::new(2, probed());
    for number in 0..2 {
        let id = bench.id(number);
        bench.pool.probed(&bench.policy, id, false, bench.now);
    }
    let mut recover = |number| {
        let id = bench.id(number);
        bench.pool.probed(&bench.policy, id, true, bench.now);
        let change = bench.pool.probed(&bench.policy, id, true, bench.now);
        assert_eq!(change, Some(HealthChange::Healthy));
        bench.view(number).seats
    };
    assert_eq!([recover(0), recover(1)], [20, 2]);
}

#[test]
fn an_unhealthy_endpoint_gets_nothing_while_another_is_healthy() {
    let mut bench = Bench::new(2, probed());
    let sick = bench.id(0);
    let change = bench.pool.probed(&bench.policy, sick, false, bench.now);
    assert_eq!(change, Some(HealthChange::Unhealthy));
    assert!(bench.hold(20).iter().all(|slot| slot.endpoint != sick));
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
}

#[test]
fn a_pool_that_is_no_longer_probed_is_healthy_and_ignores_late_probes() {
    let mut bench = Bench::new(2, probed());
    let id = bench.id(0);
    bench.pool.probed(&bench.policy, id, false, bench.now);
    bench.policy.probed = false;
    bench.set_endpoints(&addresses(2));
    assert!(bench.view(0).healthy);

    let change = bench.pool.probed(&bench.policy, id, false, bench.now);
    assert_eq!(change, None);
    assert!(bench.view(0).healthy);
}

#[test]
fn a_probe_of_an_endpoint_that_is_gone_changes_nothing() {
    let mut bench = Bench::new(1, probed());
    let id = bench.id(0);
    bench.set_endpoints(&[]);
    let change = bench.pool.probed(&bench.policy, id, false, bench.now);
    assert_eq!(change, None);
}

#[test]
fn the_mode_of_an_unknown_address_is_not_set() {
    let mut bench = Bench::new(1, PoolPolicy::default());
    assert!(!bench.pool.set_mode(address(9), Mode::Drain, bench.now));
}

#[test]
fn an_idle_endpoint_back_from_maintenance_ramps_and_a_busy_one_back_from_drain_does_not() {
    let mut bench = Bench::new(3, PoolPolicy::default());
    let drained = bench.id(0);
    bench.pool.set_mode(address(0), Mode::Drain, bench.now);
    bench
        .pool
        .set_mode(address(1), Mode::Maintenance, bench.now);
    let _session = bench.arrive_with(&[], Some(drained)).unwrap();
    bench.pool.set_mode(address(0), Mode::Ready, bench.now);
    bench.pool.set_mode(address(1), Mode::Ready, bench.now);
    assert_eq!((bench.view(0).seats, bench.view(1).seats), (20, 2));
}

#[test]
fn less_concurrency_stops_new_requests_and_cuts_none() {
    let mut bench = Bench::new(1, PoolPolicy::default());
    let mut held = bench.hold(10);
    bench.policy.concurrency = 3;
    bench.set_endpoints(&addresses(1));
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
    for slot in held.drain(2..) {
        bench.depart(slot, Outcome::Abandoned);
    }
    assert!(bench.arrive().is_ok());
}

#[test]
fn more_concurrency_counts_with_the_next_arrival_p33() {
    let mut bench = Bench::new(1, PoolPolicy::default());
    let _held = bench.hold(20);
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
    bench.policy.concurrency = 21;
    assert!(bench.arrive().is_ok());
}
