//! What becomes of a pool over minutes of reports.

use std::time::Duration;

use schleuse_core::scale::recommender::Recommender;

use crate::support::{Bench, labels};

#[test]
fn a_pool_wakes_is_staffed_comes_down_and_sleeps() {
    let mut bench = Bench::new();
    assert_eq!(bench.slices(5, 0, 0, 0).replicas, 0);
    let woken = bench.slice(500, 0, 500).1;
    assert!(woken.replicas >= 30, "{woken:?}");
    bench.ready = woken.replicas;
    assert_eq!(bench.slices(300, 500, 200, 0).replicas, 12);
    assert_eq!(bench.slices(600, 0, 0, 0).replicas, 0);
}

#[test]
fn a_descent_never_takes_more_than_half_within_a_minute() {
    let mut bench = Bench::new();
    bench.ready = 60;
    bench.slices(70, 3_000, 1_200, 0);
    let mut minutes = vec![bench.recommender.replicas()];
    for _ in 0..8 {
        bench.slices(60, 0, 0, 0);
        minutes.push(bench.recommender.replicas());
    }
    assert!(
        minutes.windows(2).all(|pair| pair[1] >= pair[0] / 2),
        "{minutes:?}"
    );
    assert!(minutes.last() <= Some(&2), "{minutes:?}");
}

#[test]
fn the_seat_time_is_learnt_under_load_and_changes_what_is_ordered() {
    let mut bench = Bench::new();
    bench.ready = 12;
    bench.slices(60, 500, 200, 0);
    // The backend now holds each request for twice as long: 400 seats for the same rate.
    let slower = bench.slices(60, 500, 400, 0);
    assert!((21..=25).contains(&slower.replicas), "{slower:?}");
}

#[test]
fn a_changed_policy_counts_from_the_next_decision_on() {
    let mut bench = Bench::new();
    bench.ready = 12;
    bench.slices(60, 500, 200, 0);
    bench.policy.max = 5;
    let capped = bench.slice(500, 200, 0).1;
    assert_eq!(capped.replicas, 5);
    assert_eq!(labels(&capped).last(), Some(&"limit"));
    bench.policy.max = 100;
    bench.policy.min = 30;
    assert_eq!(bench.slice(500, 200, 0).1.replicas, 30);
}

/// Poisson counts by inversion over a multiplicative generator (Lehmer, 48271 modulo 2^31 - 1).
fn poisson(state: &mut u32, mean: f64) -> u64 {
    const MODULUS: u32 = 2_147_483_647;
    let mut uniform = || {
        let next = u64::from(*state) * 48_271 % u64::from(MODULUS);
        *state = u32::try_from(next).unwrap_or(1);
        f64::from(*state) / f64::from(MODULUS)
    };
    let (limit, mut product, mut count) = ((-mean).exp(), uniform(), 0);
    while product > limit {
        product *= uniform();
        count += 1;
    }
    count
}

#[test]
fn two_slow_requests_a_second_do_not_ratchet_a_small_pool_upwards() {
    // Two busy seats of a second each, two seats per replica: 99 of 100 wait less than a second with three replicas.
    for seed in 1..=10 {
        let mut bench = Bench::new();
        bench.policy.seats_per_replica = 2;
        bench.policy.seat_time = Duration::from_secs(1);
        bench.ready = 3;
        let mut state = seed * 7_919;
        let decided: Vec<u32> = (0..2_400)
            .map(|_| {
                let arrivals = poisson(&mut state, 0.5);
                bench.slice(arrivals, 2, 0).1.replicas
            })
            .collect();
        assert!(decided.iter().all(|&replicas| replicas <= 7), "{seed}");
        let settled = decided.get(960..).unwrap_or_default();
        assert!(
            settled.iter().all(|replicas| (2..=4).contains(replicas)),
            "{seed}: {settled:?}"
        );
    }
}

#[test]
fn a_pool_costs_two_and_a_quarter_kibibytes() {
    assert!(size_of::<Recommender>() <= 2_304);
}
