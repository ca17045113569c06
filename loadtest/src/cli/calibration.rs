//! `calibrate`: the same launch for real and in virtual time, and how far they are apart.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use schleuse_config::Snapshot;

use super::{Portion, Reports, What, admin::Admin, play, print::say, simulation::time, view::View};
use crate::{
    calibrate::{self, Replicas, stage, store},
    distribution::Distribution,
    prepare,
    report::quantity,
    results::{Calibration, Outcome, Results},
    scenario::Scenario,
    simulate::{self, Model, Networks},
    verdict::{self, abort},
};

/// Replicas that take longer have failed to start.
const START_MAX: Duration = Duration::from_mins(1);
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Calibrate {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    portion: Portion,
    /// The config that Schleuse is started with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Schleuse's program.
    #[arg(long, value_name = "PROGRAM", default_value = "schleuse")]
    schleuse: String,
    /// How long a backend works on a request; what `--service` of the config's own commands says, else as in simulate.
    #[arg(long, value_name = "TIME", value_parser = checked)]
    service_time: Option<String>,
    /// How long a replica takes to serve; the pool's `cold_start`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    cold_start: Option<Distribution>,
    /// Where the comparison is kept; in the user's directory for state.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    // Of the run for real.
    #[command(flatten)]
    reports: Reports,
}

fn checked(text: &str) -> Result<String, String> {
    time(text).map(|_| text.to_owned())
}

/// The file that was named, or the user's.
pub(super) fn place(named: Option<&PathBuf>) -> Result<PathBuf, String> {
    named.cloned().or_else(store::place).ok_or_else(|| {
        "there is no home to keep the calibration in; name a file with --calibration".to_owned()
    })
}

pub(super) fn calibrate(asked: &Calibrate) -> Result<u8, String> {
    let loaded = schleuse_config::load(&asked.config).map_err(|problems| problems.to_string())?;
    let config = loaded.snapshot;
    let path = place(asked.calibration.as_ref())?;
    let mut scenario = asked.what.scenario(&asked.portion)?;
    stage::name_citizens(&mut scenario);
    let at = stage::listener(&config)?;
    scenario.target.connect_to = Some((at.ip().to_string(), at.port()));
    let service = asked.service(&config, scenario.seed)?;
    asked.reports.try_places()?;
    let simulated = asked.simulate(&scenario, &config, &service)?;
    play::stop_on_interrupt()?;
    let measured = asked.measure(&scenario, &config, &service)?;
    let written = asked.reports.outputs().write(&measured);
    if let Some(code) = unusable(&measured) {
        say("not compared: the run for real was disturbed or interrupted");
        return Ok(play::told(&written, code));
    }
    let calibration = calibrate::compare(&simulated, &measured);
    store::write(&path, &calibration)?;
    let code = tell(&calibration, (&simulated, &measured), &path);
    Ok(play::told(&written, code))
}

impl Calibrate {
    fn service(&self, config: &Snapshot, seed: u64) -> Result<String, String> {
        let drawn = stage::option_of_replicas(config, "--seed")?;
        let drawn = drawn.unwrap_or_else(|| "1".to_owned());
        if stage::starts_replicas(config) && drawn != seed.to_string() {
            return Err(format!(
                "the scenario's seed is {seed}, and the config starts replicas with --seed {drawn}: they would draw other times"
            ));
        }
        let started = stage::option_of_replicas(config, "--service")?;
        match (&self.service_time, started) {
            (Some(said), Some(started)) if *said != started => Err(format!(
                "--service-time is {said}, and the config starts replicas with --service {started}"
            )),
            (Some(one), _) => Ok(one.clone()),
            (None, Some(one)) => Ok(one),
            (None, None) => Ok("lognormal 80ms 0.5".to_owned()),
        }
    }

    /// All citizens of a generator come from one network, so those of the simulation do.
    fn simulate(
        &self,
        scenario: &Scenario,
        config: &Snapshot,
        service: &str,
    ) -> Result<Results, String> {
        let workload = prepare::prepare(scenario)?;
        let model = Model {
            service_time: time(service)?,
            cold_start: self.cold_start,
            networks: Networks::ONE,
            begins: None,
        };
        let identity = play::identity(scenario, &self.config.display().to_string());
        let watch = abort::Watch::of(scenario);
        let mut results = simulate::simulate(&workload, config, &model, watch, identity)?;
        verdict::judge(&mut results, &scenario.thresholds);
        Ok(results)
    }

    fn measure(
        &self,
        scenario: &Scenario,
        config: &Snapshot,
        service: &str,
    ) -> Result<Results, String> {
        let stage = stage::start(&stage::Plan {
            schleuse: &self.schleuse,
            file: &self.config,
            config,
            service,
            seed: scenario.seed,
        })?;
        let admin = admin_of(config);
        await_replicas(admin.as_ref(), least(config))?;
        let mut view = View::new(scenario, admin, self.what.no_tui);
        let measured = play::play(scenario, &self.what, &mut view);
        view.end();
        drop(stage);
        measured
    }
}

fn admin_of(config: &Snapshot) -> Option<Admin> {
    let admin = config.admin.as_ref()?;
    let token = admin.token.as_ref();
    let token = token.map(|token| String::from_utf8_lossy(&token.0));
    let address = stage::reachable(admin.address);
    Some(Admin::new(address, token.as_deref()))
}

/// Replicas that are there from the beginning; endpoints of the config count as such.
fn least(config: &Snapshot) -> u64 {
    let replicas = config.pools.iter().map(|pool| match &pool.scale {
        Some(scale) => u64::from(scale.policy.min),
        None => pool.endpoints.len() as u64,
    });
    replicas.sum()
}

/// A simulation begins with the least number of replicas, so the run for real waits for them.
fn await_replicas(admin: Option<&Admin>, least: u64) -> Result<(), String> {
    let Some(admin) = admin else {
        return Ok(());
    };
    let deadline = Instant::now() + START_MAX;
    while admin.ask().is_none_or(|pools| pools.replicas_ready < least) {
        if Instant::now() > deadline {
            return Err(format!(
                "the {least} replicas that the config begins with did not come up within {} s",
                START_MAX.as_secs()
            ));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// The exit code of a run that says nothing about its target.
fn unusable(measured: &Results) -> Option<u8> {
    let verdict = measured.verdict.as_ref()?;
    matches!(verdict.outcome, Outcome::Invalid | Outcome::Interrupted).then_some(verdict.exit_code)
}

fn tell(
    calibration: &Calibration,
    (simulated, measured): (&Results, &Results),
    path: &std::path::Path,
) -> u8 {
    let quantile = |results: &Results, quantile| {
        let found = results.response.quantile(quantile);
        found.map_or_else(|| "–".to_owned(), quantity::duration)
    };
    say(format_args!(
        "{} requests simulated, {} made; median {} and {}, p99 {} and {}",
        quantity::count(simulated.counts.scheduled),
        quantity::count(measured.counts.scheduled),
        quantile(simulated, 0.5),
        quantile(measured, 0.5),
        quantile(simulated, 0.99),
        quantile(measured, 0.99),
    ));
    let replicas = calibrate::replicas(simulated, measured);
    let findings = calibrate::judge(calibration, replicas);
    for finding in &findings {
        say(format_args!(
            "{:<10} {:>16}  {} {}",
            finding.what,
            finding.found,
            if finding.holds {
                "within"
            } else {
                "NOT within"
            },
            finding.allowed
        ));
    }
    if replicas == Replicas::Unknown {
        say("replicas were not compared: the config has no admin listener that answers");
    }
    say(format_args!("kept in {}", path.display()));
    u8::from(!findings.iter().all(|finding| finding.holds))
}
