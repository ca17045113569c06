//! No event of a pool allocates once it has seen what it is made for: counted, not believed.
#![cfg(test)] // tells clippy that helpers may unwrap like tests
#![expect(
    unsafe_code,
    reason = "a counting allocator can only be written with the unsafe trait GlobalAlloc"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, EndpointId, FlowKey, Outcome, PoolPolicy, PoolState,
    Quota, RegionalKey, Retry, Slot, TenantId, Timestamp,
};

type Rate = Rc<Cell<ArrivalTime>>;

/// Gemeinden of Germany.
const TENANTS: u64 = 10_751;

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
        let (mut pool, policy) = pool_of(endpoints);
        let mut round = |from: u64| {
            for number in from..from + 10_000 {
                let now = Timestamp::from_micros(number * 1_000);
                attempt(&mut pool, &policy, number, now);
            }
        };
        round(0);
        let allocated = allocations_of(|| round(10_000));
        assert_eq!(allocated, 0, "with {endpoints} endpoints");
    }
}

#[test]
fn arrivals_and_departures_of_all_tenants_in_turn_allocate_nothing() {
    let (mut pool, policy) = pool_of(8);
    let tenants = Tenants::new();
    let mut round = |from: u64| {
        for number in from..from + 4 * TENANTS {
            let now = Timestamp::from_micros(number * 500);
            let Admission::Go(slot) = pool.arrive(&policy, now, &tenants.arrival(number)) else {
                panic!("seats are free")
            };
            pool.depart(&policy, slot, ANSWERED, now + Duration::from_micros(300));
        }
    };
    round(0);
    round(4 * TENANTS);
    assert_eq!(allocations_of(|| round(8 * TENANTS)), 0);
}

#[test]
fn waiting_and_being_dispatched_allocates_nothing() {
    let (mut pool, policy) = pool_of(8);
    let tenants = Tenants::new();
    let mut held: Vec<Slot> = Vec::with_capacity(1_000);
    let mut waiting = 0;
    let mut round = |from: u64| {
        for number in from..from + 4 * TENANTS {
            let now = Timestamp::from_micros(number * 500);
            waiting += 1;
            match pool.arrive(&policy, now, &tenants.arrival(number)) {
                Admission::Go(slot) => {
                    waiting -= 1;
                    held.push(slot);
                }
                Admission::Wait(_) => {}
                Admission::Refuse(refused) => panic!("{refused:?}"),
            }
            if waiting < 5_000 {
                continue;
            }
            if let Some(slot) = held.pop() {
                pool.depart(&policy, slot, ANSWERED, now);
            }
            while let Some(grant) = pool.dispatch(&policy, now, number) {
                waiting -= 1;
                held.push(grant.slot);
            }
            if number % 500 == 0 {
                pool.tick(&policy, now);
            }
        }
    };
    // A hash map of which entries come and go may still double once.
    (0..4).for_each(|warm_up| round(warm_up * 4 * TENANTS));
    assert_eq!(allocations_of(|| round(16 * TENANTS)), 0);
}

const ANSWERED: Outcome = Outcome::Answered {
    status: 200,
    first_byte: Duration::from_micros(300),
};

fn pool_of(endpoints: u16) -> (PoolState<Rate>, PoolPolicy) {
    let addresses: Vec<SocketAddr> = (0..endpoints)
        .map(|number| SocketAddr::from(([10, 0, 0, 1], 8_000 + number)))
        .collect();
    let mut policy = PoolPolicy::default();
    policy.queue.wait_max = Duration::from_secs(10_000);
    let mut pool = PoolState::new();
    pool.set_endpoints(&policy, &addresses, Timestamp::default());
    (pool, policy)
}

/// All tenants, with a rate each.
struct Tenants {
    quota: Quota,
    rates: Vec<(FlowKey, Rate)>,
}

impl Tenants {
    fn new() -> Self {
        let keys = (0..TENANTS).map(|number| {
            let key = RegionalKey::parse_ars(&format!("{:05}", 1_000 + number));
            TenantId::new(key.expect("five digits from 01000 are keys"))
        });
        let flows = keys.map(|tenant| FlowKey { service: 0, tenant });
        Self {
            quota: Quota::new(100.0, 50.0),
            rates: flows.map(|flow| (flow, Rate::default())).collect(),
        }
    }

    /// Everybody in turn, in an order that jumps.
    fn arrival(&self, number: u64) -> Arrival<'_, Rate> {
        let place = number.wrapping_mul(7_919) % TENANTS;
        let (flow, rate) = &self.rates[place as usize];
        Arrival {
            inhabitants: place + 1,
            client: number % 10_000,
            bytes: 500,
            rate: Some((self.quota, rate)),
            draw: number,
            ..arrival(*flow)
        }
    }
}

fn arrival(flow: FlowKey) -> Arrival<'static, Rate> {
    Arrival {
        flow,
        generation: 0,
        inhabitants: 1,
        class: Class::New,
        client: 0,
        cost: 1,
        bytes: 0,
        in_flight_max: u32::MAX,
        rate: None,
        preferred: None,
        draw: 0,
    }
}

fn attempt(pool: &mut PoolState<Rate>, policy: &PoolPolicy, draw: u64, now: Timestamp) {
    let flow = FlowKey {
        service: 0,
        tenant: TenantId::BUND,
    };
    let wanted = Arrival {
        preferred: Some(EndpointId::GONE).filter(|_| draw.is_multiple_of(3)),
        draw,
        ..arrival(flow)
    };
    let Admission::Go(slot) = pool.arrive(policy, now, &wanted) else {
        return;
    };
    let tried = [slot.endpoint];
    let status = if draw.is_multiple_of(50) { 503 } else { 200 };
    let first_byte = Duration::from_micros(draw % 5_000);
    pool.depart(policy, slot, Outcome::Answered { status, first_byte }, now);
    let retry = Retry {
        flow,
        inhabitants: 1,
        cost: 1,
        tried: &tried,
        preferred: None,
        until: now,
        draw,
    };
    if status == 503
        && pool.retry_allowed(policy, &tried, now)
        && let Ok(slot) = pool.retry(policy, now, &retry)
    {
        pool.depart(policy, slot, Outcome::Abandoned, now);
    }
}
