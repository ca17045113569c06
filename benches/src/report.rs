//! The table, for the terminal and as `BASELINE.md`. A figure that misses its goal says so in capitals.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{
    Outcome,
    figure::{Figure, Goal},
};

const METHOD: &str = "\
Written by `make bench`; compare ratios, never times of two machines or two runs. One worker per proxy on core 0, alone
there while it is measured; load (wrk, 64 connections, tenants drawn by population) and backend (nginx, 125-byte body) on
core 1. Rounds alternate between all peers, forwards and backwards; each round gives one ratio; the median is judged and
its 95 % bootstrap interval stands beside it. CPU is user and system time of the whole process in the scheduler's
nanoseconds, its threads for logging included. Schleuse has the whole register, four services with a pool each, tenant
cookie and access log on; the log of Schleuse and of the HAProxy that does the same job goes to a file in memory. Memory is
private anonymous memory.

Fairness, overload, held requests and limits have a setting of their own: one pool of 40 seats that all tenants share, a
backend whose service time is a timer (50 ms: 800 requests a second at most), and load that asks at a fixed rate whatever
the answers do, each connection from a network of its own. Latency counts from when a request was due; a wait is latency
less service time. Where HAProxy is named beside, it queues in front of the same 40 seats (`maxconn`, `abortonclose`).

Noise: close other work, fix the frequency (`cpupower frequency-set -g performance`), prefer a machine without neighbours.
On a shared virtual machine single rounds differ by 15 %; the interval shows what is left of that in the median.
\"disturbed\" is the time a proxy waited for its core as a share of the time it ran. Rounds above 20 % are repeated, half as
many at most; when the median is above that still, somebody else was there and the run says little.
";

/// The table in Markdown.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text =
        "| what | measured | 95 % interval | goal | | beside |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for figure in figures {
        let interval = figure.interval.map_or_else(String::new, |(low, high)| {
            format!("{} – {}", figure.unit.text(low), figure.unit.text(high))
        });
        let goal = match figure.goal {
            Some(Goal::AtMost(goal)) => format!("≤ {}", figure.unit.text(goal)),
            Some(Goal::AtLeast(goal)) => format!("≥ {}", figure.unit.text(goal)),
            None => String::new(),
        };
        let verdict = match figure.met() {
            Some(true) => "met",
            Some(false) => "**MISSED**",
            None => "",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {interval} | {goal} | {verdict} | {} |",
            figure.what,
            figure.unit.text(figure.value),
            figure.beside
        );
    }
    text
}

/// The whole page.
pub(crate) fn page(facts: &[String], figures: &[Figure]) -> String {
    let facts = facts.join("\n- ");
    format!("# Baseline\n\n{METHOD}\n- {facts}\n\n{}", table(figures))
}

/// Writes the page beside this crate's sources; says where.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn write(page: &str) -> Outcome<PathBuf> {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/BASELINE.md"));
    fs::write(&file, page)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;

    #[test]
    fn a_missed_goal_is_marked_and_a_figure_without_goal_is_not() {
        let missed = table(&[Figure::value("x", Unit::Times, 1.2).at_most(1.0)]);
        assert!(missed.contains("| x | 1.20× |  | ≤ 1.00× | **MISSED** |  |"));
        let free = table(&[Figure::value("x", Unit::Times, 1.2)]);
        assert!(free.contains("| x | 1.20× |  |  |  |  |"));
    }
}
