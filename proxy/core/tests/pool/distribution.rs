//! Who gets how much, over minutes of virtual time with seeded draws.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use schleuse_core::{PoolPolicy, Slot, Timestamp};

use crate::support::{Bench, address, addresses, answered};

/// Requests at a constant rate against endpoints of constant speed.
struct Simulation {
    bench: Bench,
    /// By number of the endpoint, milliseconds to answer; the first byte is the last one.
    service_millis: Vec<u64>,
    ends: BinaryHeap<Reverse<(Timestamp, u64)>>,
    held: BTreeMap<u64, Slot>,
    arrived: u64,
    refused: u64,
}

impl Simulation {
    fn new(service_millis: &[u64], policy: PoolPolicy) -> Self {
        let endpoints = u16::try_from(service_millis.len()).unwrap();
        Self {
            bench: Bench::new(endpoints, policy),
            service_millis: service_millis.to_vec(),
            ends: BinaryHeap::new(),
            held: BTreeMap::new(),
            arrived: 0,
            refused: 0,
        }
    }

    /// Runs for `seconds` with `per_second` arrivals; returns what each endpoint got.
    fn run(&mut self, seconds: u64, per_second: u64) -> Vec<u64> {
        self.run_with(seconds, per_second, |_, _| {})
    }

    /// The same, calling `each` before every arrival with its number in this run.
    fn run_with(
        &mut self,
        seconds: u64,
        per_second: u64,
        mut each: impl FnMut(&mut Bench, u64),
    ) -> Vec<u64> {
        let mut got = vec![0; self.service_millis.len()];
        let start = self.bench.now;
        for number in 0..seconds * per_second {
            let at = start + Duration::from_micros(number * 1_000_000 / per_second);
            self.depart_until(at);
            self.bench.now = at;
            each(&mut self.bench, number);
            self.arrived += 1;
            let Ok(slot) = self.bench.arrive() else {
                self.refused += 1;
                continue;
            };
            let endpoint = usize::from(slot.address.port() - address(0).port());
            got[endpoint] += 1;
            let end = at + Duration::from_millis(self.service_millis[endpoint]);
            self.ends.push(Reverse((end, self.arrived)));
            self.held.insert(self.arrived, slot);
        }
        got
    }

    fn depart_until(&mut self, at: Timestamp) {
        while let Some(Reverse((end, number))) = self.ends.peek().copied()
            && end <= at
        {
            self.ends.pop();
            let slot = self.held.remove(&number).unwrap();
            self.bench.now = end;
            let millis = (end - slot.started).as_millis();
            let outcome = answered(u64::try_from(millis).unwrap());
            self.bench.depart(slot, outcome);
        }
    }
}

/// Share of the first endpoint in thousandths.
fn first_share(got: &[u64]) -> u64 {
    got[0] * 1_000 / got.iter().sum::<u64>()
}

#[test]
fn two_equal_endpoints_split_evenly() {
    let mut simulation = Simulation::new(&[5, 5], PoolPolicy::default());
    let share = first_share(&simulation.run(20, 1_000));
    assert!((475..=525).contains(&share), "{share} of 1000");
}

#[test]
fn two_equal_endpoints_split_evenly_across_a_reload_every_500_ms_p26() {
    let mut simulation = Simulation::new(&[5, 5], PoolPolicy::default());
    let got = simulation.run_with(20, 1_000, |bench, number| {
        if number % 500 == 0 {
            let mut list = addresses(2);
            if number % 1_000 == 0 {
                list.reverse();
            }
            bench.set_endpoints(&list);
        }
    });
    let share = first_share(&got);
    assert!((475..=525).contains(&share), "{share} of 1000");
    assert_eq!(simulation.refused, 0);
}

#[test]
fn two_equal_endpoints_split_evenly_while_a_third_one_comes_and_goes_p26() {
    let mut simulation = Simulation::new(&[5, 5, 5], PoolPolicy::default());
    let got = simulation.run_with(20, 1_000, |bench, number| {
        if number % 500 == 0 {
            let count = if number % 1_000 == 0 { 2 } else { 3 };
            bench.set_endpoints(&addresses(count));
        }
    });
    let share = first_share(&got[..2]);
    assert!((475..=525).contains(&share), "{share} of 1000");
    assert_eq!(simulation.refused, 0);
}

#[test]
fn an_endpoint_ten_times_slower_gets_less_than_a_quarter() {
    for per_second in [20, 200, 2_000] {
        let mut simulation = Simulation::new(&[50, 5], PoolPolicy::default());
        let got = simulation.run(60, per_second);
        assert!(first_share(&got) < 250, "{got:?} at {per_second}/s");
        assert!(got[0] > 1, "it is asked again some day: {got:?}");
    }
}

#[test]
fn a_new_endpoint_is_neither_flooded_nor_starved() {
    let mut simulation = Simulation::new(&[10, 10, 10], PoolPolicy::default());
    simulation.bench.set_endpoints(&addresses(2));
    simulation.run(20, 1_000);
    simulation.bench.set_endpoints(&addresses(3));

    let early = simulation.run(1, 1_000)[2];
    assert!((30..=200).contains(&early), "{early} of 1000 at first");
    simulation.run(9, 1_000);
    let later = simulation.run(10, 1_000)[2];
    assert!((3_000..=3_700).contains(&later), "{later} of 10000 later");
    assert_eq!(simulation.refused, 0);
}

#[test]
fn an_endpoint_that_hangs_is_left_alone_after_a_few_requests() {
    let mut simulation = Simulation::new(&[3_600_000, 5, 5], PoolPolicy::default());
    let got = simulation.run(10, 500);
    assert!(got[0] <= 20, "{} requests hang", got[0]);
    assert_eq!(simulation.refused, 0);
}

#[test]
fn two_hundred_equal_endpoints_get_about_the_same() {
    let mut simulation = Simulation::new(&[20; 200], PoolPolicy::default());
    let got = simulation.run(10, 20_000);
    let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
    assert!(*least > 850 && *most < 1_150, "{least} to {most} of 1000");
}
