//! One request's way through a pool's state: arrive and depart, with everything that is judged on the way.
//!
//! The naive rival is least-in-flight over shared counters in a locked map by address: no ejection, no session, no budget.

use std::{
    cell::Cell, collections::HashMap, hint::black_box, net::SocketAddr, rc::Rc, sync::Mutex,
    time::Duration,
};

use divan::Bencher;
use schleuse_benches::inputs::generator;
use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, FlowKey, Outcome, PoolPolicy, PoolState, TenantId,
    Timestamp,
};

fn main() {
    divan::main();
}

const ENDPOINTS: [u16; 4] = [1, 2, 16, 256];

fn addresses(count: u16) -> Vec<SocketAddr> {
    (0..count)
        .map(|number| SocketAddr::from(([10, 0, 0, 1], 8_000 + number)))
        .collect()
}

#[divan::bench(args = ENDPOINTS)]
fn arrive_and_depart(bencher: Bencher<'_, '_>, endpoints: u16) {
    let policy = PoolPolicy::default();
    let mut pool: PoolState<Rc<Cell<ArrivalTime>>> = PoolState::new();
    pool.set_endpoints(&policy, &addresses(endpoints), Timestamp::default());
    let mut rng = generator();
    let mut now = Timestamp::default();
    bencher.bench_local(|| {
        now = now + Duration::from_micros(50);
        let arrival = Arrival {
            flow: FlowKey {
                service: 0,
                tenant: TenantId::BUND,
            },
            generation: 0,
            inhabitants: 1,
            class: Class::New,
            client: 0,
            cost: 1,
            bytes: 0,
            in_flight_max: u32::MAX,
            rate: None,
            preferred: None,
            draw: rng.u64(..),
        };
        match pool.arrive(&policy, now, &arrival) {
            Admission::Go(slot) => {
                let outcome = Outcome::Answered {
                    status: 200,
                    first_byte: Duration::from_micros(900),
                };
                pool.depart(&policy, slot, black_box(outcome), now);
                true
            }
            Admission::Wait(_) | Admission::Refuse(_) => false,
        }
    });
}

#[divan::bench(args = ENDPOINTS)]
fn naive_least_in_flight(bencher: Bencher<'_, '_>, endpoints: u16) {
    let in_flight: HashMap<SocketAddr, u32> = addresses(endpoints)
        .into_iter()
        .map(|address| (address, 0))
        .collect();
    let in_flight = Mutex::new(in_flight);
    bencher.bench_local(|| {
        let chosen = {
            let mut in_flight = in_flight.lock().ok()?;
            let (address, count) = in_flight.iter_mut().min_by_key(|(_, count)| **count)?;
            *count += 1;
            *address
        };
        *in_flight.lock().ok()?.get_mut(black_box(&chosen))? -= 1;
        Some(chosen)
    });
}
