//! An arrival, its retry and its departure allocate nothing: counted, not believed.
#![expect(
    unsafe_code,
    reason = "a counting allocator can only be written with the unsafe trait GlobalAlloc"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::SocketAddr,
    time::Duration,
};

use schleuse_core::{Admission, EndpointId, Outcome, PoolPolicy, PoolState, Timestamp};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread, because tests run beside each other.
struct Counting;

// SAFETY: passes every call on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
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

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations_of(|| drop(vec![1, 2, 3])) > 0);
}

#[test]
fn arrivals_retries_and_departures_allocate_nothing() {
    for endpoints in [1, 8, 300] {
        let addresses: Vec<SocketAddr> = (0..endpoints)
            .map(|number| SocketAddr::from(([10, 0, 0, 1], 8_000 + number)))
            .collect();
        let policy = PoolPolicy::default();
        let mut pool = PoolState::new();
        pool.set_endpoints(&policy, &addresses, Timestamp::default());

        let allocated = allocations_of(|| {
            for number in 0..10_000 {
                let now = Timestamp::from_micros(number * 1_000);
                attempt(&mut pool, &policy, number, now);
            }
        });
        assert_eq!(allocated, 0, "with {endpoints} endpoints");
    }
}

fn attempt(pool: &mut PoolState, policy: &PoolPolicy, draw: u64, now: Timestamp) {
    let session = Some(EndpointId::GONE).filter(|_| draw.is_multiple_of(3));
    let Admission::Go(slot) = pool.arrive(policy, now, draw, &[], session) else {
        return;
    };
    let tried = [slot.endpoint];
    let status = if draw.is_multiple_of(50) { 503 } else { 200 };
    let first_byte = Duration::from_micros(draw % 5_000);
    pool.depart(policy, slot, Outcome::Answered { status, first_byte }, now);
    if status == 503
        && pool.retry_allowed(policy, &tried, now)
        && let Admission::Go(slot) = pool.arrive(policy, now, draw, &tried, None)
    {
        pool.depart(policy, slot, Outcome::Abandoned, now);
    }
}
