//! How fairly a pool is shared by tenants that all want more than they get: Jain's index over seat time by weight.
//!
//! Eight towns of very different sizes, four with requests of four times the length, and each offers twice what the
//! largest may have: a queue that goes by arrival gives all of them the same number of requests, not the same seat time by
//! weight. Counted at the backend. The index (Jain, Chiu, Hawe 1984) is (Σx)² / (n·Σx²), 1 when all x are equal.

use std::time::{Duration, Instant};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::{DelayBackend, Served, request},
    figure::{Figure, Unit},
    haproxy::Job,
    inputs::Place,
    mixed_load::{MixedLoad, Source},
    neighbour_run::quiet,
    neighbours::{SEATS, SERVICE_TIME, key, policy},
    shared_pool::SharedPool,
};
use std::net::SocketAddr;

/// Inhabitants, about: each is taken by the place that is nearest to it.
const SIZES: [u64; 8] = [
    50_000, 60_000, 80_000, 100_000, 130_000, 160_000, 200_000, 250_000,
];
/// How much longer the requests of every second town take.
const SLOWER: u32 = 4;
/// Until every queue is full.
const FILL: Duration = Duration::from_secs(2);
/// Least Jain index.
const GOAL: f64 = 0.99;

struct Town {
    tenant: u64,
    weight: f64,
    service_time: Duration,
    /// Offered, twice the share of the largest.
    per_second: f64,
}

/// Jain's index, of HAProxy beside it.
///
/// # Errors
///
/// When a proxy fails.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let backend = DelayBackend::start()?;
    let towns = towns(&context.places)?;
    let time = context.sizes.shares_time;
    let schleuse = SharedPool::start(
        context,
        "shares",
        backend.address(),
        &policy("population", ""),
    )?;
    let ours = run(schleuse.peer.address, &backend, &towns, time)?;
    drop(schleuse);
    let haproxy = context.haproxy(Job::Queue {
        backend: backend.address(),
        seats: SEATS,
    })?;
    let theirs = run(haproxy.address, &backend, &towns, time)?;
    Ok(vec![
        Figure::value(
            "Jain index of seat time by weight, 8 backlogged tenants",
            Unit::Index,
            jain(&ours.shares),
        )
        .at_least(GOAL)
        .beside(format!(
            "seat time by weight from {:.2} to {:.2} of the mean; HAProxy {:.4}",
            ours.extreme(f64::min),
            ours.extreme(f64::max),
            jain(&theirs.shares)
        )),
        Figure::value(
            "Most requests at the backend at once",
            Unit::Count,
            f64::from(ours.peak),
        )
        .at_most(f64::from(SEATS)),
    ])
}

/// What a run gave.
struct Shares {
    /// Seat time by weight, per town.
    shares: Vec<f64>,
    peak: u32,
}

impl Shares {
    /// The least or greatest share as a multiple of their mean.
    fn extreme(&self, of: fn(f64, f64) -> f64) -> f64 {
        let number = count(self.shares.len() as u64);
        let mean = self.shares.iter().sum::<f64>() / number;
        let extreme = self.shares.iter().copied().reduce(of);
        extreme.unwrap_or(f64::NAN) / mean
    }
}

fn run(
    address: SocketAddr,
    backend: &DelayBackend,
    towns: &[Town],
    time: Duration,
) -> Outcome<Shares> {
    let requests: Vec<[String; 1]> = towns
        .iter()
        .map(|town| {
            let query = format!("delay_ms={}", town.service_time.as_millis());
            [request(town.tenant, &query)]
        })
        .collect();
    let sources = towns.iter().zip(&requests).map(|(town, requests)| Source {
        requests,
        service_times: &[],
        per_second: town.per_second,
        connections: 16,
        // As many as may wait: about ten seconds of the largest's share.
        connections_max: 1_000,
        active: Duration::ZERO..time,
        awaited: false,
    });
    let mut sources: Vec<_> = sources.collect();
    // The load lasts as long as one source is awaited: the first, for no longer than requests fall due.
    if let Some(first) = sources.first_mut() {
        first.awaited = true;
    }
    backend.forget();
    let load = MixedLoad {
        address,
        sources,
        time,
        drain_max: Duration::ZERO,
        spread: true,
    };
    let start = Instant::now();
    load.run()?;
    let window = (start + FILL, start + time);
    let shares = shares(&backend.served(), towns, window);
    let peak = backend.peak();
    quiet(backend)?;
    Ok(Shares { shares, peak })
}

/// Seat time that began in the window, by weight.
fn shares(served: &[Served], towns: &[Town], (from, to): (Instant, Instant)) -> Vec<f64> {
    let of = |town: &Town| {
        let theirs = served
            .iter()
            .filter(|one| one.tenant == town.tenant && (from..to).contains(&one.began));
        theirs.map(|one| one.delay.as_secs_f64()).sum::<f64>() / town.weight
    };
    towns.iter().map(of).collect()
}

fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (count(shares.len() as u64) * squares)
}

fn towns(places: &[Place]) -> Outcome<Vec<Town>> {
    let nearest = |size: u64| {
        let place = places
            .iter()
            .min_by_key(|place| place.population.abs_diff(size));
        place.ok_or("the register is empty")
    };
    let mut towns = Vec::new();
    for (at, size) in SIZES.into_iter().enumerate() {
        let place = nearest(size)?;
        let factor = if at % 2 == 1 { SLOWER } else { 1 };
        towns.push(Town {
            tenant: key(place)?,
            weight: count(place.population),
            service_time: SERVICE_TIME * factor,
            per_second: 0.0,
        });
    }
    let total: f64 = towns.iter().map(|town| town.weight).sum();
    let largest = towns.iter().map(|town| town.weight).fold(0.0, f64::max);
    for town in &mut towns {
        let seats = 2.0 * f64::from(SEATS) * largest / total;
        town.per_second = seats / town.service_time.as_secs_f64();
    }
    Ok(towns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jains_index_is_one_for_equal_shares_and_one_by_n_when_one_has_all() {
        assert!((jain(&[3.0; 5]) - 1.0).abs() < 1e-12);
        assert!((jain(&[1.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn only_seat_time_of_the_window_counts() {
        let start = Instant::now();
        let town = Town {
            tenant: 7,
            weight: 2.0,
            service_time: SERVICE_TIME,
            per_second: 1.0,
        };
        let served = |tenant, after| Served {
            tenant,
            began: start + Duration::from_secs(after),
            delay: Duration::from_secs(1),
        };
        let served = [
            served(7, 0),
            served(7, 2),
            served(7, 3),
            served(8, 2),
            served(7, 9),
        ];
        let window = (
            start + Duration::from_secs(1),
            start + Duration::from_secs(9),
        );
        let shares = shares(&served, &[town], window);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
