//! One decision of a client's rate: hash, table, bucket.
//!
//! Rivals: governor's own keyed limiter (a `DashMap` that grows with its keys and never shrinks by itself), and one limiter
//! of governor's without a table, which is what the decision itself costs.

use std::{hint::black_box, net::Ipv6Addr, num::NonZeroU32, sync::LazyLock, time::Duration};

use divan::Bencher;
use governor::{
    RateLimiter,
    clock::FakeRelativeClock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, keyed::DashMapStateStore},
};
use schleuse::{
    limits::{ClientNetwork, Limits},
    metrics::Metrics,
};
use schleuse_benches::inputs::generator;
use schleuse_config::{Burst, ClientLimit, ClientPolicy};
use schleuse_core::Timestamp;

fn main() {
    divan::main();
}

const KEYS: [usize; 3] = [1, 10_000, 1_000_000];

const LIMIT: ClientLimit = ClientLimit {
    rate_per_second: 10.0,
    burst: Burst::Requests(20),
    observe: false,
};

const POLICY: ClientPolicy = ClientPolicy {
    head_bytes_max: 32 * 1024,
    head_fields_max: 100,
    header_max: Duration::from_secs(10),
    handshake_max: Duration::from_secs(10),
    idle_max: Duration::from_secs(75),
    body_idle_max: Duration::from_secs(30),
    body_rate_min: 1024,
    connections_max: None,
    connections_per_network_max: 1000,
    ipv4_prefix: 32,
    ipv6_prefix: 64,
};

static LIMITS: LazyLock<Option<Limits>> = LazyLock::new(|| {
    let metrics = Metrics::new().ok()?;
    Some(Limits::new(1_000_000, 2, metrics.limits.clone()))
});

/// Networks /64 in random order, so that no cache helps where it would not in life; none is kept in memory, as in life each
/// comes with its connection.
fn networks(count: usize) -> impl FnMut() -> u64 {
    /// Odd, so that every number has a network of its own, and all are spread over many /40s.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = generator();
    move || random.u64(..count as u64).wrapping_mul(SPREAD)
}

#[divan::bench(args = KEYS, sample_count = 500, sample_size = 1000)]
fn client_rate(bencher: Bencher<'_, '_>, keys: usize) {
    let Some(limits) = &*LIMITS else { return };
    let mut next = networks(keys);
    let mut now = Timestamp::default();
    let mut take = move || {
        now = now + Duration::from_micros(1);
        let address = Ipv6Addr::from_bits(u128::from(next()) << 64);
        let network = ClientNetwork::of(address.into(), &POLICY);
        limits.client(1, &LIMIT, black_box(&network), now).is_ok()
    };
    (0..2 * keys).for_each(|_| {
        take();
    });
    bencher.bench_local(take);
}

#[divan::bench(args = KEYS, sample_count = 500, sample_size = 1000)]
fn governor_keyed(bencher: Bencher<'_, '_>, keys: usize) {
    let clock = FakeRelativeClock::default();
    let limiter: RateLimiter<u64, DashMapStateStore<u64>, _, NoOpMiddleware<Nanos>> =
        RateLimiter::new(quota(), DashMapStateStore::default(), clock.clone());
    let mut next = networks(keys);
    let mut take = move || {
        clock.advance(Duration::from_micros(1));
        limiter.check_key(black_box(&next())).is_ok()
    };
    (0..2 * keys).for_each(|_| {
        take();
    });
    bencher.bench_local(take);
}

#[divan::bench]
fn governor_direct(bencher: Bencher<'_, '_>) {
    let clock = FakeRelativeClock::default();
    let limiter: RateLimiter<NotKeyed, _, _, NoOpMiddleware<Nanos>> =
        RateLimiter::direct_with_clock(quota(), clock.clone());
    bencher.bench_local(|| {
        clock.advance(Duration::from_micros(1));
        black_box(&limiter).check().is_ok()
    });
}

fn quota() -> governor::Quota {
    governor::Quota::per_second(NonZeroU32::MIN.saturating_add(9))
        .allow_burst(NonZeroU32::MIN.saturating_add(19))
}
