//! The view while a run is going on: a frame of a few lines, or one plain line per second.

use crate::{
    report::quantity,
    results::{Counts, PoolSecond, ReasonCount},
};

use super::style::{Colour, Style};

/// Most frequent reasons shown.
const REASONS_MAX: usize = 4;

/// Where the run stands; filled by whoever runs it, about once per second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Seconds since the end of the warm-up; negative within it.
    pub at_seconds: i64,
    /// Length of the schedule after the warm-up.
    pub planned_seconds: f64,
    /// Offered in the last second.
    pub offered_per_second: f64,
    /// Answered in the last second.
    pub answered_per_second: f64,
    /// So far.
    pub counts: Counts,
    /// Planned and not ended.
    pub in_flight: u64,
    /// Of these, without a connection or stream.
    pub waiting: u64,
    /// Response of late at the median, p90 and p99; none without an answer.
    pub response_ns: Option<[u64; 3]>,
    /// Seconds since the last answer while requests are out: the live form of `≥`.
    pub silent_seconds: u64,
    /// Largest own lag of late; none before the first request.
    pub own_lag_max_ns: Option<u64>,
    /// Why the run would be invalid if it ended now; none when it is valid so far.
    pub doubt: Option<String>,
    /// Reasons so far, the most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Replicas and queue of the target, if it tells.
    pub pool: Option<PoolSecond>,
}

impl Progress {
    fn response(&self) -> String {
        let Some([p50, p90, p99]) = self.response_ns else {
            return "no answer".to_owned();
        };
        let [p50, p90, p99] = [p50, p90, p99].map(quantity::duration);
        format!("p50 {p50}  p90 {p90}  p99 {p99}")
    }

    fn own_lag(&self) -> String {
        self.own_lag_max_ns
            .map_or_else(|| "–".to_owned(), quantity::duration)
    }

    fn validity(&self) -> String {
        self.doubt.as_ref().map_or_else(
            || "valid so far".to_owned(),
            |doubt| format!("INVALID: {doubt}"),
        )
    }

    fn clock(&self) -> String {
        let planned = quantity::seconds(self.planned_seconds);
        if self.at_seconds < 0 {
            format!("warm-up, {} s left", self.at_seconds.unsigned_abs())
        } else {
            format!("{} s of {planned}", self.at_seconds)
        }
    }
}

/// The frame: five to eight lines, none wider than the terminal.
pub fn frame(progress: &Progress, style: Style) -> Vec<String> {
    let failed = progress.counts.failed_share().unwrap_or(0.0);
    let mut lines = vec![
        format!("launchday  {}  {}", progress.clock(), bar(progress, style)),
        format!(
            "offered {}  answered {}",
            quantity::rate(progress.offered_per_second),
            quantity::rate(progress.answered_per_second)
        ),
        progress.response(),
        format!(
            "open {}  waiting {}  silent {} s",
            quantity::count(progress.in_flight),
            quantity::count(progress.waiting),
            progress.silent_seconds
        ),
        format!(
            "failed {}  abandoned {}",
            quantity::percent(failed),
            quantity::count(progress.counts.abandoned)
        ),
    ];
    let reasons: Vec<String> = progress
        .reasons
        .iter()
        .take(REASONS_MAX)
        .map(|entry| format!("{} {}", entry.reason.label(), quantity::count(entry.count)))
        .collect();
    if !reasons.is_empty() {
        lines.push(reasons.join("  "));
    }
    if let Some(pool) = progress.pool {
        lines.push(format!(
            "replicas {}/{}  queue {}",
            pool.replicas_ready, pool.replicas_wanted, pool.waiting
        ));
    }
    lines.push(format!(
        "own lag ≤ {}  {}",
        progress.own_lag(),
        progress.validity()
    ));
    let last = lines.len() - 1;
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let line = style.fit(line);
            match &progress.doubt {
                Some(_) if index == last => style.paint(Colour::Bad, &line),
                None if index == last => style.paint(Colour::Good, &line),
                _ => line,
            }
        })
        .collect()
}

/// The same in one line without any escape sequence, for logs.
pub fn line(progress: &Progress) -> String {
    let reasons: Vec<String> = progress
        .reasons
        .iter()
        .take(REASONS_MAX)
        .map(|entry| format!("{}={}", entry.reason.label(), entry.count))
        .collect();
    let replicas = progress.pool.map_or_else(String::new, |pool| {
        format!(
            ", replicas {}/{}, queue {}",
            pool.replicas_ready, pool.replicas_wanted, pool.waiting
        )
    });
    format!(
        "{}: offered {}, answered {}, {}, open {}, waiting {}, silent {} s, failed {}, abandoned {}{}{replicas}; own lag ≤ {}, {}",
        progress.clock(),
        quantity::rate(progress.offered_per_second),
        quantity::rate(progress.answered_per_second),
        progress.response(),
        progress.in_flight,
        progress.waiting,
        progress.silent_seconds,
        quantity::percent(progress.counts.failed_share().unwrap_or(0.0)),
        progress.counts.abandoned,
        if reasons.is_empty() {
            String::new()
        } else {
            format!(", {}", reasons.join(" "))
        },
        progress.own_lag(),
        progress.validity()
    )
}

/// How much of the schedule has been played; empty where there is no room for it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a bar of at most twenty characters"
)]
fn bar(progress: &Progress, style: Style) -> String {
    const LENGTH: usize = 20;
    if style.columns < 64 || progress.planned_seconds <= 0.0 {
        return String::new();
    }
    let part = (progress.at_seconds.max(0) as f64 / progress.planned_seconds).clamp(0.0, 1.0);
    let full = (part * LENGTH as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(LENGTH - full))
}
