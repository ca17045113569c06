//! Conditions that must hold all the time, or the run ends early: judged each second over what was seen so far, so that a dead
//! target is not asked for an hour.
//!
//! Only what a second holds can be judged: no class, no reason, no fairness. Who is still on the way counts as soon as that says
//! something: against a percentile after its limit, against a share after the time-out. Their ages are not kept; but of those
//! in flight at most as many can be younger than `t` as were offered in the last `t`, so all others are older. Below
//! [`KNOWN_MIN`] requests nothing is concluded.

use std::{collections::VecDeque, time::Duration};

use crate::{
    results::{Counts, Latencies, Second, counts::ratio},
    scenario::Scenario,
    statistics::percentile::Sample,
};

use super::{
    criterion::{Criterion, Limit, Metric},
    measure::{self, Measured},
};

/// Requests that ended or are overdue before anything is concluded.
pub const KNOWN_MIN: u64 = 20;
/// Seconds of which the offered are remembered: no citizen waits longer, and nobody sets a longer time-out.
const SECONDS_MAX: usize = 3_600;

/// What was seen so far.
#[derive(Debug, Clone)]
pub struct Watch {
    conditions: Vec<(Criterion, Sums)>,
    recent: Recent,
    /// From the plan, after which a request counts as failed although it has not ended.
    too_late: Duration,
}

/// Who is on the way, and what was offered in the last seconds, the last one first.
#[derive(Debug, Clone, Default)]
struct Recent {
    in_flight: u64,
    offered: VecDeque<u64>,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    seconds: u64,
    counts: Counts,
    response: Latencies,
    gave_up: Latencies,
}

impl Watch {
    /// Watches for any of `conditions`. One with a window sees only seconds in it. For a share, a request is lost that has been
    /// on its way for longer than `too_late`.
    pub fn new(conditions: &[Criterion], too_late: Duration) -> Self {
        let fresh = |condition: &Criterion| (condition.clone(), Sums::default());
        Self {
            conditions: conditions.iter().map(fresh).collect(),
            recent: Recent::default(),
            too_late,
        }
    }

    /// For the conditions of a scenario, whose time-outs say when a request is too late.
    pub fn of(scenario: &Scenario) -> Self {
        Self::new(&scenario.abort, scenario.timeouts.from_plan())
    }

    /// Takes a second; why to abort, when a condition no longer holds. The warm-up never aborts.
    pub fn see(&mut self, second: &Second) -> Option<String> {
        self.recent.add(second);
        let mut reason = None;
        for (condition, sums) in &mut self.conditions {
            let inside = condition.window.map_or(second.at_seconds >= 0, |window| {
                window.contains(second.at_seconds)
            });
            if !inside {
                continue;
            }
            sums.add(second);
            let found = sums.measure(condition, &self.recent, self.too_late);
            if let (None, Some(found)) = (&reason, found)
                && found.breaks(condition.limit)
            {
                reason = Some(format!(
                    "`{}` no longer held at second {} ({})",
                    condition.text, second.at_seconds, found.text
                ));
            }
        }
        reason
    }
}

impl Recent {
    fn add(&mut self, second: &Second) {
        self.in_flight = second.in_flight;
        self.offered.push_front(second.offered);
        self.offered.truncate(SECONDS_MAX);
    }

    /// At least so many requests have been on their way for longer than `age`.
    fn older_than(&self, age: Duration) -> u64 {
        let seconds = age.as_secs() + u64::from(age.subsec_nanos() > 0);
        let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
        if seconds > SECONDS_MAX {
            return 0;
        }
        let younger: u64 = self.offered.iter().take(seconds).sum();
        self.in_flight.saturating_sub(younger)
    }
}

impl Sums {
    fn add(&mut self, second: &Second) {
        self.seconds += 1;
        self.counts.answered += second.answered;
        self.counts.failed += second.failed;
        self.counts.abandoned += second.abandoned;
        self.response.merge(&second.response);
        self.gave_up.merge(&second.gave_up_after);
    }

    /// None when too few requests are known, or a second does not hold it.
    fn measure(
        &self,
        condition: &Criterion,
        recent: &Recent,
        too_late: Duration,
    ) -> Option<Measured> {
        let age = match (condition.metric, condition.limit) {
            (Metric::Response(_), Limit::Below(limit) | Limit::AtMost(limit)) => {
                Duration::try_from_secs_f64(limit).unwrap_or(Duration::MAX)
            }
            _ => too_late,
        };
        let overdue = recent.older_than(age);
        let known = self.counts.ended() + overdue;
        if known < KNOWN_MIN && condition.metric != Metric::AnsweredPerSecond {
            return None;
        }
        let share = |part| Some(Measured::share(Some(ratio(part, known))));
        match condition.metric {
            Metric::Failed => share(self.counts.failed + overdue),
            Metric::Answered => share(self.counts.answered),
            Metric::Abandoned => share(self.counts.abandoned),
            Metric::AnsweredPerSecond => {
                Some(Measured::rate(ratio(self.counts.answered, self.seconds)))
            }
            Metric::Response(quantile) => {
                let sample = self.sample(overdue, age);
                Some(measure::at(&sample, quantile, condition.limit))
            }
            // Who is lost leaves every mean open; what is known already must break it.
            Metric::ResponseMean => Some(Measured {
                is_bound: false,
                ..measure::mean(&self.sample(overdue, age))
            }),
            Metric::Service(_) | Metric::Reason(_) | Metric::Jain => None,
        }
    }

    /// With `overdue` requests that have waited for `age` and for longer.
    fn sample(&self, overdue: u64, age: Duration) -> Sample {
        let waited = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        let mut censored = self.gave_up.clone();
        censored.merge(&Latencies::repeated(waited, overdue));
        let counts = Counts {
            unanswered: overdue,
            ..self.counts
        };
        Sample::of(&counts, &self.response, &censored)
    }
}

#[cfg(test)]
mod tests {
    use crate::verdict::Window;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn condition(window: Option<Window>) -> Criterion {
        Criterion {
            text: "failed < 50%".to_owned(),
            metric: Metric::Failed,
            class: None,
            window,
            limit: Limit::Below(0.5),
        }
    }

    fn second(at_seconds: i64, answered: u64, failed: u64) -> Second {
        Second {
            at_seconds,
            answered,
            failed,
            ..Second::default()
        }
    }

    #[test]
    fn a_condition_that_is_broken_aborts_once_enough_requests_have_ended() {
        let mut watch = Watch::new(&[condition(None)], MINUTE);
        assert_eq!(watch.see(&second(-1, 0, 500)), None, "the warm-up");
        assert_eq!(watch.see(&second(0, 0, 19)), None, "too few");
        let reason = watch.see(&second(1, 5, 20)).unwrap();
        assert_eq!(reason, "`failed < 50%` no longer held at second 1 (88.6 %)");
    }

    #[test]
    fn a_window_begins_with_a_clean_slate() {
        let late = Window {
            from_seconds: 10,
            to_seconds: None,
        };
        let mut watch = Watch::new(&[condition(Some(late))], MINUTE);
        assert_eq!(watch.see(&second(9, 0, 1_000)), None);
        assert_eq!(watch.see(&second(10, 100, 50)), None);
        assert!(watch.see(&second(11, 0, 200)).is_some());
    }

    /// The second after which a target that freezes at once, asked 100 times a second, ends the run.
    fn frozen(conditions: &[Criterion], too_late: Duration) -> Option<i64> {
        let mut watch = Watch::new(conditions, too_late);
        (0..120).find(|at| {
            let frozen = Second {
                at_seconds: *at,
                offered: 100,
                in_flight: 100 * u64::try_from(at + 1).unwrap(),
                ..Second::default()
            };
            watch.see(&frozen).is_some()
        })
    }

    #[test]
    fn a_frozen_target_breaks_a_percentile_after_its_limit_and_a_share_after_the_time_out() {
        let p50 = Criterion {
            metric: Metric::Response(0.5),
            limit: Limit::Below(3.0),
            ..condition(None)
        };
        assert_eq!(frozen(&[p50], MINUTE), Some(3));
        assert_eq!(frozen(&[condition(None)], MINUTE), Some(60));
        assert_eq!(
            frozen(&[condition(None)], Duration::from_millis(9_500)),
            Some(10)
        );
        let answered = Criterion {
            metric: Metric::Answered,
            limit: Limit::AtLeast(0.5),
            ..condition(None)
        };
        assert_eq!(frozen(&[answered], Duration::from_secs(5)), Some(5));
    }

    #[test]
    fn a_slow_target_that_answers_within_the_limit_breaks_nothing() {
        let p99 = Criterion {
            metric: Metric::Response(0.99),
            limit: Limit::Below(3.0),
            ..condition(None)
        };
        let mut watch = Watch::new(&[p99, condition(None)], MINUTE);
        for at_seconds in 0..60 {
            let answered = if at_seconds < 2 { 0 } else { 100 };
            let slow = Second {
                at_seconds,
                offered: 100,
                answered,
                in_flight: 100 * u64::try_from(at_seconds + 1).unwrap().min(2),
                response: Latencies::repeated(2_000_000_000, answered),
                ..Second::default()
            };
            assert_eq!(watch.see(&slow), None);
        }
    }

    #[test]
    fn who_failed_at_once_ranks_behind_everybody() {
        let p99 = Criterion {
            metric: Metric::Response(0.99),
            limit: Limit::Below(1.0),
            ..condition(None)
        };
        let second = |failed| Second {
            answered: 100,
            failed,
            response: Latencies::repeated(1_000_000, 100),
            ..Second::default()
        };
        let conditions = [p99];
        let see = |failed| Watch::new(&conditions, MINUTE).see(&second(failed));
        assert_eq!(see(1), None);
        assert!(see(3).is_some());
    }
}
