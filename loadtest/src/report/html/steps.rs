//! By journey and step: where on the way citizens were lost, and how patient they were.

use crate::{
    report::quantity,
    results::{Counts, Latencies, Results, counts::ratio},
    statistics::{percentile::Sample, survival},
};

use super::markup::{Table, section};

/// Steps shown; a scenario with more has the rest in the JSON.
const STEPS_MAX: usize = 60;

/// The section.
pub(super) fn render(results: &Results) -> String {
    let journeys = Table {
        caption: "Journeys",
        heads: &[
            "Journey",
            "Set out",
            "Arrived",
            "Left",
            "Broke",
            "On the way",
            "Came back",
            "Requests each",
            "Median",
            "p99",
        ],
        rows: results
            .journeys
            .iter()
            .map(|journey| {
                let sample = Sample::new(&journey.duration, &Latencies::default());
                vec![
                    journey.journey.clone(),
                    quantity::count(journey.started),
                    quantity::count(journey.completed),
                    quantity::count(journey.abandoned),
                    quantity::count(journey.failed),
                    quantity::count(journey.unfinished),
                    quantity::count(journey.came_back),
                    format!("{:.1}", ratio(journey.requests, journey.started)),
                    shown(&sample, 0.5),
                    shown(&sample, 0.99),
                ]
            })
            .collect(),
    };
    let steps = Table {
        caption: "Steps, all sizes of tenants together",
        heads: &[
            "Step",
            "Scheduled",
            "Answered",
            "Failed",
            "Abandoned",
            "Median",
            "p95",
            "p99",
        ],
        rows: steps(results),
    };
    section(
        "steps",
        "Journeys and steps",
        &[journeys.render(), steps.render(), patience(results)].concat(),
    )
}

/// One row per step, in the order in which they first appear.
fn steps(results: &Results) -> Vec<Vec<String>> {
    let mut sums: Vec<(String, Counts, Latencies, Latencies)> = Vec::new();
    for step in &results.steps {
        let name = format!("{}: {}", step.journey, step.step);
        if !sums.iter().any(|sum| sum.0 == name) {
            sums.push((
                name.clone(),
                Counts::default(),
                Latencies::default(),
                Latencies::default(),
            ));
        }
        if let Some(sum) = sums.iter_mut().find(|sum| sum.0 == name) {
            sum.1.add(&step.counts);
            sum.2.merge(&step.response);
            sum.3.merge(&step.censored);
        }
    }
    sums.truncate(STEPS_MAX);
    sums.into_iter()
        .map(|(name, counts, response, censored)| {
            let sample = Sample::of(&counts, &response, &censored);
            let share = |part| {
                counts
                    .share(part)
                    .map_or_else(String::new, quantity::percent)
            };
            vec![
                name,
                quantity::count(counts.scheduled),
                share(counts.answered),
                counts
                    .failed_share()
                    .map_or_else(String::new, quantity::percent),
                share(counts.abandoned),
                shown(&sample, 0.5),
                shown(&sample, 0.95),
                shown(&sample, 0.99),
            ]
        })
        .collect()
}

/// Patience by Kaplan and Meier beside the raw share; empty when nobody left.
fn patience(results: &Results) -> String {
    let left = &results.abandoned_after;
    if left.count == 0 {
        return String::new();
    }
    let mut cut_off = results.response.clone();
    cut_off.merge(&results.unanswered_after);
    cut_off.merge(&results.timed_out_after);
    let curve = survival::kaplan_meier(left, &cut_off);
    let mut times: Vec<u64> = [0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
        .into_iter()
        .filter_map(|quantile| left.quantile(quantile))
        .collect();
    times.dedup();
    let rows = times
        .into_iter()
        .map(|after_ns| {
            let stay = survival::staying_at(&curve, after_ns);
            vec![quantity::duration(after_ns), quantity::percent(1.0 - stay)]
        })
        .collect();
    Table {
        caption: "Patience: who would have left by then, had no answer come first (Kaplan–Meier)",
        heads: &["Waited", "Would have left"],
        rows,
    }
    .render()
}

fn shown(sample: &Sample, quantile: f64) -> String {
    sample.shown(quantile).map_or_else(
        || "–".to_owned(),
        |found| quantity::bounded(found.value_ns, found.is_bound),
    )
}
