//! Heat map: how many answers took how long, over time. It shows what percentiles hide: two modes, a freeze, a slow drift.

use crate::{report::quantity, results::Results};

use super::{
    markup::{Table, section},
    plot::{Axis, Plot},
    reduce::{Interval, intervals},
    scale::{Scale, duration_label, seconds_label},
};

/// Columns of the map.
const COLUMNS: usize = 150;
/// Rows per decade of duration.
const ROWS_PER_DECADE: f64 = 6.0;
/// Rows of the table.
const TABLE_ROWS: usize = 12;
/// Shades, the lightest first; each stands for the same multiple of the count of the one before it, ending at the largest.
const SHADES: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// The section; empty when nothing was answered.
pub(super) fn render(results: &Results) -> String {
    let columns = intervals(&results.seconds, COLUMNS);
    let answered: Vec<&Interval> = columns
        .iter()
        .filter(|column| column.response.count > 0)
        .collect();
    let (Some(low), Some(high)) = (
        answered.iter().map(|column| column.response.min_ns).min(),
        answered.iter().map(|column| column.response.max_ns).max(),
    ) else {
        return String::new();
    };
    let scale = Scale::decades(float(low), float(high));
    let cells = cells_of(&columns, scale);
    let largest = cells.iter().map(|cell| cell.count).max().unwrap_or(1);
    let from = columns.first().map_or(0, |column| column.from_seconds);
    let to = columns.last().map_or(1, end_of);
    let mut plot = Plot::new(
        "plot-heat",
        320.0,
        Axis {
            scale: Scale::time(signed(from), signed(to)),
            name: "time since the end of the warm-up",
            label: seconds_label,
        },
        Axis {
            scale,
            name: "response",
            label: duration_label,
        },
    );
    for (shade, class) in SHADES.iter().enumerate() {
        let corners: Vec<[f64; 4]> = cells
            .iter()
            .filter(|cell| shade_of(cell.count, largest) == shade)
            .map(|cell| cell.corners)
            .collect();
        plot.cells(class, &corners);
    }
    plot.explain("h1", "few answers");
    let most = format!("{} answers", quantity::count(largest));
    plot.explain("h6", &most);
    let description = format!(
        "Answers took from {} to {}; darker is more of them.",
        quantity::duration(low),
        quantity::duration(high)
    );
    let figure = plot.render("Heat map of the response over time", &description);
    section_of(results, &figure, scale)
}

fn section_of(results: &Results, figure: &str, scale: Scale) -> String {
    let edges = scale.ticks();
    let mut heads = vec!["Time".to_owned()];
    heads.extend(
        edges
            .iter()
            .skip(1)
            .map(|edge| format!("below {}", duration_label(*edge))),
    );
    let rows = intervals(&results.seconds, TABLE_ROWS)
        .iter()
        .map(|interval| {
            let mut row = vec![interval.label()];
            row.extend(edges.windows(2).map(|pair| match pair {
                [low, high] => quantity::count(count_between(interval, *low, *high)),
                _ => String::new(),
            }));
            row
        })
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let table = Table {
        caption: "Answers by response over time",
        heads: &heads,
        rows,
    };
    section(
        "heat",
        "Every answer over time",
        &format!("{figure}{}", table.render()),
    )
}

struct Cell {
    corners: [f64; 4],
    count: u64,
}

/// Cells that hold answers.
fn cells_of(columns: &[Interval], scale: Scale) -> Vec<Cell> {
    let mut cells = Vec::new();
    for column in columns {
        let (x0, x1) = (signed(column.from_seconds), signed(end_of(column)));
        let mut open: Option<(i64, u64)> = None;
        for (upper, count) in &column.response.buckets {
            let row = row_of(float(*upper).max(bottom_of(scale)));
            match &mut open {
                Some((known, sum)) if *known == row => *sum += count,
                _ => {
                    cells.extend(
                        open.replace((row, *count))
                            .map(|cell| finished(x0, x1, cell)),
                    );
                }
            }
        }
        cells.extend(open.map(|cell| finished(x0, x1, cell)));
    }
    cells
}

fn finished(x0: f64, x1: f64, (row, count): (i64, u64)) -> Cell {
    let edge = |row: i64| 10_f64.powf(signed(row) / ROWS_PER_DECADE);
    Cell {
        corners: [x0, edge(row), x1, edge(row + 1)],
        count,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "log10 of a duration")]
fn row_of(ns: f64) -> i64 {
    // A value on a decade's edge belongs below it, as its bucket's upper end does.
    (ns.log10() * ROWS_PER_DECADE - 1e-9).floor() as i64
}

const fn bottom_of(scale: Scale) -> f64 {
    match scale {
        Scale::Linear { from, .. } | Scale::Time { from, .. } | Scale::Logarithmic { from, .. } => {
            from
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an index of SHADES"
)]
fn shade_of(count: u64, largest: u64) -> usize {
    let part = float(count.max(1)).ln() / float(largest.max(2)).ln();
    let last = SHADES.len() - 1;
    ((part * last as f64).round() as usize).min(last)
}

fn count_between(interval: &Interval, low: f64, high: f64) -> u64 {
    interval
        .response
        .buckets
        .iter()
        .filter(|(upper, _)| float(*upper) > low && float(*upper) <= high)
        .map(|bucket| bucket.1)
        .sum()
}

fn end_of(interval: &Interval) -> i64 {
    interval
        .from_seconds
        .saturating_add(i64::try_from(interval.seconds).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "drawn")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
const fn signed(number: i64) -> f64 {
    number as f64
}
