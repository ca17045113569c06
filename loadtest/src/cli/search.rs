//! `capacity` and `compare`: many runs that answer one question.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Reports, What, duration, play,
    print::{remark, say},
    rate,
    view::View,
};
use crate::{
    capacity,
    compare::{self, Measure, Side},
    results::{Results, file},
    scenario::Arrivals,
    schedule::{Phase, Spacing},
};

#[derive(Debug, Args)]
pub(super) struct Capacity {
    #[command(flatten)]
    what: What,
    /// First rate to try.
    #[arg(long, default_value = "50/s", value_parser = rate)]
    start: f64,
    /// Highest rate to try.
    #[arg(long, default_value = "100000/s", value_parser = rate)]
    max: f64,
    /// Length of a step.
    #[arg(long, default_value = "10s", value_parser = duration)]
    step: Duration,
    /// The answer and every step as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The same as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// URL of the one, or a result that `--json` wrote.
    a: String,
    /// URL of the other, or a result.
    b: String,
    /// What is played against both: a scenario's file or the name of a built-in one.
    #[arg(long, default_value = "smoke")]
    scenario: String,
    /// Pairs of runs, at least ten.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Seed of the first round.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many times the scenario's arrivals.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Draws tenants from this register by population.
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// Shell command that restarts A, before each of its runs.
    #[arg(long, value_name = "COMMAND")]
    restart_a: Option<String>,
    /// The same for B.
    #[arg(long, value_name = "COMMAND")]
    restart_b: Option<String>,
    /// Processors to pin the generator to.
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// Writes the comparison as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The measure that decides: p50, p99, service p99, answered or failed.
    #[arg(long, default_value = "p99")]
    measure: Measure,
    /// The comparison as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The same as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn capacity(asked: &Capacity) -> Result<u8, String> {
    let scenario = asked.what.scenario()?;
    let reports = reports(asked.json.as_ref(), asked.html.as_ref());
    reports.try_places()?;
    play::stop_on_interrupt()?;
    let plan = capacity::Plan {
        start_per_second: asked.start,
        max_per_second: asked.max,
        seed: scenario.seed,
    };
    let mut run = |trial: &capacity::Trial| {
        let mut step = scenario.clone();
        step.seed = trial.seed;
        step.arrivals = Arrivals::Open {
            phases: vec![Phase::constant(trial.rate_per_second, asked.step)],
            spacing: Spacing::Poisson,
        };
        let results = play::play(&step, &asked.what, &mut View::quiet(&step))?;
        remark(format_args!(
            "{:>9.0}/s  {}",
            trial.rate_per_second,
            told(&results)
        ));
        Ok(results)
    };
    let found = capacity::search(&plan, &mut run)?;
    for line in capacity::lines(&found) {
        say(line);
    }
    let written = reports.outputs().write_capacity(&found);
    Ok(play::told(&written, found.answer.exit_code()))
}

fn reports(json: Option<&PathBuf>, html: Option<&PathBuf>) -> Reports {
    Reports {
        json: json.cloned(),
        html: html.cloned(),
        ..Reports::default()
    }
}

fn told(results: &Results) -> &'static str {
    results
        .verdict
        .as_ref()
        .map_or("not judged", |verdict| verdict.outcome.label())
}

pub(super) fn compare(asked: &Compare) -> Result<u8, String> {
    let plan = compare::Plan {
        a: asked.a.clone(),
        b: asked.b.clone(),
        rounds: asked.rounds,
        measure: asked.measure,
        seed: asked.seed,
    };
    let reports = reports(asked.json.as_ref(), asked.html.as_ref());
    reports.try_places()?;
    let comparison = if asked.a.contains("://") {
        play::stop_on_interrupt()?;
        compare::compare(&plan, &mut |trial: &compare::Trial| asked.play(trial))
    } else {
        let [a, b] = [&asked.a, &asked.b].map(|path| file::read(path.as_ref()));
        let a = a.map_err(|problem| problem.to_string())?;
        let b = b.map_err(|problem| problem.to_string())?;
        compare::compare_saved(&plan, &a, &b)
    };
    let comparison = match comparison {
        Ok(comparison) => comparison,
        Err(problem) => {
            remark(format_args!("launchday: {problem}"));
            return Ok(problem.exit_code());
        }
    };
    for line in compare::lines(&comparison) {
        say(line);
    }
    if let Some(path) = &asked.markdown {
        let text = compare::markdown(&comparison);
        file::write(path, text.as_bytes()).map_err(|problem| problem.to_string())?;
    }
    let written = reports.outputs().write_comparison(&comparison);
    Ok(play::told(&written, 0))
}

impl Compare {
    fn play(&self, trial: &compare::Trial) -> Result<Results, String> {
        let (url, restart) = match trial.side {
            Side::A => (&self.a, &self.restart_a),
            Side::B => (&self.b, &self.restart_b),
        };
        if let Some(command) = restart {
            compare::restart(command, trial.side)?;
        }
        let what = What::of(self, url, trial.seed);
        let scenario = what.scenario()?;
        play::play(&scenario, &what, &mut View::quiet(&scenario))
    }
}

impl What {
    /// The run of one side of one round.
    fn of(compare: &Compare, url: &str, seed: u64) -> Self {
        Self {
            scenario: compare.scenario.clone(),
            target: Some(url.to_owned()),
            connect_to: None,
            cacert: None,
            insecure: false,
            register: compare.register.clone(),
            seed: Some(seed),
            scale: compare.scale,
            rate: 0.0,
            duration: Duration::ZERO,
            workers: None,
            cpus: compare.cpus.clone(),
            connections: 0,
            sources: 0,
            no_tui: true,
        }
    }
}
