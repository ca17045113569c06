//! How far the simulator is from reality: one run for real and the same run in virtual time, compared.
//!
//! Both get the same citizens at the same times, and the backends draw the same service times for them, so what differs is
//! the machine's doing and no chance. Reality is slower, so ratios below 1 are the rule; the last comparison is kept in a
//! file, and every simulation prints it.
//!
//! | module | holds |
//! |---|---|
//! | `stage` | the processes of the run for real |
//! | `store` | the file of the last comparison |

pub mod stage;
pub mod store;

use crate::{
    machine,
    results::{Calibration, Latencies, Results, counts::ratio},
};

/// Seconds before and after a change of replicas in which a difference is a matter of when they were looked at.
const CHANGE: i64 = 2;

/// A figure of the comparison, and how far it may be off.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How far it is off, in words.
    pub found: String,
    /// How far it may be, in words.
    pub allowed: &'static str,
    /// Whether it is no further.
    pub holds: bool,
}

/// Compares a simulation with the run that it stands for.
pub fn compare(simulated: &Results, measured: &Results) -> Calibration {
    let machine = machine::facts(&[], 0);
    let share = |results: &Results, part: u64| results.counts.share(part).unwrap_or_default();
    let points = |part: fn(&Results) -> u64| {
        100.0 * (share(simulated, part(simulated)) - share(measured, part(measured)))
    };
    Calibration {
        date: machine::now(),
        machine: format!("{} × {}", machine.processors, machine.processor_model),
        commit: simulated.tool.commit.clone(),
        scenario: simulated.scenario.name.clone(),
        median_ratio: quotient(&simulated.response, &measured.response, 0.5),
        p99_ratio: quotient(&simulated.response, &measured.response, 0.99),
        refused_points: points(|results| results.counts.failed),
        abandoned_points: points(|results| results.counts.abandoned),
        replicas_difference_max: replicas(simulated, measured).difference_max(),
    }
}

fn quotient(simulated: &Latencies, measured: &Latencies, quantile: f64) -> f64 {
    let value = |latencies: &Latencies| latencies.quantile(quantile).unwrap_or_default();
    ratio(value(simulated), value(measured).max(1))
}

/// What a comparison of replicas, second by second, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// Nobody said how many there were, in one of the two.
    Unknown,
    /// They were known, and every second lay around a change: nothing was shown.
    AlwaysChanging,
    /// They stood still long enough.
    Compared {
        /// The largest difference.
        most: u64,
        /// Seconds that it is the largest of.
        seconds: u64,
    },
}

impl Replicas {
    /// The largest difference, where seconds could be compared.
    pub fn difference_max(self) -> Option<f64> {
        match self {
            Self::Compared { most, .. } => Some(ratio(most, 1)),
            Self::Unknown | Self::AlwaysChanging => None,
        }
    }
}

/// Compares the replicas of the seconds outside of changes.
pub fn replicas(simulated: &Results, measured: &Results) -> Replicas {
    let of = |results: &Results| -> Vec<(i64, u64)> {
        let seconds = results.seconds.iter().filter_map(|second| {
            let ready = second.pool?.replicas_ready;
            Some((second.at_seconds, ready))
        });
        seconds.collect()
    };
    let (simulated, measured) = (of(simulated), of(measured));
    let (until_simulated, until_measured) = (changes(&simulated), changes(&measured));
    let is_changing = |at: i64| {
        let mut changes = until_simulated.iter().chain(&until_measured);
        changes.any(|change| (at - change).abs() <= CHANGE)
    };
    let mut known = false;
    let differences = measured.iter().filter_map(|&(at, ready)| {
        let (_, expected) = simulated.iter().find(|(second, _)| *second == at)?;
        known = true;
        (!is_changing(at)).then(|| expected.abs_diff(ready))
    });
    let differences: Vec<u64> = differences.collect();
    match differences.iter().max() {
        Some(&most) => Replicas::Compared {
            most,
            seconds: differences.len() as u64,
        },
        None if known => Replicas::AlwaysChanging,
        None => Replicas::Unknown,
    }
}

/// The seconds in which the number became another one.
fn changes(replicas: &[(i64, u64)]) -> Vec<i64> {
    let pairs = replicas.iter().zip(replicas.iter().skip(1));
    let changed = pairs.filter(|((_, before), (_, after))| before != after);
    changed.map(|(_, (at, _))| *at).collect()
}

/// What the comparison says about the simulator, figure by figure. Replicas that could not be compared are not within, but
/// for a target that does not tell how many it has.
pub fn judge(calibration: &Calibration, replicas: Replicas) -> Vec<Finding> {
    let times = |what, ratio: f64, tolerance: f64, allowed| Finding {
        what,
        found: format!("×{ratio:.2}"),
        allowed,
        holds: (ratio - 1.0).abs() <= tolerance,
    };
    let points = |what, points: f64| Finding {
        what,
        found: format!("{points:+.2} points"),
        allowed: "2 points",
        holds: points.abs() <= 2.0,
    };
    let mut findings = vec![
        times("median", calibration.median_ratio, 0.1, "10 %"),
        times("p99", calibration.p99_ratio, 0.2, "20 %"),
        points("refused", calibration.refused_points),
        points("abandoned", calibration.abandoned_points),
    ];
    let (found, holds) = match replicas {
        Replicas::Unknown => return findings,
        Replicas::AlwaysChanging => ("never at rest".to_owned(), false),
        Replicas::Compared { most, seconds } => (format!("{most} apart in {seconds} s"), most <= 1),
    };
    findings.push(Finding {
        what: "replicas",
        found,
        allowed: "1, outside 2 s of a change",
        holds,
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{PoolSecond, fixture};

    /// The replicas of consecutive seconds.
    fn with(replicas: &[u64]) -> Results {
        let mut results = fixture::play(1, 10, &[], |request, _| {
            fixture::Fate::After(1_000_000 * (request + 1))
        });
        let template = results.seconds.first().cloned().unwrap();
        results.seconds = (0..)
            .zip(replicas)
            .map(|(at_seconds, &replicas_ready)| {
                let mut second = template.clone();
                second.at_seconds = at_seconds;
                second.pool = Some(PoolSecond {
                    replicas_ready,
                    ..PoolSecond::default()
                });
                second
            })
            .collect();
        results
    }

    #[test]
    fn a_run_compared_with_itself_is_off_by_nothing() {
        let results = with(&[3, 3, 3]);
        let calibration = compare(&results, &results);
        assert!((calibration.median_ratio - 1.0).abs() < f64::EPSILON);
        let findings = judge(&calibration, replicas(&results, &results));
        assert!(findings.iter().all(|finding| finding.holds));
        assert_eq!(findings.last().unwrap().found, "0 apart in 3 s");
    }

    #[test]
    fn replicas_are_compared_outside_of_changes_only() {
        let late = with(&[0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4]);
        let early = with(&[0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4]);
        let compared = |most, seconds| Replicas::Compared { most, seconds };
        assert_eq!(replicas(&late, &early), compared(0, 5));
        let fewer = with(&[0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(replicas(&late, &fewer), compared(2, 5));
    }

    #[test]
    fn replicas_that_never_stand_still_are_told_from_such_as_nobody_counts_and_are_not_within() {
        let restless = with(&[1, 2, 3, 4, 5, 6]);
        let found = replicas(&restless, &restless);
        assert_eq!(found, Replicas::AlwaysChanging);
        let calibration = compare(&restless, &restless);
        assert_eq!(calibration.replicas_difference_max, None);
        assert!(!judge(&calibration, found).last().unwrap().holds);

        let mut silent = restless.clone();
        for second in &mut silent.seconds {
            second.pool = None;
        }
        let found = replicas(&restless, &silent);
        assert_eq!(found, Replicas::Unknown);
        assert!(
            judge(&calibration, found)
                .iter()
                .all(|finding| finding.what != "replicas")
        );
    }

    #[test]
    fn twice_the_median_is_too_far_off() {
        let results = with(&[1]);
        let calibration = Calibration {
            median_ratio: 2.0,
            refused_points: -2.5,
            ..compare(&results, &results)
        };
        let wrong: Vec<_> = judge(&calibration, Replicas::Unknown)
            .into_iter()
            .filter(|finding| !finding.holds)
            .map(|finding| finding.what)
            .collect();
        assert_eq!(wrong, ["median", "refused"]);
    }
}
