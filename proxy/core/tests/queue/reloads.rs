//! What changes under those who wait: policies, weights, endpoints, tenants that are gone.

use std::time::Duration;

use schleuse_core::{FairBy, Mode, Refusal, Terms};

use crate::support::{Ask, Bench, address, flow, of};

#[test]
fn raised_capacity_is_given_out_at_once_p33() {
    let raise: [fn(&mut Bench); 2] = [
        |bench| {
            bench.policy.concurrency = 2;
            bench.set_endpoints(1);
        },
        |bench| {
            bench.policy.slow_start = Duration::ZERO;
            bench.set_endpoints(2);
        },
    ];
    for raise in raise {
        let mut bench = Bench::new(1);
        let _slot = bench.go(&of(0));
        let waiting = bench.wait(&of(1));
        assert!(bench.dispatch().is_none());
        raise(&mut bench);
        assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
    }
}

#[test]
fn an_endpoint_that_is_back_from_maintenance_takes_who_waits_p33() {
    let mut bench = Bench::new(1);
    bench.set_endpoints(2);
    assert!(
        bench
            .pool
            .set_mode(address(1), Mode::Maintenance, bench.now)
    );
    let _slot = bench.go(&of(0));
    let waiting = bench.wait(&of(1));
    assert!(bench.dispatch().is_none());
    assert!(bench.pool.set_mode(address(1), Mode::Ready, bench.now));
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}

#[test]
fn due_names_the_moment_at_which_a_ramp_gives_one_more_seat() {
    let mut bench = Bench::new(2);
    let _held = [bench.go(&of(0)), bench.go(&of(0))];
    bench.set_endpoints(2);
    let _third = bench.go(&of(0)); // the only seat at the foot of the ramp
    let waiting = bench.wait(&of(1));
    assert!(bench.dispatch().is_none());
    let mut corrections = 0;
    let grant = loop {
        bench.now = bench.due().unwrap();
        bench.pool.tick(&bench.policy, bench.now);
        if let Some(grant) = bench.dispatch() {
            break grant;
        }
        corrections += 1;
    };
    assert_eq!(grant.ticket, waiting.ticket);
    assert_eq!(
        bench.now.as_micros(),
        10_000_000,
        "the whole ramp for the second of two"
    );
    assert_eq!(corrections, 39, "and between, nothing but corrections");
}

#[test]
fn less_capacity_takes_nobodys_seat_and_dispatches_nobody_until_there_are_fewer() {
    let mut bench = Bench::new(3);
    let [one, two, three] = [0, 1, 2].map(|tenant| bench.go(&of(tenant)));
    bench.wait(&of(3));
    bench.policy.concurrency = 1;
    bench.set_endpoints(1);
    assert!(bench.next_after(one, 10).is_none());
    assert!(bench.next_after(two, 10).is_none());
    assert!(bench.next_after(three, 10).is_some());
}

#[test]
fn when_all_endpoints_vanish_who_waits_goes_on_waiting_and_who_comes_is_refused() {
    let mut bench = Bench::new(1);
    let _slot = bench.go(&of(0));
    let waiting = bench.wait(&of(1));
    bench.set_endpoints(0);
    assert!(bench.dispatch().is_none());
    assert_eq!(bench.refused(&of(1)).refusal, Refusal::NoEndpoint);
    assert!(bench.due() > Some(bench.now), "nothing to hurry for");
    bench.pass(Duration::from_secs(5));
    bench.pool.tick(&bench.policy, bench.now);
    bench
        .pool
        .set_endpoints(&bench.policy, &[address(7)], bench.now);
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}

#[test]
fn a_changed_weight_applies_to_later_dispatches() {
    let mut bench = Bench::new(4);
    bench.teach(1, 1_000);
    let _light = bench.go(&of(1));
    let charged = bench.view(1).ahead;
    assert!((charged * 1_000.0 - 1.0).abs() < 1e-3, "{charged}");
    let heavy = Ask {
        inhabitants: 10_000,
        ..of(1)
    };
    // The virtual time follows to the tag, so what is ahead is the last charge alone.
    let _heavy = bench.go(&heavy);
    let charged = bench.view(1).ahead;
    assert!((charged * 10_000.0 - 1.0).abs() < 1e-3, "{charged}");
}

#[test]
fn when_fairness_follows_something_else_debts_keep_their_worth() {
    let mut bench = Bench::new(4);
    bench.teach(1, 1_000);
    let _slot = bench.go(&of(1));
    let debt = bench.view(1).ahead * bench.view(1).weight;
    bench.policy.queue.fair_by = FairBy::SquareRoot;
    bench.set_endpoints(1);
    let view = bench.view(1);
    assert!((view.weight - 31.622).abs() < 1e-9, "{view:?}");
    assert!((view.ahead * view.weight - debt).abs() < 1e-6, "{view:?}");
}

#[test]
fn when_a_weight_changes_debts_keep_their_worth_however_they_are_corrected() {
    let worth = |changed: bool| {
        let mut bench = Bench::new(4);
        bench.teach(1, 1_000);
        let slot = bench.go(&of(1));
        if changed {
            let terms = Terms {
                generation: 1,
                inhabitants: 10_000,
                in_flight_max: u32::MAX,
                rate: None,
            };
            let (policy, now) = (&bench.policy, bench.now);
            bench.pool.set_terms(policy, flow(1), terms, now);
        }
        let view = bench.view(1);
        let expected = view.ahead * view.weight;
        // Half of what was expected is given back.
        bench.pass(Duration::from_millis(500));
        bench.depart(slot);
        let view = bench.view(1);
        [expected, view.ahead * view.weight]
    };
    let (as_it_was, changed) = (worth(false), worth(true));
    for (before, after) in as_it_was.into_iter().zip(changed) {
        assert!(before > 0.4, "{before}");
        assert!((before - after).abs() < 1e-6, "{before} {after}");
    }
}

#[test]
fn a_tenant_that_is_idle_and_owes_nothing_is_forgotten() {
    let mut bench = Bench::new(1);
    bench.teach(1, 10);
    assert!(bench.pool.flow(flow(1)).is_some());
    // Others are served until the virtual time has passed its tag.
    for _ in 0..10 {
        bench.teach(2, 10);
    }
    assert_eq!(bench.pool.flow(flow(1)), None);
}

#[test]
fn a_request_of_an_older_config_does_not_bring_its_limit_back_for_all_others() {
    let old = Ask {
        generation: 1,
        ..of(0)
    };
    let new = Ask {
        generation: 2,
        in_flight_max: 1,
        ..of(0)
    };
    let mut bench = Bench::new(5);
    let slot = bench.go(&new);
    let waiting: Vec<_> = (0..3).map(|_| bench.wait(&new)).collect();
    let late = bench.wait(&old);
    assert!(bench.dispatch().is_none(), "more in flight than one");
    let grant = bench.next_after(slot, 1).unwrap();
    assert_eq!(grant.ticket, waiting[0].ticket);
    assert!(bench.dispatch().is_none());
    assert!(bench.leave(late, schleuse_core::Leave::Gone).is_none());
}

#[test]
fn a_request_of_an_older_config_does_not_bring_its_rate_back_for_all_others() {
    let new = Ask {
        generation: 2,
        ..of(0)
    };
    let old = Ask {
        generation: 1,
        quota: Some(schleuse_core::Quota::new(0.1, 1.0)),
        ..of(0)
    };
    let mut bench = Bench::new(1);
    let slot = bench.go(&new);
    let (first, _old) = (bench.wait(&new), bench.wait(&old));
    let last = bench.wait(&new);
    let grant = bench.next_after(slot, 1).unwrap();
    assert_eq!(grant.ticket, first.ticket);
    let grant = bench.next_after(grant.slot, 1).unwrap();
    let grant = bench.next_after(grant.slot, 1).unwrap();
    assert_eq!(grant.ticket, last.ticket);
}

#[test]
fn a_debt_keeps_its_worth_in_seat_seconds_when_a_reload_changes_the_weight() {
    let debt = |bench: &Bench| {
        let view = bench.view(0);
        view.ahead * view.weight
    };
    let ways: [fn(&mut Bench); 2] = [
        |bench| {
            let heavier = Ask {
                inhabitants: 50_000,
                ..of(0)
            };
            bench.wait(&heavier);
        },
        |bench| {
            bench.policy.queue.fair_by = FairBy::Equal;
            bench.set_endpoints(1);
        },
    ];
    for reload in ways {
        let mut bench = Bench::new(1);
        bench.teach(0, 400);
        bench.teach(1, 400);
        let _slot = bench.go(&of(0));
        let before = debt(&bench);
        assert!(before > 0.3, "{before}");
        reload(&mut bench);
        let after = debt(&bench);
        assert!((after / before - 1.0).abs() < 1e-3, "{before} {after}");
    }
}

#[test]
fn a_charge_in_flight_is_given_back_by_the_weight_that_a_reload_brought() {
    let mut bench = Bench::new(1);
    bench.teach(0, 400);
    bench.teach(1, 400);
    let slot = bench.go(&of(0));
    let heavier = Ask {
        inhabitants: 1_000_000,
        ..of(0)
    };
    bench.wait(&heavier);
    let charged = bench.view(0).ahead;
    bench.pass(Duration::from_millis(400));
    bench.depart(slot);
    let after = bench.view(0).ahead;
    assert!(
        (after - charged).abs() < 1e-3 * charged,
        "{charged} {after}"
    );
}
