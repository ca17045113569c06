//! A worker allocates nothing for a request once it has seen its load: counted, not believed.
#![cfg(test)] // tells clippy that helpers may unwrap like tests
#![expect(
    unsafe_code,
    reason = "a counting allocator can only be written with the unsafe trait GlobalAlloc"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use launchday::{
    distribution::Distribution,
    generator::{self, Settings},
    schedule::{Phase, Schedule, Spacing},
    weighted::Weighted,
    workload::{Body, Journey, Limits, Load, Step, Target, Template, Tenant, Workload},
};

#[path = "generator/target.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod target;

use target::{Deed, Request};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Threads of the test and of its target do not count; those of the generator do.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: passes every call on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !EXEMPT.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn answers(_: &Request<'_>) -> Deed {
    EXEMPT.set(true);
    Deed::Answer(target::answer(200, "Server: test\r\n", "hello"))
}

/// 2,000 requests a second for four seconds, by citizens of two tenants with patience.
fn workload(address: std::net::SocketAddr) -> Workload {
    let phase = Phase::constant(2_000.0, Duration::from_secs(4));
    let authority = address.to_string();
    let step = Step {
        name: "form".to_owned(),
        request: Template::new(
            "GET",
            "/{tenant.ars}?c={citizen}",
            &authority,
            &[],
            &Body::None,
        ),
        think: Distribution::Fixed(Duration::ZERO),
        expected: Vec::new(),
        redirects_max: 0,
    };
    let tenant = |key: &str| Tenant {
        key: key.to_owned(),
        name: key.to_owned(),
        land: String::new(),
        population: Some(1_000),
        weight: 1.0,
        entitlement: 1.0,
    };
    Workload {
        load: Load::Open(Schedule::new(vec![phase], Spacing::Poisson, 1)),
        warm_up: Duration::ZERO,
        drain: Duration::from_secs(5),
        seed: 1,
        journeys: vec![Journey {
            name: "journey".to_owned(),
            weight: 1.0,
            steps: vec![step],
            patience: Some(Distribution::Exponential(Duration::from_mins(1))),
            come_back: None,
            retries_max: 0,
            cookies: true,
            own_connection: false,
        }],
        journeys_drawn: Weighted::new([1.0]),
        tenants: vec![tenant("110000000000"), tenant("064120000000")],
        tenants_drawn: Weighted::new([1.0, 1.0]),
        target: Target {
            url: format!("http://{authority}"),
            authority,
            addresses: vec![address],
            tls: None,
            http2: false,
            name: None,
        },
        limits: Limits {
            connect: Duration::from_secs(5),
            timeout: Some(Duration::from_secs(30)),
            deadline: None,
        },
    }
}

/// A second's own bookkeeping (its row, its distribution, telling it to the watcher) allocates; its 2,000 requests do not.
#[test]
fn a_steady_second_of_two_thousand_requests_allocates_for_the_second_and_not_for_requests() {
    EXEMPT.set(true);
    let target = target::Target::start(answers);
    let settings = Settings {
        workers: 1,
        connections_max: 8,
        ..Settings::default()
    };
    let (stop, mut marks) = (AtomicBool::new(false), Vec::new());
    let played = generator::play(&workload(target.address), &settings, &stop, &mut |second| {
        marks.push((second.sent, ALLOCATIONS.load(Ordering::Relaxed)));
        None
    });
    assert!(played.is_ok());
    let (sent, last) = marks[3];
    let allocations = last - marks[2].1;
    assert!(sent > 1_500, "{sent}");
    assert!(
        allocations < 60,
        "{allocations} allocations for {sent} requests"
    );
}
