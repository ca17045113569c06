//! When citizens arrive: a plan that the seed alone decides, whatever the target does and however many workers share it.
//!
//! Time is cut into slices of 100 ms. A Poisson process has in each slice a Poisson number of arrivals at sorted uniform
//! times (Ross, "Introduction to Probability Models", §5.3), both drawn from streams that the slice addresses; evenly
//! spaced arrivals stand where the integral of the rate reaches whole numbers. Nothing is stored but one slice. Every
//! worker goes through all slices and takes every n-th arrival, so that a run of four workers is the run of one.

mod phase;

use std::time::Duration;

pub use phase::{Phase, Rate};

use crate::draw::{Purpose, Stream};

/// A slice of time, in nanoseconds.
const SLICE: u64 = 100_000_000;

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Independently, as people do.
    #[default]
    Poisson,
    /// As far apart as the rate allows, as a machine would.
    Even,
}

/// One citizen sets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number in order of arrival, from 0, warm-up included: addresses every draw of this citizen.
    pub citizen: u64,
    /// Nanoseconds since the start of the schedule.
    pub at: u64,
}

/// Phases one after another, and how arrivals are spaced in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    phases: Vec<Phase>,
    spacing: Spacing,
    seed: u64,
}

impl Schedule {
    /// A plan. Phases shorter than a nanosecond are left out.
    pub fn new(phases: Vec<Phase>, spacing: Spacing, seed: u64) -> Self {
        let phases = phases.into_iter().filter(|phase| phase.length() > 0);
        Self {
            phases: phases.collect(),
            spacing,
            seed,
        }
    }

    /// From the first to the end of the last phase.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.phases.iter().map(Phase::length).sum())
    }

    /// Arrivals that are to be expected in all.
    pub fn expected(&self) -> f64 {
        self.phases.iter().map(Phase::arrivals).sum()
    }

    /// Arrivals per second that are planned at this time, nanoseconds since the start; 0 after the end.
    pub fn rate_at(&self, mut at: u64) -> f64 {
        for phase in &self.phases {
            if at < phase.length() {
                return phase.rate_at(at);
            }
            at -= phase.length();
        }
        0.0
    }

    /// The part of worker `worker` (from 0) of `workers`, in order of time.
    pub fn arrivals(&self, worker: u64, workers: u64) -> Arrivals<'_> {
        Arrivals {
            schedule: self,
            place: Place::default(),
            times: Vec::new(),
            next: 0,
            citizen: 0,
            worker,
            workers: workers.max(1),
        }
    }

    /// Fills `times` with the arrivals of one slice, sorted; false at the end of the schedule.
    fn fill(&self, place: &mut Place, times: &mut Vec<u64>) -> bool {
        times.clear();
        let Some(phase) = self.phases.get(place.phase) else {
            return false;
        };
        let from = place.slice * SLICE;
        let to = (from + SLICE).min(phase.length());
        match self.spacing {
            Spacing::Poisson => self.fill_poisson(phase, place, (from, to), times),
            Spacing::Even => phase.each_even(from, to, |at| times.push(place.start + at)),
        }
        if to == phase.length() {
            place.start += phase.length();
            place.phase += 1;
            place.slice = 0;
        } else {
            place.slice += 1;
        }
        true
    }

    fn fill_poisson(
        &self,
        phase: &Phase,
        place: &Place,
        (from, to): (u64, u64),
        times: &mut Vec<u64>,
    ) {
        // 2^40 slices are 3,000 years.
        let subject = (place.phase as u64) << 40 | place.slice;
        let before = phase.arrivals_until(from);
        let mean = phase.arrivals_until(to) - before;
        let count = Stream::new(self.seed, subject, Purpose::Count).poisson(mean);
        let mut stream = Stream::new(self.seed, subject, Purpose::Times);
        times.extend((0..count).map(|_| {
            let at = phase.time_of(before + mean * stream.unit());
            place.start + at.clamp(from, to - 1)
        }));
        times.sort_unstable();
    }
}

/// How far a pass over the schedule is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    phase: usize,
    /// Of the phase.
    slice: u64,
    /// Of the phase, nanoseconds since the start.
    start: u64,
}

/// A worker's arrivals, in order; see [`Schedule::arrivals`].
#[derive(Debug, Clone)]
pub struct Arrivals<'s> {
    schedule: &'s Schedule,
    place: Place,
    /// The current slice's; kept, so that a long run allocates once.
    times: Vec<u64>,
    next: usize,
    citizen: u64,
    worker: u64,
    workers: u64,
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let Some(&at) = self.times.get(self.next) else {
                self.next = 0;
                if !self.schedule.fill(&mut self.place, &mut self.times) {
                    return None;
                }
                continue;
            };
            let citizen = self.citizen;
            self.next += 1;
            self.citizen += 1;
            if citizen % self.workers == self.worker {
                return Some(Arrival { citizen, at });
            }
        }
    }
}

#[cfg(test)]
mod tests;
