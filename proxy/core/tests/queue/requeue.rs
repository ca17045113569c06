//! Endpoints that take no connection: who was sent to nobody waits again, where it stood, and nothing is offered to them
//! for a moment.

use std::{collections::HashSet, time::Duration};

use schleuse_core::{
    ActivationPolicy, Admission, Class, Failure, Grant, Leave, Mode, Outcome, Quota, Requeued,
    Slot, Ticket, Timestamp, WakeNews,
};

use crate::support::{Ask, Bench, address, of};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Goes on to the next moment at which somebody gets a seat.
fn next_grant(bench: &mut Bench) -> Grant {
    loop {
        if let Some(grant) = bench.dispatch() {
            return grant;
        }
        bench.now = bench.due().unwrap();
        bench.pool.tick(&bench.policy, bench.now);
    }
}

#[test]
fn a_whole_queue_outlives_an_endpoint_that_is_away_for_a_moment() {
    let mut bench = Bench::new(5);
    let mut slots: Vec<Slot> = (0..5).map(|_| bench.go(&of(0))).collect();
    let mut waiting: HashSet<Ticket> = (0..95).map(|_| bench.wait(&of(0)).ticket).collect();
    let back = bench.now + millis(700);
    let (mut refused, mut answered) = (0, 0);
    while answered < 100 {
        for slot in slots.drain(..) {
            if bench.now < back {
                refused += 1;
                waiting.insert(bench.wait_again(&of(0), slot).ticket);
            } else {
                answered += 1;
                bench.depart(slot);
            }
        }
        if answered < 100 {
            let first = next_grant(&mut bench);
            let others = std::iter::from_fn(|| bench.dispatch());
            for grant in std::iter::once(first).chain(others.collect::<Vec<_>>()) {
                assert!(waiting.remove(&grant.ticket), "a ticket ended twice");
                slots.push(grant.slot);
            }
        }
    }
    assert_eq!(waiting.len(), 0);
    // After 0, 50, 150 and 350 ms; the next is after 750.
    assert_eq!(refused, 4 * 5);
    assert!(bench.now < back + millis(100), "{:?}", bench.now);
    let totals = bench.pool.totals();
    assert_eq!((totals.queued, totals.requeued), (95 + 20, 20));
    assert_eq!(totals.arrivals, 100);
}

#[test]
fn who_was_not_reached_goes_before_all_others_of_its_flow_in_order_of_arrival() {
    let mut bench = Bench::new(2);
    let (first, second) = (bench.go(&of(0)), bench.go(&of(0)));
    let third = bench.wait(&of(0));
    let until = first.until;
    let second = bench.wait_again(&of(0), second);
    bench.pass(millis(1));
    let first = bench.wait_again(&of(0), first);
    assert_eq!(first.until, until, "by its own deadline");
    assert!(
        bench.dispatch().is_none(),
        "nothing is offered for a moment"
    );
    for expected in [first, second] {
        let grant = next_grant(&mut bench);
        assert_eq!(grant.ticket, expected.ticket);
        assert_eq!(grant.slot.until, expected.until);
    }
    assert_eq!(bench.waiting(), 1);
    assert!(bench.leave(third, Leave::Gone).is_none());
}

#[test]
fn who_was_not_reached_moves_to_a_free_seat_of_another_endpoint_or_waits_for_one() {
    let mut bench = Bench::new(1);
    bench.policy.slow_start = Duration::ZERO;
    bench.set_endpoints(2);
    let refused = bench.go(&of(0));
    let dying = refused.endpoint;
    let Requeued::Go(serving) = bench.requeue(&of(0), refused) else {
        panic!("the other endpoint is free");
    };
    assert_ne!(serving.endpoint, dying);
    // The one that refused is offered again after its pause, the other one stays busy.
    let waiting = bench.wait(&of(0));
    let again = next_grant(&mut bench);
    assert_eq!((again.ticket, again.slot.endpoint), (waiting.ticket, dying));
    let again = bench.wait_again(&of(0), again.slot);
    bench.depart(serving);
    let grant = bench.dispatch().unwrap();
    assert_eq!(grant.ticket, again.ticket);
    assert_ne!(grant.slot.endpoint, dying);
}

#[test]
fn its_rate_is_charged_once_however_often_nobody_is_reached() {
    let rated = Ask {
        quota: Some(Quota::new(0.001, 1.0)),
        ..of(0)
    };
    let mut bench = Bench::new(1);
    let mut slot = bench.go(&rated);
    for _ in 0..4 {
        let waiting = bench.wait_again(&rated, slot);
        let grant = next_grant(&mut bench);
        assert_eq!(grant.ticket, waiting.ticket);
        slot = grant.slot;
    }
    let refused = bench.refused(&rated);
    assert_eq!(refused.refusal, schleuse_core::Refusal::TenantRate);
    bench.depart(slot);
}

#[test]
fn not_being_reached_costs_the_flow_nothing_and_teaches_nothing() {
    let mut bench = Bench::new(1);
    bench.teach(0, 200);
    let before = bench.view(0);
    let slot = bench.go(&of(0));
    let charged = bench.view(0).ahead;
    assert!(charged > 0.0);
    let _waiting = bench.wait_again(&of(0), slot);
    let after = bench.view(0);
    assert!(after.ahead < charged / 100.0, "{after:?}");
    assert_eq!(after.service_time, before.service_time);
    assert_eq!(after.in_flight, 0);
}

#[test]
fn a_limit_in_flight_holds_for_those_who_were_not_reached() {
    let one = Ask {
        in_flight_max: 1,
        ..of(0)
    };
    let mut bench = Bench::new(2);
    let first = bench.go(&one);
    let second = bench.wait(&one);
    let first = bench.wait_again(&one, first);
    let grant = next_grant(&mut bench);
    assert_eq!(grant.ticket, first.ticket);
    assert!(bench.dispatch().is_none(), "a second one in flight");
    bench.depart(grant.slot);
    assert_eq!(bench.dispatch().unwrap().ticket, second.ticket);
}

#[test]
fn an_outage_longer_than_anybody_may_wait_is_told_at_once() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(5);
    let mut slot = bench.go(&of(0));
    let until = slot.until;
    loop {
        match bench.requeue(&of(0), slot) {
            Requeued::Wait(_) => {}
            Requeued::Stands => break,
            other @ Requeued::Go(_) => panic!("{other:?}"),
        }
        bench.pass(Duration::from_secs(1));
        slot = bench.dispatch().unwrap().slot;
    }
    assert_eq!(bench.now, until);
    bench.pass(Duration::from_secs(2));
    let slot = bench.go(&of(1));
    assert!(matches!(bench.requeue(&of(1), slot), Requeued::Stands));
    // Nobody is kept back any more, and one that is answered ends it.
    let slot = bench.go(&of(2));
    bench.depart(slot);
    let slot = bench.go(&of(2));
    assert!(matches!(bench.requeue(&of(2), slot), Requeued::Wait(_)));
}

#[test]
fn a_pool_without_a_queue_lets_the_failure_stand_and_keeps_nobody_back() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_max = 0;
    for _ in 0..10 {
        let slot = bench.go(&of(0));
        assert!(matches!(bench.requeue(&of(0), slot), Requeued::Stands));
    }
}

#[test]
fn after_its_time_nobody_waits_again() {
    let mut bench = Bench::new(1);
    let slot = bench.go(&of(0));
    bench.now = slot.until;
    assert!(matches!(bench.requeue(&of(0), slot), Requeued::Stands));
    assert_eq!(bench.waiting(), 0);
}

#[test]
fn a_pool_that_somebody_scales_is_woken_by_one_who_was_not_reached() {
    let mut bench = Bench::new(1);
    bench.policy.activation = Some(ActivationPolicy::default());
    bench.set_endpoints(0);
    bench.set_endpoints(1);
    let (endpoint, _) = bench.pool.unprobed().unwrap();
    assert!(bench.pool.answered(&bench.policy, endpoint, bench.now));
    let slot = match bench.arrive(&of(0)) {
        Admission::Go(slot) => slot,
        other => panic!("{other:?}"),
    };
    while bench.pool.take_news().is_some() {}
    let waiting = bench.wait_again(&of(0), slot);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
    assert!(bench.dispatch().is_none());
    assert!(bench.pool.answered(&bench.policy, endpoint, bench.now));
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}

#[test]
fn one_refused_connection_turns_nobody_away_and_forgives_no_debt() {
    let mut bench = Bench::new(2);
    bench.policy.slow_start = Duration::ZERO;
    bench.policy.queue.wait_max = Duration::from_secs(1);
    bench.set_endpoints(2);
    bench.teach(0, 1_000);
    let _long = bench.go(&of(0));
    let mut slots: Vec<Slot> = (0..3).map(|_| bench.go(&of(1))).collect();
    bench.wait(&of(0));
    bench.pass(Duration::from_mins(1));
    bench.pool.tick(&bench.policy, bench.now);
    let owed = bench.view(0).ahead;
    let refused = Outcome::Failed(Failure::Connect);
    let (slot, now) = (slots.remove(0), bench.now);
    bench.pool.depart(&bench.policy, slot, refused, now);
    bench.pass(millis(1));
    bench.pool.tick(&bench.policy, bench.now);
    assert!(
        bench.view(0).ahead >= owed,
        "{} {owed}",
        bench.view(0).ahead
    );
    // Three seconds of work for four seats are less than a second; for the two of one endpoint they are more.
    bench.wait(&of(1));
    bench.wait(&of(1));
}

#[test]
fn who_was_not_reached_goes_first_to_the_endpoint_of_its_session_that_drains() {
    let mut bench = Bench::new(1);
    bench.set_endpoints(2);
    bench.pass(Duration::from_secs(20));
    let drained = bench.pool.endpoint(address(0));
    let session = Ask {
        preferred: drained,
        ..of(1)
    };
    let signed = Ask {
        class: Class::Signed,
        ..session.clone()
    };
    for ask in [&session, &signed] {
        let slot = bench.go(&session);
        assert!(bench.pool.set_mode(address(0), Mode::Drain, bench.now));
        let other = bench.go(&of(0));
        let waiting = bench.wait(&session);
        let (slot, later) = if ask.class == Class::Signed {
            let signed = bench.wait(&signed);
            let grant = bench.next_after(slot, 10).unwrap();
            assert_eq!(grant.ticket, signed.ticket);
            (grant.slot, waiting)
        } else {
            (slot, waiting)
        };
        // Its turn is before theirs, but the seat is for sessions alone.
        let stranger = bench.wait(&of(2));
        bench.pass(millis(10));
        let first = bench.wait_again(ask, slot);
        let grant = next_grant(&mut bench);
        assert_eq!(grant.ticket, first.ticket, "{ask:?}");
        let grant = bench.next_after(grant.slot, 10).unwrap();
        assert_eq!(grant.ticket, later.ticket);
        bench.depart(grant.slot);
        assert!(bench.leave(stranger, Leave::Gone).is_none());
        bench.depart(other);
        assert!(bench.pool.set_mode(address(0), Mode::Ready, bench.now));
    }
}

#[test]
fn the_pauses_of_an_endpoint_end_when_one_that_was_sent_afterwards_is_answered() {
    let mut bench = Bench::new(2);
    let earlier = bench.go(&of(0));
    bench.pass(millis(1));
    let refused = bench.go(&of(0));
    bench.pass(millis(1));
    let _waiting = bench.wait_again(&of(0), refused);
    let paused = |bench: &Bench| -> Option<Timestamp> {
        let mut views = bench.pool.views(&bench.policy, bench.now);
        views.next().unwrap().paused_until
    };
    // Sent before it went away: it says nothing of now.
    bench.depart(earlier);
    assert!(paused(&bench).is_some());
    let grant = next_grant(&mut bench);
    bench.depart(grant.slot);
    assert_eq!(paused(&bench), None);
}

#[test]
fn the_end_of_a_draining_endpoints_pause_is_due_though_nobody_else_serves() {
    let mut bench = Bench::new(1);
    let session = Ask {
        preferred: bench.pool.endpoint(address(0)),
        ..of(0)
    };
    let slot = bench.go(&session);
    assert!(bench.pool.set_mode(address(0), Mode::Drain, bench.now));
    let waiting = bench.wait_again(&session, slot);
    assert!(bench.dispatch().is_none());
    let due = bench.due().unwrap();
    assert_eq!(due, bench.now + millis(50));
    bench.now = due;
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}
