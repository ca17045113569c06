//! What a pool is asked for, in a form that can be added up over instances of the proxy.
//!
//! An instance reports counters that only grow, within an epoch that starts with its process, and gauges of this
//! moment. Counters make a lost report harmless: the next one holds everything. What one instance counted since its
//! last report is an [`Increment`]; what all hold now is a [`Standing`]. The first report of a new epoch counts in
//! full, because skipping it would lose the burst that a new instance was started for.
//!
//! **Missing is not zero.** Who falls silent keeps its gauges for 15 s, and the standing says that somebody is missing.

use std::{
    ops::{Add, AddAssign},
    time::Duration,
};

use super::arrivals::SLICE;
use crate::Timestamp;

/// Reports come once per slice; after three that did not come an instance counts as silent.
pub const SILENT_AFTER: Duration = Duration::from_millis(750);
/// As long as a silent instance is believed to hold what it last said.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);

/// Sums since the start of an epoch. They never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that the limits let through, counted once each, whether they waited or not.
    pub arrivals: u64,
    /// Requests that gave their seat back.
    pub completions: u64,
    /// Microseconds of occupied seats, as a sum over all seats: what is in flight, integrated over time.
    pub seat_micros: u64,
}

impl Counters {
    /// What was added since `earlier`; zero where nothing was.
    fn since(self, earlier: Self) -> Self {
        Self {
            arrivals: self.arrivals.saturating_sub(earlier.arrivals),
            completions: self.completions.saturating_sub(earlier.completions),
            seat_micros: self.seat_micros.saturating_sub(earlier.seat_micros),
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.arrivals = self.arrivals.saturating_add(more.arrivals);
        self.completions = self.completions.saturating_add(more.completions);
        self.seat_micros = self.seat_micros.saturating_add(more.seat_micros);
    }
}

/// What is there at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Requests that hold a seat, and tunnels and streams: none of them may lose its replica.
    pub in_flight: u64,
    /// Requests in the queue for a seat; without those that wait for their tenant's own limit only, whom no replica
    /// would help.
    pub waiting: u64,
}

impl Add for Gauges {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            in_flight: self.in_flight.saturating_add(more.in_flight),
            waiting: self.waiting.saturating_add(more.waiting),
        }
    }
}

/// What one instance says of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which instance; stays over its restarts.
    pub instance: u64,
    /// Which life of it; grows with each start.
    pub epoch: u64,
    /// How long this life has lasted. The first report counts in full, spread over this time.
    pub uptime: Duration,
    /// Sums since the epoch began.
    pub counters: Counters,
    /// This moment.
    pub gauges: Gauges,
}

/// What one instance counted between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Increment {
    /// The earlier moment.
    pub from: Timestamp,
    /// The later moment.
    pub to: Timestamp,
    /// What was added in between.
    pub counters: Counters,
}

/// What all instances together hold now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Sums over the instances, silent ones included until they are forgotten.
    pub gauges: Gauges,
    /// How long the longest silent instance has been silent; none: everybody has spoken. With no instance at all it is
    /// the longest time there is.
    pub silence: Option<Duration>,
}

/// The instances that report on one pool. One entry each; there are few.
#[derive(Clone, Debug, Default)]
pub struct Instances {
    known: Vec<Instance>,
}

#[derive(Clone, Copy, Debug)]
struct Instance {
    last: Report,
    at: Timestamp,
}

impl Instances {
    /// Takes a report that arrived at `now`; gives what it adds. One of an earlier life, or one that was overtaken by a
    /// later one, adds nothing and changes nothing.
    pub fn report(&mut self, report: Report, now: Timestamp) -> Increment {
        let nothing = Increment {
            from: now,
            to: now,
            counters: Counters::default(),
        };
        let known = self
            .known
            .iter_mut()
            .find(|instance| instance.last.instance == report.instance);
        match known {
            Some(known) if report.epoch < known.last.epoch => nothing,
            Some(known) if report.epoch == known.last.epoch => {
                if report.uptime < known.last.uptime {
                    return nothing;
                }
                let counters = report.counters.since(known.last.counters);
                let from = known.at;
                *known = Instance {
                    last: report,
                    at: now,
                };
                Increment {
                    from,
                    to: now,
                    counters,
                }
            }
            known => {
                let fresh = Instance {
                    last: report,
                    at: now,
                };
                match known {
                    Some(known) => *known = fresh,
                    None => self.known.push(fresh),
                }
                Increment {
                    from: back(now, report.uptime.max(SLICE)),
                    to: now,
                    counters: report.counters,
                }
            }
        }
    }

    /// An instance said good-bye: what it held ends with it, and nobody misses it.
    pub fn leave(&mut self, instance: u64) {
        self.known.retain(|known| known.last.instance != instance);
    }

    /// Adds up what is held at `now`. Forgets who has been silent for [`FORGOTTEN_AFTER`], but never the last one: its
    /// silence is what says that nothing is known.
    pub fn standing(&mut self, now: Timestamp) -> Standing {
        if let Some(newest) = self.known.iter().map(|known| known.at).max() {
            self.known
                .retain(|known| now - known.at < FORGOTTEN_AFTER || known.at == newest);
        }
        let silence = self.known.iter().map(|known| now - known.at).max();
        Standing {
            gauges: self
                .known
                .iter()
                .fold(Gauges::default(), |sum, known| sum + known.last.gauges),
            silence: silence.map_or(Some(Duration::MAX), |silence| {
                (silence > SILENT_AFTER).then_some(silence)
            }),
        }
    }
}

/// The moment `time` before `now`, at the earliest the start of time.
fn back(now: Timestamp, time: Duration) -> Timestamp {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    fn report(instance: u64, epoch: u64, uptime: u64, arrivals: u64) -> Report {
        Report {
            instance,
            epoch,
            uptime: Duration::from_millis(uptime),
            counters: Counters {
                arrivals,
                ..Counters::default()
            },
            gauges: Gauges {
                in_flight: 3,
                waiting: 2,
            },
        }
    }

    #[test]
    fn a_lost_report_is_contained_in_the_next() {
        let mut instances = Instances::default();
        instances.report(report(1, 1, 1_000, 10), at(1_000));
        let increment = instances.report(report(1, 1, 3_000, 70), at(3_000));
        assert_eq!(increment.counters.arrivals, 60);
        assert_eq!((increment.from, increment.to), (at(1_000), at(3_000)));
    }

    #[test]
    fn a_restart_counts_in_full_over_the_time_since_it() {
        let mut instances = Instances::default();
        instances.report(report(1, 1, 60_000, 9_000), at(60_000));
        let increment = instances.report(report(1, 2, 2_000, 40), at(70_000));
        assert_eq!(increment.counters.arrivals, 40);
        assert_eq!(increment.from, at(68_000));
    }

    #[test]
    fn a_report_of_an_earlier_life_or_an_overtaken_one_changes_nothing() {
        let mut instances = Instances::default();
        instances.report(report(1, 2, 5_000, 100), at(5_000));
        for late in [report(1, 1, 90_000, 7_000), report(1, 2, 4_750, 90)] {
            assert_eq!(
                instances.report(late, at(5_100)).counters,
                Counters::default()
            );
        }
        let next = instances.report(report(1, 2, 5_250, 104), at(5_250));
        assert_eq!(next.counters.arrivals, 4);
    }

    #[test]
    fn p36_a_silent_instance_keeps_its_gauges_and_is_missed() {
        let mut instances = Instances::default();
        instances.report(report(1, 1, 0, 0), at(0));
        instances.report(report(2, 1, 0, 0), at(0));
        instances.report(report(2, 1, 10_000, 0), at(10_000));
        let standing = instances.standing(at(10_000));
        assert_eq!(standing.gauges.in_flight, 6);
        assert_eq!(standing.silence, Some(Duration::from_secs(10)));
    }

    #[test]
    fn who_was_silent_for_long_is_forgotten_unless_nobody_else_is_there() {
        let mut instances = Instances::default();
        instances.report(report(1, 1, 0, 0), at(0));
        instances.report(report(2, 1, 16_000, 0), at(16_000));
        let standing = instances.standing(at(16_000));
        assert_eq!((standing.gauges.in_flight, standing.silence), (3, None));
        let standing = instances.standing(at(60_000));
        assert_eq!(standing.gauges.in_flight, 3);
        assert_eq!(standing.silence, Some(Duration::from_secs(44)));
    }

    #[test]
    fn p36_without_any_instance_nothing_is_known() {
        assert_eq!(
            Instances::default().standing(at(0)).silence,
            Some(Duration::MAX)
        );
    }

    #[test]
    fn who_says_good_bye_is_not_missed() {
        let mut instances = Instances::default();
        instances.report(report(1, 1, 0, 0), at(0));
        instances.report(report(2, 1, 0, 0), at(0));
        instances.leave(1);
        let standing = instances.standing(at(100));
        assert_eq!((standing.gauges.in_flight, standing.silence), (3, None));
    }

    proptest! {
        #[test]
        fn what_all_instances_counted_is_what_the_increments_add_up_to(
            steps in proptest::collection::vec((0..3_u64, any::<bool>(), any::<bool>(), 0..100_u64), 1..80)
        ) {
            let mut instances = Instances::default();
            let (mut lives, mut now) = ([(1_u64, 0_u64, 0_u64); 3], 0);
            let (mut happened, mut told, mut counted) = (0, [0_u64; 3], 0);
            for (number, restart, lost, arrivals) in steps {
                now += 250;
                let index = usize::try_from(number).unwrap();
                let (epoch, born, sum) = &mut lives[index];
                if restart {
                    // What was not reported before a restart is lost with the process.
                    (*epoch, *born, *sum) = (*epoch + 1, now, 0);
                    told[index] = 0;
                }
                *sum += arrivals;
                if lost {
                    continue;
                }
                happened += *sum - told[index];
                told[index] = *sum;
                let report = report(number, *epoch, now - *born, *sum);
                counted += instances.report(report, at(now)).counters.arrivals;
            }
            prop_assert_eq!(counted, happened);
        }
    }
}
