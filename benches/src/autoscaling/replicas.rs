//! The replicas of one pool: ordered, starting, ready; and starts that crash.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;
use schleuse_core::Timestamp;

/// Cold start, uniform between these.
const COLD_START: (f64, f64) = (4.0, 6.0);
/// A broken replica crashes after this long.
const CRASH_AFTER: Duration = Duration::from_secs(2);
/// Kubernetes' `CrashLoopBackOff`: 10 s, doubling up to five minutes.
const BACK_OFF: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy)]
struct Starting {
    ordered: Timestamp,
    /// When it is ready, or crashes.
    due: Timestamp,
    crashes: bool,
    crashed: u32,
}

/// What stands and what is coming.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    /// Ordered and not created yet: when.
    queued: VecDeque<Timestamp>,
    starting: Vec<Starting>,
    pub(crate) ready: u32,
    /// Crashes since the last start that succeeded.
    pub(crate) failing_starts: u32,
    /// Cold starts that were completed in this tick.
    pub(crate) became_ready: Vec<Duration>,
}

impl Replicas {
    /// Created ones: what somebody pays for.
    pub(crate) fn created(&self) -> u32 {
        self.ready + count(self.starting.len())
    }

    fn ordered(&self) -> u32 {
        self.created() + count(self.queued.len())
    }

    /// How long ago those that are not ready were ordered.
    pub(crate) fn starting_ages(&self, now: Timestamp) -> Vec<Duration> {
        let starting = self.starting.iter().map(|starting| starting.ordered);
        starting
            .chain(self.queued.iter().copied())
            .map(|ordered| now - ordered)
            .collect()
    }

    /// Orders up to, or takes away down to, `target`: first what is not created, then what starts, and of that what has
    /// crashed most often (as Kubernetes does), then what serves.
    /// Gives how many more creations are queued.
    pub(crate) fn set(&mut self, target: u32, now: Timestamp) -> u32 {
        let ordered = self.ordered();
        for _ in target..ordered {
            if self.queued.pop_back().is_none() && !self.drop_starting() {
                self.ready = self.ready.saturating_sub(1);
            }
        }
        let more = target.saturating_sub(ordered);
        self.queued.extend((0..more).map(|_| now));
        more
    }

    fn drop_starting(&mut self) -> bool {
        let worst = self
            .starting
            .iter()
            .enumerate()
            .max_by_key(|(_, starting)| (starting.crashed, starting.ordered));
        let Some((index, _)) = worst else {
            return false;
        };
        self.starting.swap_remove(index);
        true
    }

    /// The cluster has room for one creation; false when nothing is queued any more.
    pub(crate) fn create(&mut self, rng: &mut Rng, broken: bool, now: Timestamp) -> bool {
        let Some(ordered) = self.queued.pop_front() else {
            return false;
        };
        let takes = cold_start(rng);
        self.starting.push(Starting {
            ordered,
            due: now + if broken { CRASH_AFTER } else { takes },
            crashes: broken,
            crashed: 0,
        });
        true
    }

    /// Lets time pass: starts succeed, or crash and are tried again.
    pub(crate) fn tick(&mut self, rng: &mut Rng, broken: bool, now: Timestamp) {
        self.became_ready.clear();
        let mut index = 0;
        while let Some(starting) = self.starting.get_mut(index) {
            if starting.due > now {
                index += 1;
            } else if starting.crashes {
                self.failing_starts += 1;
                let pause = (BACK_OFF * (1 << starting.crashed.min(5))).min(BACK_OFF_MAX);
                let takes = cold_start(rng);
                starting.crashed += 1;
                starting.crashes = broken;
                starting.due = now + pause + if broken { CRASH_AFTER } else { takes };
                index += 1;
            } else {
                self.became_ready.push(now - starting.ordered);
                self.failing_starts = 0;
                self.ready += 1;
                self.starting.swap_remove(index);
            }
        }
    }
}

fn cold_start(rng: &mut Rng) -> Duration {
    let (least, most) = COLD_START;
    Duration::from_secs_f64(least + (most - least) * rng.f64())
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_taken_away_first_is_what_does_not_serve() {
        let (mut replicas, mut rng) = (Replicas::default(), Rng::with_seed(1));
        assert_eq!(replicas.set(3, at(0)), 3);
        replicas.create(&mut rng, false, at(0));
        replicas.tick(&mut rng, false, at(7));
        assert_eq!((replicas.ready, replicas.created()), (1, 1));
        replicas.create(&mut rng, false, at(7));
        assert_eq!(replicas.created(), 2);
        replicas.set(1, at(8));
        assert_eq!((replicas.ready, replicas.created()), (1, 1));
        assert!(!replicas.create(&mut rng, false, at(8)));
    }

    #[test]
    fn a_broken_replica_crashes_backs_off_and_starts_when_it_is_repaired() {
        let (mut replicas, mut rng) = (Replicas::default(), Rng::with_seed(1));
        replicas.set(1, at(0));
        replicas.create(&mut rng, true, at(0));
        replicas.tick(&mut rng, true, at(2));
        assert_eq!((replicas.failing_starts, replicas.ready), (1, 0));
        replicas.tick(&mut rng, false, at(14));
        assert_eq!(replicas.failing_starts, 2);
        replicas.tick(&mut rng, false, at(60));
        assert_eq!((replicas.failing_starts, replicas.ready), (0, 1));
    }
}
