//! Which measure can decide, from what a run plans: said before the first run is played, not after it.
//!
//! A percentile rests on a number of requests ([`Measure::count_needed`]), and every run of every round must have them. A
//! schedule says how many there will be, so a comparison that cannot end well need not begin. Where nobody names a measure,
//! the highest percentile decides that the plan can vouch for; what the runs find has no say in it.

use crate::{
    report::quantity,
    scenario::{Arrivals, Journey, Scenario},
    schedule::{Schedule, Spacing},
};

use super::{Measure, Problem};

/// Standard deviations below the expected number of arrivals that a schedule is trusted to reach: a Poisson number lies
/// lower once in 30,000 runs.
const DEVIATIONS: f64 = 4.0;

/// Quantiles of the response that decide without a word of the operator: the first of these that can.
pub const DECISIVE: [f64; 3] = [0.99, 0.9, 0.5];

/// The measure that decides a comparison by rounds of `scenario`: the one asked for, else the first of [`DECISIVE`] for
/// which each citizen's first request is enough. Of a closed model nobody knows how many requests it makes: the median.
///
/// # Errors
/// [`Problem::TooFewPlanned`] when the schedule has too few requests for it, redirects and retries left aside.
pub fn deciding(asked: Option<Measure>, scenario: &Scenario) -> Result<Measure, Problem> {
    let Some(citizens) = citizens_least(scenario) else {
        return Ok(asked.unwrap_or(Measure::Response(0.5)));
    };
    let known = DECISIVE
        .into_iter()
        .find(|quantile| is_enough(citizens, Measure::Response(*quantile)));
    let measure = match (asked, known) {
        (None, Some(quantile)) => return Ok(Measure::Response(quantile)),
        (None, None) => Measure::Response(0.5),
        (Some(measure), _) => measure,
    };
    let requests = citizens * steps_mean(&scenario.journeys);
    if is_enough(requests, measure) {
        return Ok(measure);
    }
    let needed = measure.count_needed();
    Err(Problem::TooFewPlanned {
        measure: measure.label(),
        needed,
        planned: quantity::count(whole(requests)),
        remedy: remedy(requests, needed, known),
    })
}

/// Citizens that set out in all but the rarest of runs, the warm-up's left aside; none of a closed model.
fn citizens_least(scenario: &Scenario) -> Option<f64> {
    let Arrivals::Open { phases, spacing } = &scenario.arrivals else {
        return None;
    };
    let expected = Schedule::new(phases.clone(), *spacing, scenario.seed).expected();
    Some(match spacing {
        Spacing::Even => expected,
        Spacing::Poisson => (expected - DEVIATIONS * expected.sqrt()).max(0.0),
    })
}

/// Steps of a journey, by how often each is made.
fn steps_mean(journeys: &[Journey]) -> f64 {
    let weights: f64 = journeys.iter().map(|journey| journey.weight).sum();
    let steps: f64 = journeys
        .iter()
        .map(|journey| journey.weight * float(journey.steps.len() as u64))
        .sum();
    if weights > 0.0 { steps / weights } else { 1.0 }
}

fn is_enough(requests: f64, measure: Measure) -> bool {
    // The tolerance: phases add up to a hair less than a whole number.
    requests + 1e-6 >= float(measure.count_needed())
}

/// What to play, or to ask for, instead.
fn remedy(requests: f64, needed: u64, known: Option<f64>) -> String {
    let needed = float(needed);
    // Generous: of Poisson arrivals the part that is not relied on shrinks with their number.
    let factor = (needed / requests.max(1.0)).ceil();
    let longer = format!("play longer or at a higher rate (--scale {factor:.0})");
    known.map_or_else(
        || longer.clone(),
        |quantile| {
            let name = quantity::quantile(quantile);
            format!("{longer}, or let --measure {name} decide")
        },
    )
}

#[expect(clippy::cast_precision_loss, reason = "requests of a run")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "requests of a run, never negative"
)]
fn whole(number: f64) -> u64 {
    (number + 1e-6).floor() as u64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{load, read};

    fn scenario(arrivals: &str, steps: &str) -> Scenario {
        let text = format!(
            "target: http://a.example\narrivals: {arrivals}\njourneys: [ {{ name: one, steps: [ {steps} ] }} ]\n"
        );
        read(Path::new("planned"), &text).unwrap()
    }

    #[test]
    fn the_default_of_the_default_scenario_is_a_measure_that_its_schedule_can_vouch_for() {
        let smoke = load("smoke").unwrap();
        assert_eq!(deciding(None, &smoke), Ok(Measure::Response(0.9)));
        assert!(deciding(Some(Measure::Response(0.9)), &smoke).is_ok());
    }

    #[test]
    fn the_highest_percentile_that_every_run_will_reach_decides() {
        for (arrivals, expected) in [
            ("{ rate: 100/s, duration: 10s, spacing: even }", 0.99),
            // A thousand on average is fewer in every second run.
            ("{ rate: 100/s, duration: 10s }", 0.9),
            ("{ rate: 120/s, duration: 10s }", 0.99),
            ("{ rate: 10/s, duration: 5s }", 0.5),
            ("{ citizens: 500, duration: 10s }", 0.5),
        ] {
            let scenario = scenario(arrivals, "{ get: / }");
            assert_eq!(
                deciding(None, &scenario),
                Ok(Measure::Response(expected)),
                "{arrivals}"
            );
        }
    }

    #[test]
    fn a_measure_that_the_schedule_cannot_vouch_for_is_refused_with_numbers_and_a_way_out() {
        let even = scenario("{ rate: 30/s, duration: 10s, spacing: even }", "{ get: / }");
        let problem = deciding(Some(Measure::Response(0.99)), &even).unwrap_err();
        assert_eq!(problem.exit_code(), 2);
        assert_eq!(
            problem.to_string(),
            "response p99 needs 1000 requests in each run, the scenario can be relied on for 300; play longer or at a \
             higher rate (--scale 4), or let --measure p90 decide"
        );
        let few = scenario("{ rate: 1/s, duration: 5s }", "{ get: / }");
        let problem = deciding(None, &few).unwrap_err().to_string();
        assert!(problem.contains("p50 needs 20"), "{problem}");
        assert!(!problem.contains("--measure"), "{problem}");
    }

    #[test]
    fn every_step_of_a_journey_counts_for_a_measure_that_was_asked_for() {
        let steps = "{ get: / }, { get: /a }, { get: /b }, { get: /c }";
        let four = scenario("{ rate: 30/s, duration: 10s, spacing: even }", steps);
        assert!(deciding(Some(Measure::Response(0.99)), &four).is_ok());
        assert_eq!(deciding(None, &four), Ok(Measure::Response(0.9)));
    }
}
