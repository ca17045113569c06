//! Whether a scenario can be played in steps of one rate each, which is all that a search plays of its schedule.

use std::time::Duration;

use crate::{
    report::quantity,
    scenario::{Arrivals, Scenario},
    schedule::Spacing,
};

/// How arrivals are spaced in steps of this length; rate and length of the scenario's own schedule are not played.
///
/// # Errors
/// In words: it has no rate (a closed model), or a threshold asks for seconds that no step has and that would fail all of
/// them for want of data.
pub fn spacing_of_steps(scenario: &Scenario, step: Duration) -> Result<Spacing, String> {
    let Arrivals::Open { spacing, .. } = scenario.arrivals else {
        return Err(
            "the scenario has `citizens` and no rate to search (a closed model); give it `arrivals` with a `rate`"
                .to_owned(),
        );
    };
    let length = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
    let beyond = scenario.thresholds.iter().find(|threshold| {
        let window = threshold.window;
        window.is_some_and(|window| window.from_seconds >= length.max(1))
    });
    match beyond {
        None => Ok(spacing),
        Some(threshold) => Err(format!(
            "the threshold `{}` looks at nothing of a step of {}; use a longer --step, or leave out `after`",
            threshold.text,
            quantity::seconds(step.as_secs_f64())
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::read;

    fn scenario(arrivals: &str, threshold: &str) -> Scenario {
        let text = format!(
            "target: http://a.example
arrivals: {arrivals}
journeys: [ {{ name: one, steps: [ {{ get: / }} ] }} ]
thresholds: [ \"{threshold}\" ]
"
        );
        read(Path::new("steps"), &text).unwrap()
    }

    #[test]
    fn what_cannot_be_played_in_steps_is_refused_in_words() {
        let open = "{ rate: 10/s, duration: 90s, spacing: even }";
        let closed = "{ citizens: 100, duration: 90s }";
        for (arrivals, threshold, words) in [
            (closed, "p99 < 1s", "a closed model"),
            (open, "p99 < 1s after 60s", "a step of 10 s"),
            (open, "p99 < 1s after 10s until 20s", "a step of 10 s"),
        ] {
            let found = spacing_of_steps(&scenario(arrivals, threshold), Duration::from_secs(10));
            assert!(found.clone().unwrap_err().contains(words), "{found:?}");
        }
    }

    #[test]
    fn steps_are_spaced_as_the_schedule_is_and_may_be_judged_in_part() {
        let open = "{ rate: 10/s, duration: 90s, spacing: even }";
        for threshold in [
            "p99 < 1s",
            "p99 < 1s after 9s",
            "p99 < 1s after 0s until 60s",
        ] {
            assert_eq!(
                spacing_of_steps(&scenario(open, threshold), Duration::from_secs(10)),
                Ok(Spacing::Even)
            );
        }
    }
}
