//! Weights that change by their whole range, by reload or because others come: nobody is left behind, and nobody gets a
//! lead by it.

use std::time::Duration;

use schleuse_core::{FairBy, Grant, Slot, Terms, Ticket};

use crate::support::{Ask, Bench, flow, of};

const CITY: u64 = 1_000_000;
const SEATS: u32 = 4;

/// Nobody is told that it would wait too long.
fn bench() -> Bench {
    let mut bench = Bench::new(SEATS);
    bench.policy.queue.wait_max = Duration::from_secs(1_000_000);
    bench
}

fn sized(tenant: u32, inhabitants: u64) -> Ask {
    Ask {
        inhabitants,
        ..of(tenant)
    }
}

fn reweigh(bench: &mut Bench, tenant: u32, inhabitants: u64) {
    let terms = Terms {
        generation: 1,
        inhabitants,
        in_flight_max: u32::MAX,
        rate: None,
    };
    let (policy, now) = (&bench.policy, bench.now);
    bench.pool.set_terms(policy, flow(tenant), terms, now);
}

/// Time passes with a correction every 250 ms.
fn pass_with_corrections(bench: &mut Bench, seconds: u64) {
    for _ in 0..4 * seconds {
        bench.pass(Duration::from_millis(250));
        bench.pool.tick(&bench.policy, bench.now);
    }
}

/// Takes all seats for the tenant, and lets many more of it wait.
fn flood(bench: &mut Bench, ask: &Ask) -> Vec<Slot> {
    let slots = (0..SEATS).map(|_| bench.go(ask)).collect();
    bench.wait_times(900, ask);
    slots
}

/// All seats come free every `millis`, with a correction when it is due; the first grants, up to `count`.
fn serve(bench: &mut Bench, mut slots: Vec<Slot>, millis: u64, count: usize) -> Vec<Ticket> {
    let (mut order, mut corrected) = (Vec::new(), bench.now);
    while order.len() < count {
        bench.pass(Duration::from_millis(millis));
        if bench.now - corrected >= Duration::from_millis(250) {
            corrected = bench.now;
            bench.pool.tick(&bench.policy, bench.now);
        }
        slots.drain(..).for_each(|slot| bench.depart(slot));
        for Grant { ticket, slot } in std::iter::from_fn(|| bench.dispatch()) {
            order.push(ticket);
            slots.push(slot);
        }
        assert!(!slots.is_empty(), "nobody waits any more");
    }
    order
}

/// Of the next grants, the place of one of a tenant.
fn turn_of(bench: &mut Bench, slots: Vec<Slot>, ticket: Ticket) -> Duration {
    let order = serve(bench, slots, 100, 800);
    let place = order.iter().position(|other| *other == ticket);
    let place = place.expect("it got no seat in 20 seconds");
    Duration::from_millis(100) * u32::try_from(place).unwrap() / SEATS
}

#[test]
fn one_whose_weight_falls_a_millionfold_waits_no_longer_than_its_debt_may_be() {
    let mut bench = bench();
    let (town, city) = (sized(1, CITY), sized(2, CITY));
    bench.teach(2, 100);
    let long: Vec<Slot> = (1..SEATS).map(|_| bench.go(&town)).collect();
    let mut slots = vec![bench.go(&city)];
    bench.wait_times(900, &city);
    pass_with_corrections(&mut bench, 8);
    let waiting = bench.wait(&town);
    for slot in long {
        bench.depart(slot);
        slots.push(bench.dispatch().unwrap().slot);
    }
    assert!(bench.view(1).ahead * bench.view(1).weight > 5.0);
    reweigh(&mut bench, 1, 1);
    let bound = 15.0 * f64::from(SEATS) / 1_000_001.0;
    let ahead = bench.view(1).ahead;
    assert!(ahead <= bound * 1.001, "{ahead} beyond {bound}");
    let wait = turn_of(&mut bench, slots, waiting.ticket);
    assert!(wait <= Duration::from_secs(15), "{wait:?}");
}

#[test]
fn one_who_owes_from_when_it_was_alone_does_not_wait_behind_a_city_for_ever() {
    let mut bench = bench();
    let (village, city) = (sized(1, 1), sized(2, CITY));
    bench.teach(2, 100);
    let long = bench.go(&village);
    pass_with_corrections(&mut bench, 10);
    bench.depart(long);
    let slots = flood(&mut bench, &city);
    let waiting = bench.wait(&village);
    let wait = turn_of(&mut bench, slots, waiting.ticket);
    assert!(wait <= Duration::from_secs(15), "{wait:?}");
}

#[test]
fn the_virtual_time_does_not_follow_to_what_a_village_owed_when_it_was_alone() {
    let mut bench = bench();
    let long = bench.go(&sized(1, 1));
    pass_with_corrections(&mut bench, 10);
    bench.depart(long);
    assert!(bench.view(1).ahead > 5.0);
    let before = bench.pool.queue(&bench.policy, bench.now).virtual_time;
    let _city = bench.go(&sized(2, CITY));
    let _village = bench.go(&sized(1, 1));
    let after = bench.pool.queue(&bench.policy, bench.now).virtual_time;
    assert!(after - before < 0.001, "{before} {after}");
}

/// How many of the next 60 grants go to the tenant of which this is told.
fn grants_of(bench: &mut Bench, slots: Vec<Slot>, tenant: u32) -> usize {
    let before = bench.view(tenant).waiting;
    // Each ends a millisecond before it was expected to.
    let granted = serve(bench, slots, 99, 60);
    assert!(granted.len() >= 60);
    (before - bench.view(tenant).waiting) as usize
}

#[test]
fn one_whose_weight_falls_with_requests_in_flight_gets_no_lead() {
    let mut bench = bench();
    (0..30).for_each(|_| bench.teach(1, 100));
    let slots = flood(&mut bench, &sized(1, CITY));
    bench.wait_times(900, &sized(2, CITY));
    reweigh(&mut bench, 1, 1);
    // Its share is that of the floor: one in 21.
    let granted = grants_of(&mut bench, slots, 1);
    assert!(granted <= 10, "{granted}");
}

#[test]
fn those_below_the_floor_get_no_lead_when_fairness_follows_the_population() {
    let mut bench = bench();
    bench.policy.queue.fair_by = FairBy::Equal;
    bench.set_endpoints(1);
    (0..30).for_each(|_| bench.teach(1, 100));
    let slots = flood(&mut bench, &sized(1, 1));
    bench.wait_times(900, &sized(2, CITY));
    bench.policy.queue.fair_by = FairBy::Population;
    bench.set_endpoints(1);
    let granted = grants_of(&mut bench, slots, 1);
    assert!(granted <= 10, "{granted}");
}

#[test]
fn what_a_village_was_charged_alone_is_no_lead_before_the_city_that_comes() {
    let mut bench = bench();
    (0..30).for_each(|_| bench.teach(1, 100));
    let slots = flood(&mut bench, &sized(1, 1));
    bench.wait_times(900, &sized(2, CITY));
    let granted = grants_of(&mut bench, slots, 1);
    assert!(granted <= 10, "{granted}");
}

#[test]
fn what_is_given_back_is_no_more_than_what_was_put_on_the_tag() {
    let mut bench = Bench::new(1);
    bench.teach(1, 100_000);
    let _city = bench.go(&sized(2, CITY));
    bench.set_endpoints(2);
    bench.pass(Duration::from_mins(1));
    // 100 s by the floor would be more than 15 s of all seats.
    let slot = bench.go(&sized(1, 1));
    let charged = bench.view(1).ahead;
    bench.pass(Duration::from_millis(1));
    bench.depart(slot);
    let left = bench.view(1).ahead;
    assert!(charged > 0.0 && left > 0.0 && left < charged, "{left}");
}

#[test]
fn a_lead_keeps_its_worth_in_seat_seconds_when_the_weight_changes() {
    let mut bench = Bench::new(2);
    bench.teach(1, 1_000);
    let slots = [bench.go(&of(1)), bench.go(&of(1))];
    bench.wait_times(5, &of(1));
    for slot in slots {
        bench.pass(Duration::from_millis(10));
        bench.depart(slot);
    }
    let lead = |bench: &Bench| -bench.view(1).ahead * bench.view(1).weight;
    let before = lead(&bench);
    assert!(before > 0.5, "{before}");
    reweigh(&mut bench, 1, 100_000);
    let after = lead(&bench);
    assert!((after / before - 1.0).abs() < 1e-3, "{before} {after}");
}
