//! Conditions that must hold all the time, or the run ends early: judged each second over what was seen so far, so that a dead target is not asked for an
//! hour.
//!
//! Only what a second holds can be judged: no class, no reason, no fairness. A share is told of the requests that have ended,
//! because those still on their way have not failed yet; below [`ENDED_MIN`] of them nothing is concluded.

use crate::{
    report::quantity,
    results::{Latencies, Second, counts::ratio},
};

use super::criterion::{Criterion, Metric};

/// Ended requests before anything is concluded.
pub const ENDED_MIN: u64 = 20;

/// What was seen so far.
#[derive(Debug, Clone)]
pub struct Watch {
    conditions: Vec<(Criterion, Sums)>,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    seconds: u64,
    answered: u64,
    failed: u64,
    abandoned: u64,
    response: Latencies,
}

impl Watch {
    /// Watches for any of `conditions`. One with a window sees only seconds in it.
    pub fn new(conditions: &[Criterion]) -> Self {
        let fresh = |condition: &Criterion| (condition.clone(), Sums::default());
        Self {
            conditions: conditions.iter().map(fresh).collect(),
        }
    }

    /// Takes a second; why to abort, when a condition no longer holds. The warm-up never aborts.
    pub fn see(&mut self, second: &Second) -> Option<String> {
        let mut reason = None;
        for (condition, sums) in &mut self.conditions {
            let inside = condition.window.map_or(second.at_seconds >= 0, |window| {
                window.contains(second.at_seconds)
            });
            if !inside {
                continue;
            }
            sums.add(second);
            let broken = sums
                .number(condition.metric)
                .filter(|number| !condition.limit.allows(*number));
            if let (None, Some(number)) = (&reason, broken) {
                reason = Some(format!(
                    "`{}` no longer held at second {} ({})",
                    condition.text,
                    second.at_seconds,
                    shown(condition.metric, number)
                ));
            }
        }
        reason
    }
}

impl Sums {
    fn add(&mut self, second: &Second) {
        self.seconds += 1;
        self.answered += second.answered;
        self.failed += second.failed;
        self.abandoned += second.abandoned;
        self.response.merge(&second.response);
    }

    /// The number in the metric's unit; none when too few requests have ended, or a second does not hold it.
    fn number(&self, metric: Metric) -> Option<f64> {
        let ended = self.answered + self.failed + self.abandoned;
        if ended < ENDED_MIN && metric != Metric::AnsweredPerSecond {
            return None;
        }
        match metric {
            Metric::Failed => Some(ratio(self.failed, ended)),
            Metric::Answered => Some(ratio(self.answered, ended)),
            Metric::Abandoned => Some(ratio(self.abandoned, ended)),
            Metric::AnsweredPerSecond => Some(ratio(self.answered, self.seconds)),
            Metric::Response(quantile) => self
                .response
                .quantile(quantile)
                .map(|ns| ratio(ns, 1_000_000_000)),
            Metric::ResponseMean => self.response.mean_ns().map(|ns| ns / 1e9),
            Metric::Service(_) | Metric::Reason(_) | Metric::Jain => None,
        }
    }
}

fn shown(metric: Metric, number: f64) -> String {
    match metric {
        Metric::AnsweredPerSecond => quantity::rate(number),
        metric if metric.is_duration() => quantity::seconds(number),
        _ => quantity::percent(number),
    }
}

#[cfg(test)]
mod tests {
    use crate::verdict::{Limit, Window};

    use super::*;

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
        let mut watch = Watch::new(&[condition(None)]);
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
        let mut watch = Watch::new(&[condition(Some(late))]);
        assert_eq!(watch.see(&second(9, 0, 1_000)), None);
        assert_eq!(watch.see(&second(10, 100, 50)), None);
        assert!(watch.see(&second(11, 0, 200)).is_some());
    }
}
