//! An address that takes a part of its connections and refuses the others: one replica behind it is dead, or its backlog
//! overflows. What it takes is served at its pace, and what it refuses waits again without holding back the rest.

use std::time::Duration;

use schleuse_core::{Requeued, Slot};

use crate::support::{Bench, of};

const SEATS: u32 = 4;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What half a minute brought.
#[derive(Default)]
struct Tally {
    answered: u32,
    refused: u32,
}

/// Every other connection is refused at once, the others are answered after 20 ms; somebody waits at all times.
fn half_a_minute(bench: &mut Bench) -> Tally {
    let end = bench.now + Duration::from_secs(30);
    let (mut tally, mut held): (_, Vec<Slot>) = (Tally::default(), Vec::new());
    let mut slots: Vec<Slot> = (0..SEATS).map(|_| bench.go(&of(0))).collect();
    bench.wait_times(100, &of(0));
    let mut connections = 0;
    while bench.now < end {
        for slot in slots.drain(..) {
            // The refusal comes back before any answer.
            bench.pass(Duration::from_micros(50));
            connections += 1;
            if connections % 2 == 1 {
                tally.refused += 1;
                assert!(matches!(bench.requeue(&of(0), slot), Requeued::Wait(_)));
            } else {
                held.push(slot);
            }
        }
        slots.extend(std::iter::from_fn(|| bench.dispatch()).map(|grant| grant.slot));
        if !slots.is_empty() {
            continue;
        }
        let answer = held.iter().map(|slot| slot.started + millis(20)).min();
        bench.now = answer.into_iter().chain(bench.due()).min().unwrap();
        bench.pool.tick(&bench.policy, bench.now);
        let (ready, later) =
            (held.into_iter()).partition(|slot| slot.started + millis(20) <= bench.now);
        held = later;
        for slot in Vec::<Slot>::from_iter(ready) {
            tally.answered += 1;
            bench.depart(slot);
            bench.wait(&of(0));
        }
        slots.extend(std::iter::from_fn(|| bench.dispatch()).map(|grant| grant.slot));
    }
    tally
}

#[test]
fn an_address_that_refuses_every_other_connection_serves_at_its_pace_and_is_not_given_up() {
    let mut bench = Bench::new(SEATS);
    bench.policy.queue.wait_max = Duration::from_secs(5);
    let tally = half_a_minute(&mut bench);
    // Four seats for 20 ms each are 6,000 in half a minute.
    assert!(tally.answered > 5_000, "{}", tally.answered);
    assert!(tally.refused < 2 * tally.answered, "{}", tally.refused);
}
