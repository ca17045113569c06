//! The rival that is written first: a number of free seats and a queue behind a mutex; no tenants, no endpoints.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use divan::Bencher;

use crate::decision::WAITING;

#[derive(Debug, Default)]
struct Fifo {
    free: u32,
    waiting: VecDeque<u64>,
}

impl Fifo {
    fn arrive(&mut self, number: u64) -> bool {
        if self.free == 0 || !self.waiting.is_empty() {
            self.waiting.push_back(number);
            return false;
        }
        self.free -= 1;
        true
    }

    fn depart(&mut self) -> Option<u64> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.free += 1;
        }
        next
    }
}

fn with<T>(fifo: &Mutex<Fifo>, use_it: impl FnOnce(&mut Fifo) -> T) -> T {
    use_it(&mut fifo.lock().unwrap_or_else(PoisonError::into_inner))
}

#[divan::bench(sample_size = 100)]
fn idle(bencher: Bencher<'_, '_>) {
    let fifo = Mutex::new(Fifo {
        free: 320,
        ..Fifo::default()
    });
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        with(&fifo, |fifo| fifo.arrive(number));
        with(&fifo, Fifo::depart)
    });
}

#[divan::bench(sample_size = 100)]
fn busy(bencher: Bencher<'_, '_>) {
    let fifo = Mutex::new(Fifo::default());
    (0..WAITING).for_each(|number| {
        with(&fifo, |fifo| fifo.arrive(number));
    });
    let mut number = WAITING;
    bencher.bench_local(|| {
        number += 1;
        let next = with(&fifo, Fifo::depart);
        with(&fifo, |fifo| fifo.arrive(number));
        next
    });
}
