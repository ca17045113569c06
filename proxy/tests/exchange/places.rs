//! Places and seats of a pool without requests: what is granted is never lost, whoever looks when.

use std::{sync::Arc, task::Waker};

use schleuse::registry::{Arrived, HeldSlot, Place, Pool, Tenant};
use schleuse_core::{Arrival, Class, FlowKey, Outcome, Refusal, RegionalKey, TenantId};

use crate::support::Setup;

fn one_seat() -> Arc<Pool> {
    let pool = "    concurrency: 1\n    slow_start: 0s\n";
    let setup = Setup::with_pool("127.0.0.1:9".parse().unwrap(), pool);
    setup.edge.live().pools[0].clone()
}

fn arrive(pool: &Pool) -> Arrived<'_> {
    let key = RegionalKey::parse_ars("110000000000").unwrap();
    let arrival = Arrival::<Tenant> {
        flow: FlowKey {
            service: 1,
            tenant: TenantId::new(key),
        },
        generation: 0,
        inhabitants: 1,
        class: Class::New,
        client: 1,
        cost: 1,
        bytes: 1,
        in_flight_max: u32::MAX,
        rate: None,
        preferred: None,
        draw: 0,
    };
    pool.arrive(arrival, None)
}

fn seat(pool: &Pool) -> HeldSlot<'_> {
    match arrive(pool) {
        Arrived::Go(slot) => slot,
        other => panic!("no seat: {other:?}"),
    }
}

fn place(pool: &Pool) -> Place<'_> {
    match arrive(pool) {
        Arrived::Wait(place) => place,
        other => panic!("no place: {other:?}"),
    }
}

fn fetch<'p>(place: &mut Place<'p>) -> Option<HeldSlot<'p>> {
    place.fetch(Waker::noop())?.ok()
}

#[test]
fn a_seat_that_was_granted_and_not_fetched_outlives_the_next_use_of_its_ticket() {
    let pool = one_seat();
    let first = seat(&pool);
    let mut second = place(&pool);
    first.depart(Outcome::Abandoned);
    let mut third = place(&pool); // the core gives it the ticket that has just ended
    assert!(fetch(&mut third).is_none());
    let slot = fetch(&mut second).expect("its seat");
    slot.depart(Outcome::Abandoned);
    assert!(fetch(&mut third).is_some());
}

#[test]
fn a_place_that_is_dropped_with_its_seat_hands_that_to_the_next() {
    let pool = one_seat();
    let first = seat(&pool);
    let second = place(&pool);
    let mut third = place(&pool);
    first.depart(Outcome::Abandoned);
    assert!(fetch(&mut third).is_none());
    drop(second);
    assert!(fetch(&mut third).is_some());
}

#[test]
fn a_seat_that_comes_at_the_last_moment_is_taken() {
    let pool = one_seat();
    let first = seat(&pool);
    let second = place(&pool);
    first.depart(Outcome::Abandoned);
    assert!(second.expire().is_ok());
}

#[test]
fn a_start_that_failed_ends_the_wait_of_those_it_would_keep_too_long_and_a_late_word_ends_none() {
    // Within the wait at first; beyond it with the least pause after a failure, which is 0.75 s.
    let pool =
        "    scale: { keda: {}, min: 0, cold_start: 9500ms }\n    queue: { wait_max: 10s }\n";
    let setup = Setup::with_pool("127.0.0.1:9".parse().unwrap(), pool);
    let pool = setup.edge.live().pools[0].clone();
    let mut waits = place(&pool);
    let attempt = pool.attempt();
    pool.start_failed(attempt - 1);
    assert!(waits.fetch(Waker::noop()).is_none());
    pool.start_failed(attempt);
    let refused = waits.fetch(Waker::noop()).unwrap().unwrap_err();
    assert_eq!(refused.refusal, Refusal::StartFailed);
    assert_eq!(pool.queue().waiting, 0);
}

#[test]
fn nothing_is_left_when_all_have_gone() {
    let pool = one_seat();
    let first = seat(&pool);
    let places: Vec<_> = (0..100).map(|_| place(&pool)).collect();
    assert_eq!(pool.queue().waiting, 100);
    drop(first);
    drop(places);
    let totals = pool.totals();
    assert_eq!(pool.queue().waiting, 0);
    assert_eq!(totals.admitted, totals.departed);
    assert_eq!(totals.queued, totals.granted + totals.gone);
    drop(seat(&pool));
}
