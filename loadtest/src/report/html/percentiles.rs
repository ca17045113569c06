//! Percentile curves: response from the plan, service from the send, and the generator's own lag below them.

use crate::{
    report::{digest, quantity},
    results::{Latencies, Results},
};

use super::{
    markup::{Table, section},
    plot::{Axis, Plot},
    reduce::lttb,
    scale::{Scale, duration_label},
};

/// Points of a curve.
const POINTS: usize = 200;

/// The section.
pub(super) fn render(results: &Results) -> String {
    let rows = digest::percentiles(results);
    let table = Table {
        caption: "Percentiles of the response, from the planned start",
        heads: &[
            "Percentile",
            "Response",
            "95 % interval",
            "From the send",
            "Own lag",
            "Requests",
        ],
        rows: rows
            .iter()
            .map(|row| {
                let found = &row.response;
                let high = found
                    .high_ns
                    .map_or_else(|| "unknown".to_owned(), quantity::duration);
                let optional =
                    |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), quantity::duration);
                vec![
                    quantity::quantile(found.quantile),
                    row.text(),
                    format!("{} to {high}", quantity::duration(found.low_ns)),
                    optional(row.service_ns),
                    optional(row.own_lag_ns),
                    quantity::count(found.count),
                ]
            })
            .collect(),
    };
    let note = "<p class=note>From the planned start, so that no wait is left out. “≥”: an answer never came, the true value \
                may be larger; who failed counts as never answered. A percentile that rests on fewer than ten requests is not shown. Intervals hold for \
                independent requests; compare whole runs to tell two targets apart.</p>\n";
    section(
        "percentiles",
        "How long citizens waited",
        &format!(
            "{}{}{note}",
            curve(results).unwrap_or_default(),
            table.render()
        ),
    )
}

/// None when nothing was answered and nothing censored.
fn curve(results: &Results) -> Option<String> {
    let sample = results.sample();
    let (largest, _) = sample.maximum()?;
    let all = points(sample.count(), |quantile| {
        sample.at(quantile).map(|found| found.value_ns)
    });
    let bounds: Vec<(f64, f64)> = all
        .iter()
        .filter(|(x, _)| {
            sample
                .at(1.0 - 10_f64.powf(-x))
                .is_some_and(|found| found.is_bound)
        })
        .copied()
        .collect();
    let service = of(&results.service);
    let lag = of(&results.own_lag);
    let smallest = [&results.response, &results.service, &results.own_lag]
        .into_iter()
        .filter_map(|latencies| latencies.quantile(0.01))
        .min()
        .unwrap_or(1_000_000);
    let end = all.last().map_or(1.0, |point| point.0);
    let mut plot = Plot::new(
        "plot-percentiles",
        320.0,
        Axis {
            scale: Scale::between(0.0, end.ceil().max(2.0)),
            name: "percentile",
            label: nines,
        },
        Axis {
            scale: Scale::decades(float(smallest).max(1_000.0), float(largest)),
            name: "duration",
            label: duration_label,
        },
    );
    plot.line("response from the plan", "a", &all);
    if !bounds.is_empty() {
        plot.line("response, only a lower bound", "b", &bounds);
    }
    plot.line("from the send", "c", &service);
    plot.line("own lag", "d", &lag);
    let description = digest::percentiles(results)
        .iter()
        .map(|row| {
            format!(
                "{} {}",
                quantity::quantile(row.response.quantile),
                row.text()
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    Some(plot.render("Durations by percentile", &description))
}

fn of(latencies: &Latencies) -> Vec<(f64, f64)> {
    points(latencies.count, |quantile| latencies.quantile(quantile))
}

/// The curve over x = −log₁₀(1 − q), as far as single requests can be told apart.
fn points(count: u64, value: impl Fn(f64) -> Option<u64>) -> Vec<(f64, f64)> {
    let end = float(count.max(2)).log10();
    let steps = 400_u32;
    let all: Vec<(f64, f64)> = (0..=steps)
        .filter_map(|step| {
            let x = end * f64::from(step) / f64::from(steps);
            value(1.0 - 10_f64.powf(-x)).map(|ns| (x, float(ns)))
        })
        .collect();
    lttb(&all, POINTS)
}

/// A tick: 0 is the minimum, 1 is p90, 2 is p99.
fn nines(x: f64) -> String {
    if x.fract().abs() > 1e-6 {
        return String::new();
    }
    if x < 0.5 {
        return "p0".to_owned();
    }
    quantity::quantile((1.0 - 10_f64.powf(-x)).min(0.999_999))
}

#[expect(clippy::cast_precision_loss, reason = "drawn")]
const fn float(number: u64) -> f64 {
    number as f64
}
