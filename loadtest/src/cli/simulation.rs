//! `simulate`: one run in virtual time, or a table of several that differ in one value of the config.

use std::path::PathBuf;

use clap::Args;
use schleuse_config::yaml::parse_moment;
use schleuse_core::scale::plan::WallTime;

use super::{
    Portion, Reports, What, calibration, play,
    print::{remark, say},
};
use crate::{
    calibrate::store,
    distribution::Distribution,
    prepare,
    report::{outputs::Outputs, quantity, terminal},
    results::{Calibration, Results},
    scenario::{self, Scenario},
    simulate::{self, Change, Model, Networks},
    verdict::{self, abort},
};

#[derive(Debug, Args)]
pub(super) struct Simulate {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    portion: Portion,
    /// The config whose launch it is.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long a backend works on a request, as 100ms or `lognormal 80ms 0.5`.
    #[arg(long, value_name = "TIME", default_value = "lognormal 80ms 0.5", value_parser = time)]
    service_time: Distribution,
    /// How long a replica takes to serve; the pool's `cold_start`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    cold_start: Option<Distribution>,
    /// From where citizens come: `30% of 2000`, a share of them by so many shared addresses; each has one of their own without it.
    #[arg(long, value_name = "SHARE of NUMBER")]
    networks: Option<Networks>,
    /// When the schedule begins (RFC 3339), for a config with launches; with the earliest of them without it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    begins: Option<WallTime>,
    /// What if: PATH=VALUE, as pools.wohngeld.max=200.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    changes: Vec<Change>,
    /// A run for each of these: PATH=VALUE,VALUE,...; prints a table.
    #[arg(long, value_name = "PATH=VALUES")]
    sweep: Option<Change>,
    /// The comparison with reality that `calibrate` kept; the user's.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

pub(super) fn time(text: &str) -> Result<Distribution, String> {
    scenario::distribution(text).map_err(super::words)
}

fn moment(text: &str) -> Result<WallTime, String> {
    parse_moment(text).map_err(super::words)
}

pub(super) fn simulate(asked: &Simulate) -> Result<u8, String> {
    let mut scenario = asked.what.scenario(&asked.portion)?;
    // Nothing is connected to, so the name needs no address.
    scenario.target.connect_to = Some(("127.0.0.1".to_owned(), 9));
    let Some(sweep) = &asked.sweep else {
        asked.reports.try_places()?;
        let results = run(asked, &scenario, &asked.changes)?;
        for line in terminal::summary(&results, terminal::Style::of_output()) {
            say(line);
        }
        say(note(&results));
        return Ok(play::finish(&results, &asked.reports));
    };
    if asked.reports.outputs() != Outputs::default() {
        return Err("--sweep prints a table and writes no reports; leave them out, or --set one of its values".to_owned());
    }
    say(format_args!(
        "{:>16}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}  {:>8}  verdict",
        sweep.path, "answered", "failed", "left", "p50", "p99", "replicas"
    ));
    let mut code = 0;
    for value in sweep.value.split(',') {
        let mut changes = asked.changes.clone();
        changes.push(Change {
            path: sweep.path.clone(),
            value: value.to_owned(),
        });
        let results = run(asked, &scenario, &changes)?;
        code = code.max(play::exit_code(&results));
        say(row(value, &results));
    }
    Ok(code)
}

fn run(asked: &Simulate, scenario: &Scenario, changes: &[Change]) -> Result<Results, String> {
    let loaded = schleuse_config::load(&asked.config).map_err(|problems| problems.to_string())?;
    let mut config = loaded.snapshot;
    for change in changes {
        simulate::apply(&mut config, change)?;
    }
    let workload = prepare::prepare(scenario)?;
    let model = Model {
        service_time: asked.service_time,
        cold_start: asked.cold_start,
        networks: asked.networks.unwrap_or_default(),
        begins: asked.begins,
    };
    let identity = play::identity(scenario, &asked.config.display().to_string());
    let watch = abort::Watch::of(scenario);
    let mut results = simulate::simulate(&workload, &config, &model, watch, identity)?;
    if let Some(simulation) = &mut results.simulation {
        simulation.calibration = calibrated(asked.calibration.as_ref());
    }
    verdict::judge(&mut results, &scenario.thresholds);
    Ok(results)
}

fn row(value: &str, results: &Results) -> String {
    let share = |part| {
        results
            .counts
            .share(part)
            .map_or_else(|| "-".to_owned(), quantity::percent)
    };
    let sample = results.sample();
    let quantile = |quantile| {
        let found = sample.shown(quantile);
        found.map_or_else(
            || "-".to_owned(),
            |found| quantity::bounded(found.value_ns, found.is_bound),
        )
    };
    let verdict = results.verdict.as_ref();
    let verdict = verdict.map_or("not judged", |verdict| verdict.outcome.label());
    let replicas = results.seconds.iter().filter_map(|second| second.pool);
    let most = replicas
        .map(|pool| pool.replicas_ready)
        .max()
        .unwrap_or_default();
    let counts = &results.counts;
    format!(
        "{value:>16}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}  {most:>8}  {verdict}",
        share(counts.answered),
        share(counts.failed.saturating_add(counts.unanswered)),
        share(counts.abandoned),
        quantile(0.5),
        quantile(0.99),
    )
}

/// The last comparison with reality. One that cannot be read is told and is none.
fn calibrated(named: Option<&PathBuf>) -> Option<Calibration> {
    let kept = calibration::place(named).and_then(|path| store::read(&path));
    kept.unwrap_or_else(|problem| {
        remark(format_args!(
            "launchday: the calibration is not known: {problem}"
        ));
        None
    })
}

fn note(results: &Results) -> String {
    let simulation = results.simulation.as_ref();
    simulation.map_or_else(String::new, |simulation| {
        format!(
            "{} citizens in {:.1} s, with at most {} MiB",
            quantity::count(simulation.citizens),
            simulation.wall_seconds,
            simulation.memory_max_bytes >> 20
        )
    })
}
