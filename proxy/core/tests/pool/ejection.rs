//! Who is left out for failing, and who stays nevertheless.

use std::time::Duration;

use schleuse_core::{EjectionPolicy, Mode, Outcome, PoolPolicy};

use crate::support::{Bench, RESET, address, addresses, answered};

fn status(status: u16) -> Outcome {
    Outcome::Answered {
        status,
        first_byte: Duration::from_millis(1),
    }
}

fn ejected(bench: &Bench) -> usize {
    let views = bench.views().into_iter();
    views.filter(|view| view.ejected_until.is_some()).count()
}

/// Each endpoint that is asked fails, a thousand times.
fn fail_everywhere(bench: &mut Bench) {
    for _ in 0..1_000 {
        let slot = bench.arrive().unwrap();
        bench.depart(slot, RESET);
    }
}

#[test]
fn an_endpoint_that_fails_five_times_in_a_row_is_left_out_for_thirty_seconds() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..5).for_each(|_| bench.ask(0, RESET));
    let out = bench.id(0);
    assert!(bench.hold(20).iter().all(|slot| slot.endpoint != out));

    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.arrive().unwrap().endpoint, out);
}

#[test]
fn an_ejected_endpoint_comes_back_on_the_ramp() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..5).for_each(|_| bench.ask(0, RESET));
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.view(0).seats, 2);
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.view(0).seats, 20);
}

#[test]
fn an_ejected_endpoint_that_is_asked_for_want_of_others_has_all_its_seats_p29() {
    let probed = PoolPolicy {
        probed: true,
        ..PoolPolicy::default()
    };
    let mut bench = Bench::new(2, probed);
    (0..5).for_each(|_| bench.ask(0, RESET));
    let other = bench.id(1);
    bench.pool.probed(&bench.policy, other, false, bench.now);
    assert_eq!(bench.hold(40).len(), 40);
}

#[test]
fn answers_of_503_eject_and_answers_of_500_do_not() {
    for (code, out) in [(503, 1), (500, 0)] {
        let mut bench = Bench::new(2, PoolPolicy::default());
        (0..5).for_each(|_| bench.ask(0, status(code)));
        assert_eq!(ejected(&bench), out, "{code}");
    }
}

#[test]
fn early_answers_to_uploads_that_break_do_not_eject_p09() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..100).for_each(|_| bench.ask(0, status(413)));
    assert_eq!((ejected(&bench), bench.view(0).failures), (0, 0));
}

#[test]
fn clients_that_leave_do_not_eject() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..100).for_each(|_| bench.ask(0, Outcome::Abandoned));
    assert_eq!(ejected(&bench), 0);
}

#[test]
fn when_every_endpoint_fails_no_more_than_half_go_and_all_answers_reach_the_client_p29() {
    for (endpoints, out) in [(1, 0), (2, 1), (3, 1), (4, 2), (9, 4)] {
        let mut bench = Bench::new(endpoints, PoolPolicy::default());
        fail_everywhere(&mut bench);
        assert_eq!(ejected(&bench), out, "of {endpoints}");
    }
}

#[test]
fn a_share_of_one_still_leaves_one_endpoint_in() {
    let all = PoolPolicy {
        ejection: EjectionPolicy {
            ejected_share_max: 1.0,
            ..EjectionPolicy::default()
        },
        ..PoolPolicy::default()
    };
    let mut bench = Bench::new(4, all);
    fail_everywhere(&mut bench);
    assert_eq!(ejected(&bench), 3);
}

#[test]
fn the_last_usable_endpoint_is_not_ejected_while_others_are_in_maintenance() {
    let mut bench = Bench::new(4, PoolPolicy::default());
    for number in 1..4 {
        bench
            .pool
            .set_mode(address(number), Mode::Maintenance, bench.now);
    }
    fail_everywhere(&mut bench);
    assert_eq!(ejected(&bench), 0);
}

#[test]
fn an_endpoint_that_the_cap_spared_goes_as_soon_as_there_is_room() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..5).for_each(|_| bench.ask(0, RESET));
    (0..5).for_each(|_| bench.ask(1, RESET));
    assert_eq!(bench.view(1).ejected_until, None);

    bench.set_endpoints(&addresses(4));
    bench.ask(1, RESET);
    assert!(bench.view(1).ejected_until.is_some());
}

#[test]
fn a_list_that_shrinks_takes_ejected_endpoints_back_p29() {
    let mut bench = Bench::new(4, PoolPolicy::default());
    for number in 0..2 {
        (0..5).for_each(|_| bench.ask(number, RESET));
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(ejected(&bench), 2);

    bench.set_endpoints(&addresses(2));
    assert_eq!(
        bench.view(0).ejected_until,
        None,
        "ejected first, back first"
    );
    assert!(bench.view(1).ejected_until.is_some());
}

#[test]
fn an_operator_who_says_ready_ends_an_ejection() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    (0..5).for_each(|_| bench.ask(0, RESET));
    bench
        .pool
        .set_mode(address(0), Mode::Maintenance, bench.now);
    bench.pool.set_mode(address(0), Mode::Ready, bench.now);
    assert_eq!(bench.view(0).ejected_until, None);
    bench.ask(0, answered(1));
}
