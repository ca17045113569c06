//! `capacity` and `compare`: many runs that answer one question.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Portion, Reports, What,
    admin::Admin,
    duration, play,
    print::{remark, say},
    rate, saved,
    view::View,
};
use crate::{
    capacity,
    compare::{self, Comparison, Measure, Problem, Side},
    prepare,
    results::{Results, file},
    scenario::{Arrivals, Scenario},
    schedule::Phase,
    verdict::{Criterion, Limit, Metric},
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
    /// What A is called in the answer; its URL or file.
    #[arg(long, value_name = "NAME")]
    name_a: Option<String>,
    /// The same for B.
    #[arg(long, value_name = "NAME")]
    name_b: Option<String>,
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
    /// Shell command that serves A: started before each of its runs, ended after it.
    #[arg(long, value_name = "COMMAND")]
    start_a: Option<String>,
    /// The same for B.
    #[arg(long, value_name = "COMMAND")]
    start_b: Option<String>,
    /// Shell command that restarts an A which runs elsewhere, before each of its runs.
    #[arg(long, value_name = "COMMAND", conflicts_with = "start_a")]
    restart_a: Option<String>,
    /// The same for B.
    #[arg(long, value_name = "COMMAND", conflicts_with = "start_b")]
    restart_b: Option<String>,
    /// Trusts the authorities of this PEM file.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Believes any certificate.
    #[arg(long)]
    insecure: bool,
    /// Processors to pin the generator to; start the targets on others, as with taskset.
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// Writes the comparison as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The measure that decides: p50, p99, service p99, answered or failed; without it the highest of p99, p90 and p50 that
    /// rests on requests enough.
    #[arg(long)]
    measure: Option<Measure>,
    /// The comparison as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The same as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn capacity(asked: &Capacity) -> Result<u8, String> {
    let mut scenario = asked.what.scenario(&Portion::default())?;
    let spacing = capacity::spacing_of_steps(&scenario, asked.step)?;
    let reports = reports(asked.json.as_ref(), asked.html.as_ref());
    reports.try_places()?;
    let admin = Admin::of(&scenario, &asked.what)?;
    play::stop_on_interrupt()?;
    judge_latency(&mut scenario);
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
            spacing,
        };
        let mut view = View::quiet(&step, admin.clone());
        let results = play::play(&step, &asked.what, &mut view)?;
        remark(format_args!(
            "{:<8} {:>9.1}/s  {:<8} {}",
            trial.purpose.label(),
            trial.rate_per_second,
            told(&results),
            first_finding(&results)
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

/// A target that queues without end fails nothing for as long as a step lasts: without a limit for the response, its
/// capacity would be a matter of the time-out.
fn judge_latency(scenario: &mut Scenario) {
    if scenario.thresholds.is_empty() {
        let limit = Criterion {
            text: "p99 < 1s".to_owned(),
            metric: Metric::Response(0.99),
            limit: Limit::Below(1.0),
            ..Criterion::implied()
        };
        scenario.thresholds.push(limit);
    }
    let judged = Criterion::with_implied(&scenario.thresholds);
    let texts: Vec<&str> = judged
        .iter()
        .map(|threshold| threshold.text.as_str())
        .collect();
    remark(format_args!("each step must hold: {}", texts.join(", ")));
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

/// The weightiest reason for what was judged; empty when it passed.
fn first_finding(results: &Results) -> String {
    let verdict = results.verdict.as_ref();
    let first = verdict.and_then(|verdict| verdict.findings.first());
    first.map_or_else(String::new, |finding| {
        format!("{}: {}", finding.what, finding.number)
    })
}

pub(super) fn compare(asked: &Compare) -> Result<u8, String> {
    let reports = reports(asked.json.as_ref(), asked.html.as_ref());
    reports.try_places()?;
    let comparison = match [&asked.a, &asked.b].map(|side| side.contains("://")) {
        [true, true] => asked.by_rounds()?,
        [false, false] => asked.by_saved()?,
        _ => return Err("A and B must both be URLs, or both be saved results".to_owned()),
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
    Ok(play::told(&written, comparison.exit_code()))
}

impl Compare {
    fn portion(&self) -> Portion {
        Portion {
            scale: self.scale,
            ..Portion::default()
        }
    }

    fn plan(&self, measure: Measure) -> compare::Plan {
        compare::Plan {
            a: self.name_a.clone().unwrap_or_else(|| self.a.clone()),
            b: self.name_b.clone().unwrap_or_else(|| self.b.clone()),
            rounds: self.rounds,
            measure,
            seed: self.seed,
            is_restarted: [&self.start_a, &self.restart_a]
                .iter()
                .any(|command| command.is_some())
                && [&self.start_b, &self.restart_b]
                    .iter()
                    .any(|command| command.is_some()),
        }
    }

    /// Plays both sides in turn; by a measure that the scenario can vouch for, which is known before.
    fn by_rounds(&self) -> Result<Result<Comparison, Problem>, String> {
        let scenario = What::of(self, &self.a, self.seed).scenario(&self.portion())?;
        let measure = match compare::deciding(self.measure, &scenario) {
            Ok(measure) => measure,
            Err(problem) => return Ok(Err(problem)),
        };
        if self.measure.is_none() {
            remark(format_args!(
                "{} decides (--measure for another)",
                measure.label()
            ));
        }
        play::stop_on_interrupt()?;
        Ok(compare::compare(
            &self.plan(measure),
            &mut |trial: &compare::Trial| self.play(trial, measure),
        ))
    }

    /// Compares what was measured earlier; without a measure by the first that has answers enough in each stretch.
    fn by_saved(&self) -> Result<Result<Comparison, Problem>, String> {
        let [a, b] = [&self.a, &self.b].map(|path| saved::read(path.as_ref()));
        let (a, b) = (a?, b?);
        let by = |measure| compare::compare_saved(&self.plan(measure), &a, &b);
        if let Some(measure) = self.measure {
            return Ok(by(measure));
        }
        let [first, lower @ ..] = compare::DECISIVE.map(Measure::Response);
        Ok(lower.into_iter().fold(by(first), |found, measure| {
            found.or_else(|problem| match problem {
                Problem::NoFigure { .. } => by(measure),
                other => Err(other),
            })
        }))
    }

    fn play(&self, trial: &compare::Trial, measure: Measure) -> Result<Results, String> {
        let (url, start, restart) = match trial.side {
            Side::A => (&self.a, &self.start_a, &self.restart_a),
            Side::B => (&self.b, &self.start_b, &self.restart_b),
        };
        let what = What::of(self, url, trial.seed);
        let scenario = what.scenario(&self.portion())?;
        if let Some(command) = restart {
            compare::restart(command, trial.side)?;
        }
        let started = start
            .as_ref()
            .map(|command| compare::start(command, trial.side.name(), prepare::address(&scenario)?))
            .transpose()?;
        let mut view = View::quiet(&scenario, Admin::of(&scenario, &what)?);
        let results = play::play(&scenario, &what, &mut view)?;
        drop(started);
        let shown = measure.shown_of(&results);
        remark(format_args!(
            "round {:>3}  {}  {:<11}  {} {}  {}",
            trial.round + 1,
            trial.side.name(),
            told(&results),
            measure.label(),
            shown.as_deref().unwrap_or("–"),
            first_finding(&results)
        ));
        Ok(results)
    }
}

impl What {
    /// The run of one side of one round.
    fn of(compare: &Compare, url: &str, seed: u64) -> Self {
        Self {
            scenario: compare.scenario.clone(),
            target: Some(url.to_owned()),
            cacert: compare.cacert.clone(),
            insecure: compare.insecure,
            register: compare.register.clone(),
            seed: Some(seed),
            cpus: compare.cpus.clone(),
            no_tui: true,
            ..Self::default()
        }
    }
}
