//! Over time: offered against answered, latency, and under it replicas and waiting.

use crate::{
    report::quantity,
    results::{PoolSecond, Results, Second},
};

use super::{
    markup::{Table, section},
    plot::{Axis, Plot},
    reduce::{Interval, intervals, min_max},
    scale::{Scale, count_label, duration_label, seconds_label},
};

/// Points of a line; more cannot be told apart on a screen.
const POINTS: usize = 700;
/// Rows of a table; more nobody reads.
const ROWS: usize = 24;

/// Offered against answered.
pub(super) fn offered(results: &Results) -> String {
    let seconds = &results.seconds;
    let largest = seconds
        .iter()
        .map(|second| second.offered.max(second.answered))
        .max();
    let mut plot = Plot::new(
        "plot-offered",
        280.0,
        time_axis(results),
        Axis {
            scale: Scale::from_zero(float(largest.unwrap_or(0))),
            name: "requests per second",
            label: count_label,
        },
    );
    let line = |value: fn(&Second) -> u64| over_time(seconds, |second| Some(value(second)));
    plot.line("offered", "d", &line(|second| second.offered));
    plot.line("answered", "a", &line(|second| second.answered));
    plot.line("failed", "b", &line(|second| second.failed));
    plot.line("abandoned", "e", &line(|second| second.abandoned));
    let description = format!(
        "{} requests were planned over {}, {} were answered.",
        quantity::count(results.counts.scheduled),
        quantity::seconds(results.duration_seconds),
        quantity::count(results.counts.answered)
    );
    let table = table(
        "Requests over time",
        &[
            "Time",
            "Offered",
            "Sent",
            "Answered",
            "Failed",
            "Abandoned",
            "In flight at most",
        ],
        results,
        |interval| {
            vec![
                rate(interval.offered, interval),
                rate(interval.sent, interval),
                rate(interval.answered, interval),
                rate(interval.failed, interval),
                rate(interval.abandoned, interval),
                quantity::count(interval.in_flight_max),
            ]
        },
    );
    let figure = plot.render("Offered against answered over time", &description);
    section(
        "offered",
        "Offered against answered",
        &format!("{figure}{table}"),
    )
}

/// Percentiles of the answers that came in each second, with the generator's lag under them.
pub(super) fn latency(results: &Results) -> String {
    let seconds = &results.seconds;
    let lags = || seconds.iter().map(|second| second.own_lag_max_ns);
    let largest = seconds
        .iter()
        .map(|second| second.response.max_ns.max(second.own_lag_max_ns))
        .max()
        .unwrap_or(0);
    let smallest = seconds
        .iter()
        .filter_map(|second| second.response.quantile(0.5))
        .chain(lags().filter(|lag| *lag > 0))
        .min();
    let mut plot = Plot::new(
        "plot-latency",
        280.0,
        time_axis(results),
        Axis {
            scale: Scale::decades(float(smallest.unwrap_or(1_000_000)) / 2.0, float(largest)),
            name: "response",
            label: duration_label,
        },
    );
    plot.line(
        "median",
        "a",
        &over_time(seconds, |second| second.response.quantile(0.5)),
    );
    plot.line(
        "p99",
        "b",
        &over_time(seconds, |second| second.response.quantile(0.99)),
    );
    plot.line(
        "own lag at most",
        "d",
        &over_time(seconds, |second| Some(second.own_lag_max_ns)),
    );
    let table = table(
        "Response over time, of the answers that came then",
        &[
            "Time",
            "Answers",
            "Median",
            "p90",
            "p99",
            "Maximum",
            "Own lag at most",
        ],
        results,
        |interval| {
            vec![
                quantity::count(interval.response.count),
                response_at(interval, 0.5),
                response_at(interval, 0.9),
                response_at(interval, 0.99),
                response_at(interval, 1.0),
                quantity::duration(interval.own_lag_max_ns),
            ]
        },
    );
    let figure = plot.render(
        "Response over time",
        "Median and 99th percentile of the answers that came in each second, and the generator's own lag.",
    );
    section("latency", "Response over time", &format!("{figure}{table}"))
}

fn response_at(interval: &Interval, quantile: f64) -> String {
    let found = interval.response.quantile(quantile);
    found.map_or_else(|| "–".to_owned(), quantity::duration)
}

/// Replicas and waiting, if the target told them; empty otherwise.
pub(super) fn replicas(results: &Results) -> String {
    let pools = || results.seconds.iter().filter_map(|second| second.pool);
    let Some(most) = pools()
        .map(|pool| pool.replicas_ready.max(pool.replicas_wanted))
        .max()
    else {
        return String::new();
    };
    let waiting = pools().map(|pool| pool.waiting).max().unwrap_or(0);
    let mut plot = pool_plot(results, "plot-replicas", "replicas", most);
    plot.line("ready", "a", &of_pool(results, |pool| pool.replicas_ready));
    plot.line(
        "wanted",
        "d",
        &of_pool(results, |pool| pool.replicas_wanted),
    );
    let mut under = pool_plot(results, "plot-waiting", "waiting", waiting);
    under.line(
        "waiting in the queue",
        "b",
        &of_pool(results, |pool| pool.waiting),
    );
    let table = table(
        "Replicas and waiting over time",
        &["Time", "Ready", "Wanted", "Waiting", "On a slot"],
        results,
        |interval| {
            let Some(pool) = interval.pool else {
                return vec!["–".to_owned(); 4];
            };
            let counts = [
                pool.replicas_ready,
                pool.replicas_wanted,
                pool.waiting,
                pool.in_flight,
            ];
            counts.map(quantity::count).to_vec()
        },
    );
    let figures = [
        plot.render("Replicas over time", &format!("At most {most} replicas.")),
        under.render(
            "Waiting over time",
            &format!("At most {waiting} requests waited."),
        ),
    ]
    .concat();
    section(
        "replicas",
        "Replicas and waiting",
        &format!("{figures}{table}"),
    )
}

fn pool_plot<'a>(results: &Results, id: &'a str, name: &'a str, largest: u64) -> Plot<'a> {
    let y = Axis {
        scale: Scale::from_zero(float(largest)),
        name,
        label: count_label,
    };
    Plot::new(id, 180.0, time_axis(results), y)
}

fn of_pool(results: &Results, value: fn(PoolSecond) -> u64) -> Vec<(f64, f64)> {
    over_time(&results.seconds, |second| second.pool.map(value))
}

fn time_axis(results: &Results) -> Axis<'static> {
    let from = results
        .seconds
        .first()
        .map_or(0, |second| second.at_seconds);
    let to = results.seconds.last().map_or(1, |second| second.at_seconds);
    Axis {
        scale: Scale::time(signed(from), signed(to)),
        name: "time since the end of the warm-up",
        label: seconds_label,
    }
}

/// A value per second, reduced without losing an extreme; a gap where there is none, which a line over it would hide.
fn over_time(seconds: &[Second], value: impl Fn(&Second) -> Option<u64>) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .map(|second| {
            let value = value(second).map_or(f64::NAN, float);
            (signed(second.at_seconds), value)
        })
        .collect();
    min_max(&points, POINTS)
}

fn table(
    caption: &str,
    heads: &[&str],
    results: &Results,
    cells: impl Fn(&Interval) -> Vec<String>,
) -> String {
    let rows = intervals(&results.seconds, ROWS)
        .iter()
        .map(|interval| {
            let mut row = vec![interval.label()];
            row.extend(cells(interval));
            row
        })
        .collect();
    Table {
        caption,
        heads,
        rows,
    }
    .render()
}

fn rate(count: u64, interval: &Interval) -> String {
    quantity::rate(crate::results::counts::ratio(
        count,
        interval.seconds.max(1),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "drawn")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
const fn signed(number: i64) -> f64 {
    number as f64
}
