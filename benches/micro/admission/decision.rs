//! Ours: the pool's events as the proxy calls them.

use std::{
    hint::black_box,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use divan::Bencher;
use parking_lot::Mutex;
use schleuse_benches::inputs::official_routes;
use schleuse_core::{Admission, Facts, Outcome, PoolPolicy, PoolState, Slot, Timestamp};

use crate::tenants::{PLACES, Rate, Tenants};

const ENDPOINTS: u16 = 8;
const SEATS: u32 = 40;
/// Who waits in a busy pool.
pub(crate) const WAITING: u64 = 5_000;

const ANSWERED: Outcome = Outcome::Answered {
    status: 200,
    first_byte: Duration::from_micros(900),
};

fn pool() -> (PoolState<Rate>, PoolPolicy) {
    let addresses: Vec<SocketAddr> = (0..ENDPOINTS)
        .map(|number| SocketAddr::from(([10, 0, 0, 1], 8_000 + number)))
        .collect();
    let mut policy = PoolPolicy {
        concurrency: SEATS,
        ..PoolPolicy::default()
    };
    policy.queue.wait_max = Duration::from_hours(1_000);
    let mut pool = PoolState::new();
    pool.set_endpoints(&policy, &addresses, Timestamp::default());
    (pool, policy)
}

fn at(number: u64) -> Timestamp {
    Timestamp::from_micros(number * 50)
}

/// Service, tenant and pool from host and path, then admission and departure with the tenant's rate.
#[divan::bench(sample_size = 100)]
fn route_limit_and_admit(bencher: Bencher<'_, '_>) {
    let Ok(routes) = official_routes(&PLACES) else {
        return;
    };
    let (mut pool, policy) = pool();
    let tenants = Tenants::new();
    let paths: Vec<String> = tenants
        .drawn
        .iter()
        .filter_map(|place| Some(format!("/{}/antrag", PLACES.get(*place)?.ars)))
        .collect();
    let mut turn = paths.iter().cycle();
    let mut number = 0;
    bencher.bench_local(|| {
        let facts = Facts {
            host: "wohngeld.example",
            path: turn.next()?,
            query: None,
            cookie: None,
            header: None,
        };
        black_box(routes.identify(&facts).ok()?);
        number += 1;
        admit(&mut pool, &policy, &tenants, number)
    });
}

fn admit(
    pool: &mut PoolState<Rate>,
    policy: &PoolPolicy,
    tenants: &Tenants,
    number: u64,
) -> Option<()> {
    let now = at(number);
    if let Admission::Go(slot) = pool.arrive(policy, now, &tenants.turn(number)?.arrival(number)) {
        pool.depart(policy, slot, ANSWERED, now);
    }
    Some(())
}

/// Both events of a request that need not wait.
#[divan::bench(sample_size = 100)]
fn idle(bencher: Bencher<'_, '_>) {
    let (mut pool, policy) = pool();
    let tenants = Tenants::new();
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        admit(&mut pool, &policy, &tenants, number)
    });
}

/// The same at one pool by all cores, with the lock.
#[divan::bench(sample_size = 100, threads = [0])]
fn contended(bencher: Bencher<'_, '_>) {
    let (pool, policy) = pool();
    let pool = Mutex::new(pool);
    let tenants = Tenants::new();
    let number = AtomicU64::new(0);
    bencher.bench(|| {
        let number = number.fetch_add(1, Relaxed);
        let tenant = tenants.turn(number)?;
        let admission = pool
            .lock()
            .arrive(&policy, at(number), &tenant.arrival(number));
        if let Admission::Go(slot) = admission {
            pool.lock().depart(&policy, slot, ANSWERED, at(number));
        }
        Some(thread::current().id())
    });
}

/// One departs, the next one in turn goes, and one more waits.
#[divan::bench(sample_size = 100)]
fn busy(bencher: Bencher<'_, '_>) {
    let (mut pool, policy) = pool();
    let tenants = Tenants::new();
    let mut held: Vec<Slot> = Vec::new();
    let mut number = 0;
    for _ in 0..WAITING + u64::from(SEATS) * u64::from(ENDPOINTS) {
        number += 1;
        arrive(&mut pool, &policy, &tenants, number, &mut held);
    }
    bencher.bench_local(|| {
        number += 1;
        let place = usize::try_from(number).unwrap_or(0) % held.len().max(1);
        let slot = held.swap_remove(place);
        pool.depart(&policy, slot, ANSWERED, at(number));
        while let Some(grant) = pool.dispatch(&policy, at(number), number) {
            held.push(grant.slot);
        }
        arrive(&mut pool, &policy, &tenants, number, &mut held);
    });
}

fn arrive(
    pool: &mut PoolState<Rate>,
    policy: &PoolPolicy,
    tenants: &Tenants,
    number: u64,
    held: &mut Vec<Slot>,
) {
    let Some(tenant) = tenants.turn(number) else {
        return;
    };
    if let Admission::Go(slot) = pool.arrive(policy, at(number), &tenant.arrival(number)) {
        held.push(slot);
    }
}

/// What the clock costs a busy pool every 250 ms.
#[divan::bench]
fn tick(bencher: Bencher<'_, '_>) {
    let (mut pool, policy) = pool();
    let tenants = Tenants::new();
    let mut held = Vec::new();
    for number in 0..WAITING {
        arrive(&mut pool, &policy, &tenants, number, &mut held);
    }
    let mut now = at(WAITING);
    bencher.bench_local(|| {
        now = now + Duration::from_millis(250);
        pool.tick(&policy, now);
    });
}

/// `governor` alone: one limiter per tenant, nothing else.
#[divan::bench(sample_size = 100)]
fn governor_alone(bencher: Bencher<'_, '_>) {
    let tenants = Tenants::new();
    let quota = governor::Quota::per_second(std::num::NonZeroU32::MAX);
    let limiters: Vec<_> = tenants
        .all
        .iter()
        .map(|_| governor::RateLimiter::direct(quota))
        .collect();
    let mut turn = tenants.drawn.iter().cycle();
    bencher.bench_local(|| {
        let limiter = limiters.get(*turn.next()?)?;
        limiter.check().ok()
    });
}
