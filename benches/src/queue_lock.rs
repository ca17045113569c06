//! The pool's lock: how long one event keeps it, and what more workers make of that.
//!
//! Through the registry as the request path calls it: taking the lock, the core's decision, laying a seat into the cell of
//! who is next, giving the lock back, waking. That is more than the time inside, so the figures are upper bounds. The
//! price of reading the clock is taken off. Each core has one worker, as in the product.

use std::{
    collections::VecDeque,
    fs,
    hint::black_box,
    sync::Arc,
    task::{Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::thread::{CpuSet, sched_setaffinity};
use schleuse::{
    clock,
    registry::{Arrived, HeldSlot, Place, Pool, Registry, Tenant},
};
use schleuse_core::{Arrival, Class, FlowKey, Outcome as Ended, TenantId};

use crate::{
    Outcome,
    figure::{Figure, Unit},
    machine,
    statistics::quantile,
};

/// Nanoseconds inside the lock, at the median.
const GOAL: f64 = 300.0;
/// Tenants that ask in turn, so that their flows are not in the cache.
const TENANTS: usize = 2_000;
/// Seats, all taken, and requests that wait, while the queue is busy.
const BUSY_SEATS: usize = 40;
const WAITING: usize = 2_000;
/// A worker's time for the rest of a request; about what a request costs of CPU.
const REST: Duration = Duration::from_micros(10);

/// Nanoseconds per event.
#[derive(Debug, Default)]
struct Times {
    arrive: Vec<f64>,
    depart: Vec<f64>,
}

/// Idle, busy, and with all cores at it.
///
/// # Errors
///
/// When the config is refused or the pool refuses.
pub(crate) fn measure(events: usize) -> Outcome<Vec<Figure>> {
    let clock = clock_price();
    let wide = Setup::new(100_000)?;
    let mut idle = wide.idle(events, Duration::ZERO)?;
    let narrow = Setup::new(BUSY_SEATS)?;
    let mut busy = narrow.busy(events)?;
    let mut figures = Vec::new();
    for (what, times) in [("idle", &mut idle), ("busy, 2,000 waiting", &mut busy)] {
        for (event, values) in [("arrive", &mut times.arrive), ("depart", &mut times.depart)] {
            figures.push(
                Figure::value(
                    format!("Pool lock: {event} with the queue {what}, p50"),
                    Unit::Nanoseconds,
                    quantile(values, 0.5) - clock,
                )
                .at_most(GOAL)
                .beside(format!("p99 {:.0} ns", quantile(values, 0.99) - clock)),
            );
        }
    }
    figures.push(contention(&wide, events, clock)?);
    Ok(figures)
}

/// One worker alone against one on each core, each with the rest of a request between two events.
fn contention(setup: &Setup, events: usize, clock: f64) -> Outcome<Figure> {
    let mut one = setup.workers(1, events)?;
    let cores = machine::cores();
    let mut all = setup.workers(cores, events)?;
    let p50 = |times: &mut Times| quantile(&mut times.arrive, 0.5) - clock;
    let (alone, together) = (p50(&mut one), p50(&mut all));
    Ok(Figure::value(
        format!("Pool lock: arrive with {cores} workers at once, against one"),
        Unit::Times,
        together / alone,
    )
    .beside(format!(
        "p50 {alone:.0} and {together:.0} ns, p99 {:.0} and {:.0}; each worker asks every {} µs",
        quantile(&mut one.arrive, 0.99) - clock,
        quantile(&mut all.arrive, 0.99) - clock,
        REST.as_micros()
    )))
}

/// What a time of nothing measures, nanoseconds.
fn clock_price() -> f64 {
    let mut prices: Vec<f64> = (0..10_000).map(|_| timed(|| ()).0).collect();
    quantile(&mut prices, 0.5)
}

fn timed<T>(event: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = black_box(event());
    (start.elapsed().as_secs_f64() * 1e9, value)
}

struct Setup {
    pool: Arc<Pool>,
    tenants: Vec<TenantId>,
    // The pool's clock stands in it.
    _registry: Registry,
}

impl Setup {
    fn new(seats: usize) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("schleuse.yaml");
        fs::copy(
            crate::inputs::register_file(),
            directory.path().join("gemeinden.csv"),
        )?;
        let text = format!(
            "version: 1
listeners: [ {{ address: \"127.0.0.1:1\" }} ]
tenants: {{ register: gemeinden.csv }}
services:
  antrag: {{ hosts: [antrag.example], responsible: gemeinde, pool: shared }}
pools:
  shared: {{ endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\"], concurrency: {}, slow_start: 0s, queue: {{ wait_max: 1m, client_share: 100% }} }}
",
            seats / 2
        );
        fs::write(&file, text)?;
        let loaded = schleuse_config::load(&file).map_err(|problems| problems.to_string())?;
        let registry = Registry::new(machine::cores());
        let config = loaded.snapshot.pools.first().ok_or("no pool")?;
        let pool = registry.pool(config);
        pool.adopt(config);
        let keys = loaded.snapshot.register.places().take(TENANTS);
        Ok(Self {
            pool,
            tenants: keys.map(TenantId::new).collect(),
            _registry: registry,
        })
    }

    fn arrival(&self, number: usize) -> Arrival<'static, Tenant> {
        // A step that is prime to their number comes by all of them, and no neighbour follows another.
        let tenant = self.tenants.get(number * 769 % self.tenants.len().max(1));
        Arrival {
            flow: FlowKey {
                service: 0,
                tenant: tenant.copied().unwrap_or(TenantId::BUND),
            },
            generation: 0,
            inhabitants: 1_000 + number as u64 % 5_000,
            class: Class::New,
            client: number as u64,
            cost: 1,
            bytes: 4_096,
            in_flight_max: u32::MAX,
            rate: None,
            preferred: None,
            draw: 0,
        }
    }

    /// Arrivals that find a seat, and departures that nobody waits for.
    fn idle(&self, events: usize, rest: Duration) -> Outcome<Times> {
        let mut times = Times::default();
        for number in 0..events {
            clock::now();
            let arrival = self.arrival(number);
            let (time, arrived) = timed(|| self.pool.arrive(arrival, None));
            times.arrive.push(time);
            let Arrived::Go(held) = arrived else {
                return Err(format!("no seat in a pool with room: {arrived:?}").into());
            };
            spin(rest);
            clock::now();
            times.depart.push(timed(|| held.depart(answered())).0);
        }
        Ok(times)
    }

    /// Arrivals that wait, and departures that let the next one go.
    fn busy(&self, events: usize) -> Outcome<Times> {
        let mut times = Times::default();
        let mut line = Line::default();
        let mut held = VecDeque::new();
        for number in 0..events + BUSY_SEATS + WAITING {
            clock::now();
            let arrival = self.arrival(number);
            let (time, arrived) = timed(|| self.pool.arrive(arrival, None));
            match arrived {
                Arrived::Go(slot) => held.push_back(slot),
                Arrived::Wait(place) => line.enter(place)?,
                Arrived::Refuse(refused) => return Err(format!("{refused:?}").into()),
            }
            if number < BUSY_SEATS + WAITING {
                continue;
            }
            times.arrive.push(time);
            let slot: HeldSlot<'_> = held.pop_front().ok_or("no seat is taken")?;
            clock::now();
            times.depart.push(timed(|| slot.depart(answered())).0);
            held.push_back(line.next()?);
        }
        Ok(times)
    }

    fn workers(&self, number: usize, events: usize) -> Outcome<Times> {
        thread::scope(|scope| {
            let start = |core| {
                scope.spawn(move || {
                    let mut cores = CpuSet::new();
                    cores.set(core);
                    sched_setaffinity(None, &cores)?;
                    self.idle(events, REST)
                })
            };
            let workers: Vec<_> = (0..number).map(start).collect();
            let mut all = Times::default();
            for worker in workers {
                let times = worker.join().map_err(|_| "a worker broke off")??;
                all.arrive.extend(times.arrive);
                all.depart.extend(times.depart);
            }
            Ok(all)
        })
    }
}

fn answered() -> Ended {
    Ended::Answered {
        status: 200,
        first_byte: Duration::from_millis(1),
    }
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Who waits, by number, and who was woken.
#[derive(Default)]
struct Line<'p> {
    places: Vec<Option<Place<'p>>>,
    free: Vec<usize>,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

struct Turn {
    number: usize,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.woken.lock().push_back(self.number);
    }
}

impl<'p> Line<'p> {
    fn waker(&self, number: usize) -> Waker {
        Waker::from(Arc::new(Turn {
            number,
            woken: self.woken.clone(),
        }))
    }

    fn enter(&mut self, mut place: Place<'p>) -> Outcome<()> {
        let number = self.free.pop().unwrap_or(self.places.len());
        if place.fetch(&self.waker(number)).is_some() {
            return Err("a seat for who has just begun to wait".into());
        }
        if number == self.places.len() {
            self.places.push(None);
        }
        let free = self.places.get_mut(number).ok_or("no such place")?;
        *free = Some(place);
        Ok(())
    }

    /// The seat of who was woken.
    fn next(&mut self) -> Outcome<HeldSlot<'p>> {
        let number = self.woken.lock().pop_front().ok_or("nobody was woken")?;
        let place = self.places.get_mut(number).and_then(Option::take);
        let mut place = place.ok_or("who was woken does not wait")?;
        self.free.push(number);
        match place.fetch(&self.waker(number)) {
            Some(Ok(slot)) => Ok(slot),
            Some(Err(refused)) => Err(format!("woken to be refused: {}", refused.refusal).into()),
            None => Err("woken without a seat".into()),
        }
    }
}
