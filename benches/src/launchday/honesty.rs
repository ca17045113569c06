//! What a generator says of a target that stands still: frozen for 2 s, frozen at the end, dead.
//!
//! At an even rate a freeze of F in a run of T must show at quantile q as max(0, F − T(1 − q)): the citizens who came
//! meanwhile waited, whoever was able to send for them. Real signals stop a real nginx; `hey` and wrk see the same.

use std::{thread, time::Duration};

use launchday::results::Outcome as Judgement;

use super::{
    Bench, ONE_REQUEST, Played,
    target::Frozen,
    tool::{Load, Tool, number_between},
};
use crate::{
    Outcome,
    compare::count,
    figure::{Figure, Unit},
};

const RATE: u32 = 1_000;
const CONNECTIONS: u32 = 10;
const FREEZE: Duration = Duration::from_secs(2);
/// When the freeze begins.
const BEFORE: Duration = Duration::from_secs(4);
/// Longer than any run here.
const FOR_EVER: Duration = Duration::from_hours(1);
const QUANTILES: [f64; 4] = [0.95, 0.99, 0.999, 1.0];

pub(super) fn measure(bench: &Bench<'_>) -> Outcome<Vec<Figure>> {
    let seconds = bench.context.sizes.launchday.honesty_seconds;
    let mut figures = vec![frozen(bench, seconds)?];
    for tool in [Tool::Hey, Tool::Wrk] {
        figures.push(beside(bench, tool, seconds)?);
    }
    figures.push(wrong_verdicts(bench, seconds)?);
    Ok(figures)
}

fn play(bench: &Bench<'_>, seconds: u32) -> Outcome<Played> {
    let text = format!(
        "target: {}\narrivals: {{ rate: {RATE}/s, duration: {seconds}s, spacing: even }}\ndrain: 2s\n{ONE_REQUEST}\n",
        bench.target.url().trim_end_matches('/')
    );
    bench.play_with(
        "honesty",
        &text,
        &["--connections", &CONNECTIONS.to_string()],
    )
}

fn joined(freeze: thread::JoinHandle<Outcome<Frozen>>) -> Outcome<Frozen> {
    freeze.join().map_err(|_| "the freezing thread died")?
}

fn frozen(bench: &Bench<'_>, seconds: u32) -> Outcome<Figure> {
    let freeze = bench.target.freeze(BEFORE, FREEZE);
    let played = play(bench, seconds)?;
    let length = joined(freeze)?.length.as_secs_f64();
    let mut worst = 0.0_f64;
    let mut found = Vec::new();
    for quantile in QUANTILES {
        let expected = (length - f64::from(seconds) * (1.0 - quantile)).max(0.0);
        let response = played.results.response.quantile(quantile);
        let response = response.map_or(f64::NAN, |response| count(response) / 1e9);
        worst = worst.max((response - expected).abs() / (expected / 100.0 + 0.01));
        found.push(format!("{response:.3} of {expected:.3}"));
    }
    Ok(Figure::value(
        "Target frozen for 2 s: deviation of p95, p99, p99.9 and maximum from the truth, as a share of 1 % + 10 ms",
        Unit::Index,
        worst,
    )
    .at_most(1.0)
    .beside(format!("{} s", found.join(", "))))
}

/// What another says of the same freeze.
fn beside(bench: &Bench<'_>, tool: Tool, seconds: u32) -> Outcome<Figure> {
    let what = format!("The same freeze in the words of {}: p99", tool.name());
    if !tool.is_installed() {
        return Ok(
            Figure::value(what, Unit::Milliseconds, f64::NAN).beside("left out: not installed")
        );
    }
    let freeze = bench.target.freeze(BEFORE, FREEZE);
    let load = Load {
        url: &bench.target.url(),
        seconds,
        connections: CONNECTIONS,
        per_second: Some(RATE),
    };
    let (_, said) = tool.load(&load)?;
    let length = joined(freeze)?.length.as_secs_f64();
    let truth = 1e3 * (length - f64::from(seconds) * 0.01);
    Ok(Figure::value(what, Unit::Milliseconds, p99(tool, &said))
        .beside(format!("the truth of an even rate is {truth:.0} ms")))
}

/// Milliseconds.
fn p99(tool: Tool, said: &str) -> f64 {
    let found: Option<f64> = match tool {
        Tool::Hey => said.lines().find_map(|line| {
            let rest = line.trim().strip_prefix("99%")?;
            number_between(rest, "in ", " secs").map(|seconds: f64| seconds * 1e3)
        }),
        _ => said.lines().find_map(|line| {
            let rest = line.trim().strip_prefix("99%")?.trim();
            let unit = rest.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
            let number: f64 = rest.strip_suffix(unit)?.parse().ok()?;
            Some(match unit {
                "us" => number / 1e3,
                "s" => number * 1e3,
                _ => number,
            })
        }),
    };
    found.unwrap_or(f64::NAN)
}

/// A target that dies after two thirds of the run, and one that freezes in its last 2 s.
fn wrong_verdicts(bench: &Bench<'_>, seconds: u32) -> Outcome<Figure> {
    let time = Duration::from_secs(u64::from(seconds));
    let mut wrong = 0;
    let mut said = Vec::new();
    for (name, silent) in [
        ("dead after two thirds", time / 3),
        ("frozen in the last 2 s", FREEZE),
    ] {
        let target = super::Target::start(&bench.context.programs.backend, bench.context.path())?;
        let played = {
            // Not joined: it ends with the process, and the target is killed before.
            let _freeze = target.freeze(time.saturating_sub(silent), FOR_EVER);
            let text = format!(
                "target: {}\narrivals: {{ rate: {RATE}/s, duration: {seconds}s, spacing: even }}\ndrain: 2s\n{ONE_REQUEST}\n",
                target.url().trim_end_matches('/')
            );
            bench.play_with("dead", &text, &["--connections", &CONNECTIONS.to_string()])?
        };
        let outcome = played
            .results
            .verdict
            .as_ref()
            .map(|verdict| verdict.outcome);
        let expected = f64::from(RATE) * silent.as_secs_f64();
        let unanswered = count(played.results.counts.unanswered);
        // The freezing thread may be some milliseconds late.
        let is_right = outcome == Some(Judgement::Failed)
            && played.exit_code == 1
            && (unanswered - expected).abs() <= f64::from(RATE) / 10.0;
        wrong += u32::from(!is_right);
        said.push(format!(
            "{name}: {unanswered} unanswered, exit {}",
            played.exit_code
        ));
    }
    Ok(Figure::value(
        "Wrong verdicts of a target that does not come back",
        Unit::Count,
        f64::from(wrong),
    )
    .at_most(0.0)
    .beside(said.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_found_in_what_hey_and_wrk_print() {
        let hey = p99(
            Tool::Hey,
            "Latency distribution:\n  95% in 0.0011 secs\n  99% in 0.0041 secs\n",
        );
        assert!((hey - 4.1).abs() < 1e-9);
        for (said, milliseconds) in [
            ("     90%  1.00ms\n     99%    4.50ms\n", 4.5),
            ("     99%  450.00us\n", 0.45),
            ("     99%    1.02s\n", 1_020.0),
        ] {
            assert!((p99(Tool::Wrk, said) - milliseconds).abs() < 1e-9, "{said}");
        }
        assert!(p99(Tool::Wrk, "nothing").is_nan());
    }
}
