//! Laws of the queue for all inputs, and the shares that its design promised.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use schleuse_core::{FairBy, Timestamp};

use crate::contest::{Contest, Contestant};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn contestants(demand: impl Strategy<Value = Vec<u32>>) -> impl Strategy<Value = Contestant> {
    let inhabitants = prop_oneof![Just(1), Just(3), Just(10), Just(30), Just(1_000_000)];
    let service = prop_oneof![5..50_u64, 50..400_u64];
    (inhabitants, 1..5_u32, service, demand).prop_map(|(inhabitants, cost, service, demand)| {
        Contestant {
            inhabitants,
            cost,
            service: millis(service),
            in_flight_max: u32::MAX,
            demand,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn flows_that_stay_backlogged_are_served_by_weight_within_the_bound(
        seats in 1..6_u32, contestants in vec(contestants(Just(vec![20])), 2..5)
    ) {
        let mut contest = Contest::new(seats, FairBy::Population, contestants);
        contest.run(at(20));
        prop_assert!(contest.meter.compared > 0);
    }

    #[test]
    fn a_demand_that_comes_and_goes_earns_no_credit_p34(
        seats in 1..6_u32,
        contestants in vec(contestants(vec(prop_oneof![Just(0), Just(1), Just(30)], 1..6)), 2..5)
    ) {
        let mut contest = Contest::new(seats, FairBy::Population, contestants);
        contest.run(at(20));
    }
}

/// Shares of all seats that two floods got.
fn share(one: Contestant, other: Contestant) -> f64 {
    let mut contest = Contest::new(40, FairBy::Population, vec![one, other]);
    contest.run(at(60));
    contest.got[0].seconds / contest.got[1].seconds
}

#[test]
fn requests_of_two_seconds_and_of_fifty_milliseconds_get_the_same() {
    let ratio = share(
        Contestant::flood(1_000, millis(2_000)),
        Contestant::flood(1_000, millis(50)),
    );
    assert!((0.95..1.05).contains(&ratio), "{ratio}");
}

#[test]
fn three_times_the_weight_gets_three_times_as_much() {
    let ratio = share(
        Contestant::flood(3_000, millis(50)),
        Contestant::flood(1_000, millis(50)),
    );
    assert!((2.9..3.1).contains(&ratio), "{ratio}");
}

#[test]
fn a_cost_of_four_gets_a_quarter_of_the_seats() {
    let heavy = Contestant {
        cost: 4,
        ..Contestant::flood(1_000, millis(50))
    };
    let ratio = share(heavy, Contestant::flood(1_000, millis(50)));
    assert!((0.24..0.26).contains(&ratio), "{ratio}");
}

/// The 99th percentile of what one with a request at a time waits beside a flood.
fn wait_beside(flood: Contestant, quiet: u64, fair_by: FairBy) -> Duration {
    let quiet = Contestant {
        demand: vec![1],
        ..Contestant::flood(quiet, millis(50))
    };
    let mut contest = Contest::new(40, fair_by, vec![flood, quiet]);
    contest.run(at(60));
    let waits = &mut contest.got[1].waits;
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[test]
fn a_quiet_tenant_beside_a_flood_waits_less_than_five_service_times_per_seat() {
    let flood = Contestant::flood(1_000, millis(50));
    let wait = wait_beside(flood, 1_000, FairBy::Population);
    assert!(wait <= 5 * millis(50) / 40, "{wait:?}");
}

#[test]
fn groedes_seven_people_wait_less_than_fifty_milliseconds_behind_berlin() {
    let berlin = Contestant::flood(3_685_265, millis(50));
    let wait = wait_beside(berlin, 7, FairBy::Population);
    assert!(wait <= millis(50), "{wait:?}");
}

#[test]
fn one_fifo_makes_the_quiet_wait_as_long_as_the_flood() {
    let flood = Contestant::flood(1_000, millis(50));
    let wait = wait_beside(flood, 1_000, FairBy::None);
    assert!(wait >= millis(50), "{wait:?}");
}
