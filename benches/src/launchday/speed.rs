//! Requests per CPU second of the generator: at an even rate, as fast as it goes, and over HTTP/2.
//!
//! A rate that is kept costs more than going as fast as the target lets one: there is less to do at each wake-up. So each
//! row names its mode, and only equals are compared.

use super::{
    Bench, ONE_REQUEST,
    tool::{Load, Run, Tool},
};
use crate::{
    Outcome,
    figure::{Figure, Unit},
    statistics::{estimate, median, ratios},
};

/// Requests a second where the rate is kept.
const RATE: u32 = 20_000;
const CONNECTIONS: u32 = 64;

/// One way to load, and who can.
#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    per_second: Option<u32>,
    http2: bool,
    /// With the ratio to be reached, if there is a goal.
    peers: &'static [(Tool, Option<f64>)],
}

const MODES: [Mode; 3] = [
    Mode {
        name: "an even 20,000/s",
        per_second: Some(RATE),
        http2: false,
        // Only oha's latency is corrected for what it sent late, as ours is.
        peers: &[(Tool::Oha, Some(1.0)), (Tool::Hey, None)],
    },
    Mode {
        name: "saturated",
        per_second: None,
        http2: false,
        peers: &[
            (Tool::Wrk, Some(0.5)),
            (Tool::Oha, None),
            (Tool::Hey, None),
            (Tool::Ab, None),
        ],
    },
    Mode {
        name: "saturated, HTTP/2",
        per_second: None,
        http2: true,
        peers: &[(Tool::H2load, None)],
    },
];

pub(super) fn measure(bench: &Bench<'_>) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for mode in MODES {
        figures.extend(compare(bench, mode)?);
    }
    Ok(figures)
}

fn compare(bench: &Bench<'_>, mode: Mode) -> Outcome<Vec<Figure>> {
    let (peers, absent): (Vec<_>, Vec<_>) =
        mode.peers.iter().partition(|(tool, _)| tool.is_installed());
    let sizes = bench.context.sizes.launchday;
    let mut ours = Vec::new();
    let mut theirs: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
    for number in 0..sizes.rounds {
        // Forwards and backwards, so that a machine that grows slower favours nobody.
        let order: Vec<usize> = if number % 2 == 0 {
            (0..=peers.len()).collect()
        } else {
            (0..=peers.len()).rev().collect()
        };
        for at in order {
            match at.checked_sub(1) {
                None => ours.push(own(bench, mode)?.per_cpu_second()),
                Some(peer) => {
                    if let (Some((tool, _)), Some(values)) = (peers.get(peer), theirs.get_mut(peer))
                    {
                        values.push(other(bench, mode, *tool)?.per_cpu_second());
                    }
                }
            }
        }
    }
    let compared = peers.iter().zip(&theirs).map(|((tool, goal), values)| {
        let what = format!(
            "Requests per CPU second, {}, against {}",
            mode.name,
            tool.name()
        );
        let figure =
            Figure::estimate(what, Unit::Times, estimate(&ratios(&ours, values))).beside(format!(
                "{:.0} and {:.0} k",
                median(&ours) / 1e3,
                median(values) / 1e3
            ));
        match goal {
            Some(goal) => figure.at_least(*goal),
            None => figure,
        }
    });
    let left_out = absent.iter().map(|(tool, _)| {
        let what = format!(
            "Requests per CPU second, {}, against {}",
            mode.name,
            tool.name()
        );
        Figure::value(what, Unit::Times, f64::NAN).beside("left out: not installed")
    });
    Ok(compared.chain(left_out).collect())
}

fn own(bench: &Bench<'_>, mode: Mode) -> Outcome<Run> {
    let seconds = bench.context.sizes.launchday.seconds;
    let arrivals = match mode.per_second {
        Some(rate) => format!("{{ rate: {rate}/s, duration: {seconds}s, spacing: even }}"),
        None => format!("{{ citizens: {CONNECTIONS}, duration: {seconds}s }}"),
    };
    let (url, version) = if mode.http2 {
        (bench.target.http2_url(), "2")
    } else {
        (bench.target.url(), "1.1")
    };
    let text = format!(
        "target: {{ url: {}, http_version: \"{version}\" }}\narrivals: {arrivals}\n{ONE_REQUEST}\n",
        url.trim_end_matches('/')
    );
    let played = bench.play("speed", &text)?;
    if played.results.counts.answered < played.results.counts.scheduled {
        return Err(format!("{}: {:?}", mode.name, played.results.counts).into());
    }
    Ok(played.run)
}

fn other(bench: &Bench<'_>, mode: Mode, tool: Tool) -> Outcome<Run> {
    let url = if mode.http2 {
        bench.target.http2_url()
    } else {
        bench.target.url()
    };
    let load = Load {
        url: &url,
        seconds: bench.context.sizes.launchday.seconds,
        connections: CONNECTIONS,
        per_second: mode.per_second,
    };
    Ok(tool.load(&load)?.0)
}
