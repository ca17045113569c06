//! Whose turn it is.

use std::time::Duration;

use schleuse_core::{Class, FairBy, Leave, Mode, Slot};

use crate::support::{Ask, Bench, address, of};

#[test]
fn a_freed_seat_goes_to_the_one_who_waited_longest_of_its_tenant() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(0));
    let (first, second) = (bench.wait(&of(1)), bench.wait(&of(1)));
    let grant = bench.next_after(slot, 50).unwrap();
    assert_eq!(grant.ticket, first.ticket);
    let grant = bench.next_after(grant.slot, 50).unwrap();
    assert_eq!(grant.ticket, second.ticket);
    assert_eq!((bench.waiting(), bench.dispatch().map(|_| ())), (0, None));
}

#[test]
fn two_tenants_take_turns_however_many_of_one_came_first() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(0));
    let many: Vec<_> = (0..20).map(|_| bench.wait(&of(1)).ticket).collect();
    let few: Vec<_> = (0..3).map(|_| bench.wait(&of(2)).ticket).collect();
    let mut order = Vec::new();
    let mut next = bench.next_after(slot, 50);
    while let Some(grant) = next {
        order.push(grant.ticket);
        next = bench.next_after(grant.slot, 50);
    }
    let place = |ticket| order.iter().position(|other| other == ticket).unwrap();
    assert!(few.iter().all(|ticket| place(ticket) < 8), "{order:?}");
    assert_eq!(order.len(), many.len() + few.len());
}

#[test]
fn one_fifo_keeps_the_order_of_arrival_of_all_and_skips_who_may_not_go() {
    let mut bench = Bench::new(2);
    bench.policy.queue.fair_by = FairBy::None;
    bench.set_endpoints(1);
    let limited = Ask {
        in_flight_max: 1,
        ..of(1)
    };
    let slots = [bench.go(&limited), bench.go(&of(0))];
    let held = bench.wait(&limited).ticket;
    let signed = Ask {
        class: Class::Signed,
        ..of(2)
    };
    let rest: Vec<_> = [of(2), of(3), signed]
        .iter()
        .map(|ask| bench.wait(ask).ticket)
        .collect();
    let [own, other] = slots;
    let first = bench.next_after(other, 50).unwrap();
    assert_eq!(first.ticket, rest[0], "the one before may not go yet");
    let second = bench.next_after(own, 50).unwrap();
    assert_eq!(second.ticket, held, "its own request has departed");
    let third = bench.next_after(first.slot, 50).unwrap();
    assert_eq!(third.ticket, rest[1]);
}

#[test]
fn people_in_a_session_go_first_and_one_in_eight_is_new() {
    let mut bench = Bench::new(1);
    let mut slot = bench.go(&of(0));
    let new: Vec<_> = (0..3).map(|_| bench.wait(&of(1)).ticket).collect();
    let signed = Ask {
        class: Class::Signed,
        ..of(1)
    };
    for _ in 0..30 {
        bench.wait(&signed);
    }
    let mut order = Vec::new();
    for _ in 0..17 {
        let grant = bench.next_after(slot, 10).unwrap();
        order.push(new.contains(&grant.ticket));
        slot = grant.slot;
    }
    let places: Vec<usize> = (0..17).filter(|place| order[*place]).collect();
    assert_eq!(places, [7, 15]);
}

#[test]
fn who_runs_long_is_charged_while_it_runs() {
    let mut bench = Bench::new(2);
    bench.teach(1, 10);
    bench.teach(2, 10);
    let mut slot = bench.go(&of(0));
    let _long = bench.go(&of(1));
    bench.wait(&of(1));
    let others = [0, 1, 2].map(|_| bench.wait(&of(2)).ticket);
    for _ in 0..8 {
        bench.pass(Duration::from_millis(250));
        bench.pool.tick(&bench.policy, bench.now);
    }
    for other in others {
        let grant = bench.next_after(slot, 10).unwrap();
        assert_eq!(grant.ticket, other, "two seconds are more than three turns");
        slot = grant.slot;
    }
    assert_eq!(bench.view(1).waiting, 1);
}

#[test]
fn an_overcharge_is_given_back_at_departure() {
    let mut bench = Bench::new(2);
    bench.teach(1, 1_000);
    let slot = bench.go(&of(1));
    let charged = bench.view(1).ahead;
    bench.pass(Duration::from_millis(10));
    bench.depart(slot);
    let given_back = charged - bench.view(1).ahead;
    assert!((given_back * 1_000.0 - 0.99).abs() < 0.001, "{given_back}");
}

#[test]
fn nobody_owes_more_than_fifteen_seconds_of_the_pool() {
    let mut bench = Bench::new(2);
    let slot = bench.go(&of(1));
    let _other = bench.go(&of(2));
    bench.wait(&of(1));
    bench.pass(Duration::from_hours(1));
    bench.pool.tick(&bench.policy, bench.now);
    // Two seats, two tenants of 1,000.
    assert!((bench.view(1).ahead - 15.0 * 2.0 / 2_000.0).abs() < 1e-6);
    bench.depart(slot);
    assert!(bench.view(1).ahead <= 15.0 * 2.0 / 2_000.0 + 1e-6);
}

#[test]
fn a_debt_is_not_forgiven_while_no_endpoint_may_be_used() {
    let mut bench = Bench::new(2);
    let slot = bench.go(&of(1));
    let _other = bench.go(&of(2));
    bench.wait(&of(1));
    bench.pass(Duration::from_secs(5));
    bench.pool.tick(&bench.policy, bench.now);
    let owed = bench.view(1).ahead;
    for mode in [Mode::Maintenance, Mode::Ready, Mode::Drain] {
        assert!(bench.pool.set_mode(address(0), mode, bench.now));
        bench.pass(Duration::from_millis(250));
        bench.pool.tick(&bench.policy, bench.now);
        assert!(bench.view(1).ahead >= owed, "{mode:?}");
    }
    bench.depart(slot);
    assert!(bench.view(1).ahead >= owed);
}

#[test]
fn who_leaves_the_queue_owes_nothing_and_frees_its_place() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(0));
    let waits: Vec<_> = (0..50).map(|_| bench.wait(&of(1))).collect();
    let before = bench.view(1).ahead;
    for waiting in &waits {
        assert_eq!(bench.leave(*waiting, Leave::Gone), None);
    }
    assert_eq!((bench.waiting(), bench.due()), (0, None));
    assert!(bench.view(1).ahead <= before);
    assert!(bench.next_after(slot, 10).is_none());
    assert_eq!(bench.pool.totals().gone, 50);
}

#[test]
fn a_ticket_that_ended_names_nobody_even_when_its_place_is_taken_again() {
    let mut bench = Bench::new(1);
    let _slot = bench.go(&of(0));
    let first = bench.wait(&of(1));
    bench.leave(first, Leave::Gone);
    let second = bench.wait(&of(1));
    assert_eq!(first.ticket.index(), second.ticket.index());
    assert_ne!(first.ticket, second.ticket);
    assert_eq!(bench.leave(first, Leave::Expired), None);
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn a_session_that_waits_gets_the_seat_that_its_draining_endpoint_has_for_nobody_else() {
    let mut bench = Bench::new(1);
    bench.set_endpoints(2);
    bench.pass(Duration::from_secs(20));
    let drained = bench.pool.endpoint(address(0)).unwrap();
    let session = Ask {
        preferred: Some(drained),
        ..of(1)
    };
    let own = bench.go(&session);
    assert!(bench.pool.set_mode(address(0), Mode::Drain, bench.now));
    let _other = bench.go(&of(0));
    let stranger = bench.wait(&of(2)).ticket;
    let waiting = bench.wait(&session).ticket;
    let grant = bench.next_after(own, 10).unwrap();
    assert_eq!((grant.ticket, grant.slot.endpoint), (waiting, drained));
    assert!(!grant.slot.affinity_lost && grant.ticket != stranger);
    assert!(bench.dispatch().is_none());
}

#[test]
fn a_session_takes_the_free_seat_of_its_draining_endpoint_before_all_who_wait() {
    let mut bench = Bench::new(1);
    bench.set_endpoints(2);
    bench.pass(Duration::from_secs(20));
    let drained = bench.pool.endpoint(address(0));
    assert!(bench.pool.set_mode(address(0), Mode::Drain, bench.now));
    let _held = bench.go(&of(0));
    bench.wait(&of(0));
    let session = Ask {
        preferred: drained,
        ..of(1)
    };
    assert_eq!(Some(bench.go(&session).endpoint), drained);
}

#[test]
fn who_goes_without_waiting_is_charged_from_now_on_and_not_from_when_it_was_idle() {
    let mut bench = Bench::new(2);
    for _ in 0..10 {
        bench.teach(2, 1_000);
    }
    bench.teach(1, 10);
    let _slot = bench.go(&of(1));
    let charged = bench.view(1).ahead;
    assert!((charged * 1_000.0 - 0.01).abs() < 1e-6, "{charged}");
}

/// After requests that hung, each next one is charged for a long time and given back nearly all of it. That must be no
/// credit which somebody else waits for.
#[test]
fn a_flow_whose_requests_hung_has_no_lead_over_one_that_comes_afterwards() {
    let mut bench = Bench::new(4);
    let (hung, quiet) = (of(1), of(2));
    let mut slots: Vec<Slot> = (0..4).map(|_| bench.go(&hung)).collect();
    for _ in 0..200 {
        bench.wait(&hung);
    }
    for _ in 0..48 {
        bench.pass(Duration::from_millis(250));
        bench.pool.tick(&bench.policy, bench.now);
    }
    // Until the flow is known to be quick again.
    for _ in 0..40 {
        slots = slots
            .into_iter()
            .map(|slot| bench.next_after(slot, 3).unwrap().slot)
            .collect();
    }
    let waiting = bench.wait(&quiet);
    let before = slots
        .into_iter()
        .map(|slot| bench.next_after(slot, 3).unwrap().ticket)
        .position(|ticket| ticket == waiting.ticket);
    assert!(before.is_some(), "it waits longer than one seat's time");
}
