//! The command line: what may be asked, and what the process ends with.
//!
//! Exit codes: 0 the thresholds held, 1 they did not, 2 wrong usage (a scenario with problems among it), 3 the result is
//! invalid, 130 interrupted.

mod admin;
mod calibration;
mod check;
mod play;
mod print;
mod saved;
mod search;
mod simulation;
mod view;

use std::{net::SocketAddr, ops::Range, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use schleuse_config::yaml::{Fault, parse_duration, parse_request_rate};

use crate::{
    origin, prepare,
    report::outputs::Outputs,
    scenario::{self, Arrivals, Scenario},
    verdict::Criterion,
};

/// Wrong usage.
const USAGE: u8 = 2;

/// Tells before the hour whether a launch will hold.
#[derive(Debug, Parser)]
#[command(name = "launchday", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a scenario against a target and says whether its thresholds held.
    Run(Run),
    /// Says everything that is wrong with scenarios.
    Check {
        /// Files, or names of built-in scenarios.
        #[arg(required = true)]
        scenarios: Vec<String>,
    },
    /// Serves as a backend for tests whose behaviour is known.
    Origin(origin::command::Options),
    /// Plays a scenario against a config in virtual time: how many will wait, and how many replicas there will be.
    Simulate(simulation::Simulate),
    /// Plays a scenario for real and in virtual time, and keeps how far the simulator is off.
    Calibrate(calibration::Calibrate),
    /// Searches the rate that a target just bears.
    Capacity(search::Capacity),
    /// Compares two targets over many rounds, or two saved results.
    Compare(search::Compare),
    /// Judges a saved result again, and writes its reports anew.
    Report {
        /// A file that `--json` wrote.
        result: PathBuf,
        #[command(flatten)]
        reports: Reports,
    },
    /// Prints the JSON Schema of scenarios, or of results.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
    /// Prints a built-in scenario.
    Show {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SchemaOf {
    Scenario,
    Result,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    portion: Portion,
    #[command(flatten)]
    reports: Reports,
}

/// What is played, and how.
#[derive(Debug, Clone, Default, Args)]
struct What {
    /// A scenario's file, the name of a built-in one, or a URL.
    scenario: String,
    /// Asks this URL in place of the scenario's target.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Connects to this address in place of the URL's host.
    #[arg(long, value_name = "HOST:PORT")]
    connect_to: Option<String>,
    /// Trusts the authorities of this PEM file.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Believes any certificate.
    #[arg(long)]
    insecure: bool,
    /// Draws tenants from this register by population, in place of the scenario's; `official` is the one at hand.
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// Must hold as well, as "p99 < 500ms"; as often as wanted.
    #[arg(long = "threshold", value_name = "TEXT", value_parser = threshold)]
    thresholds: Vec<Criterion>,
    /// Seed of schedule and draws.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; one per processor of `--cpus`, else one.
    #[arg(long)]
    workers: Option<u32>,
    /// Processors to pin the generator to, as 1 or 0,2; run the target elsewhere.
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// Most connections; what the limit of open files allows.
    #[arg(short = 'c', long, default_value_t = 0)]
    connections: usize,
    /// Loopback addresses to connect from; more than one when one has too few ports.
    #[arg(long, default_value_t = 0)]
    sources: u16,
    /// A Schleuse's admin address, for replicas and waiting requests beside the load.
    #[arg(long, value_name = "URL", value_parser = admin)]
    admin: Option<SocketAddr>,
    /// File with the bearer token of that admin API; else the environment's `LAUNCHDAY_ADMIN_TOKEN`.
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Plain lines in place of the live view.
    #[arg(long)]
    no_tui: bool,
}

/// How much of its schedule is played; nothing that a search could use, which sets rate and length itself.
#[derive(Debug, Clone, Args)]
struct Portion {
    /// So many times the scenario's arrivals.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Plays only this part of the schedule, as 4m..6m, counted from the end of the warm-up.
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    window: Option<Range<Duration>>,
    /// Of a URL: arrivals per second, as 100/s.
    #[arg(short = 'q', long, value_name = "RATE", default_value = "50/s", value_parser = rate)]
    rate: f64,
    /// Of a URL: how long, as 10s.
    #[arg(short = 'z', long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
}

impl Default for Portion {
    /// All of it.
    fn default() -> Self {
        Self {
            scale: 1.0,
            window: None,
            rate: 50.0,
            duration: Duration::from_secs(10),
        }
    }
}

/// Where results go.
#[derive(Debug, Clone, Default, Args)]
struct Reports {
    /// The result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The report as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The thresholds as `JUnit`, for pipelines.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Latency per second as an `HdrHistogram` log.
    #[arg(long, value_name = "FILE")]
    hdr_log: Option<PathBuf>,
}

impl Reports {
    fn outputs(&self) -> Outputs {
        Outputs {
            json: self.json.clone(),
            html: self.html.clone(),
            junit: self.junit.clone(),
            hdr_log: self.hdr_log.clone(),
        }
    }

    /// Every place that cannot be written, before an hour of load is spent on it.
    fn try_places(&self) -> Result<(), String> {
        self.outputs().try_places().map_err(|problems| {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            words.join("\n")
        })
    }
}

fn words(Fault { wrong, remedy }: Fault) -> String {
    format!("{wrong}; {remedy}")
}

fn rate(text: &str) -> Result<f64, String> {
    parse_request_rate(text).map_err(words)
}

fn threshold(text: &str) -> Result<Criterion, String> {
    scenario::threshold(text).map_err(words)
}

fn admin(text: &str) -> Result<SocketAddr, String> {
    scenario::admin(text).map_err(words)
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(words)
}

fn window(text: &str) -> Result<Range<Duration>, String> {
    let (from, to) = text.split_once("..").ok_or("write FROM..TO, as 4m..6m")?;
    let window = duration(from)?..duration(to)?;
    if window.is_empty() {
        return Err("it ends before it begins".to_owned());
    }
    Ok(window)
}

impl What {
    /// The scenario with everything that the command line says otherwise.
    fn scenario(&self, portion: &Portion) -> Result<Scenario, String> {
        let mut scenario = if self.scenario.contains("://") {
            prepare::of_url(&self.scenario, portion.rate, portion.duration)?
        } else {
            scenario::load(&self.scenario).map_err(|error| match error {
                scenario::LoadError::File(error) => {
                    let names = scenario::BUILTIN.iter().map(|builtin| builtin.name);
                    let names = names.collect::<Vec<_>>().join(", ");
                    format!("{}: {error}; built in are {names}", self.scenario)
                }
                scenario::LoadError::Problems(problems) => problems.to_string(),
            })?
        };
        if let Some(url) = &self.target {
            let asked = scenario::target(url).map_err(words)?;
            scenario.target = scenario::Target {
                tls: asked.tls,
                host: asked.host,
                port: asked.port,
                // The scenario's own address is that of its own target.
                connect_to: None,
                ..scenario.target
            };
        }
        if let Some(address) = &self.connect_to {
            scenario.target.connect_to = Some(scenario::host_and_port(address).map_err(words)?);
        }
        if let Some(file) = &self.cacert {
            scenario.target.ca_file = Some(file.clone());
        }
        scenario.target.insecure |= self.insecure;
        scenario.admin = self.admin.or(scenario.admin);
        if let Some(file) = &self.register {
            scenario.tenants = scenario::of_register(file)?;
        }
        scenario.thresholds.extend(self.thresholds.iter().cloned());
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        portion.of(scenario)
    }

    fn workers(&self) -> u32 {
        let pinned = u32::try_from(self.cpus.len()).unwrap_or(u32::MAX);
        self.workers.unwrap_or(pinned).max(1)
    }
}

impl Portion {
    /// The part of the schedule that was asked for, scaled.
    fn of(&self, mut scenario: Scenario) -> Result<Scenario, String> {
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err("--scale must be above 0".to_owned());
        }
        if let Some(window) = &self.window {
            scenario = scenario.within(window);
            if matches!(&scenario.arrivals, Arrivals::Open { phases, .. } if phases.is_empty()) {
                return Err("--window: the schedule is over by then".to_owned());
            }
        }
        Ok(if (self.scale - 1.0).abs() < f64::EPSILON {
            scenario
        } else {
            scenario.scaled(self.scale)
        })
    }
}

#[cfg(test)]
pub(crate) fn identity_of(scenario: &Scenario, target: &str) -> crate::results::ScenarioIdentity {
    play::identity(scenario, target)
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => play::run(&run),
        Command::Check { scenarios } => check::check(&scenarios),
        Command::Origin(options) => origin::command::run(&options),
        Command::Simulate(simulate) => simulation::simulate(&simulate),
        Command::Calibrate(calibrate) => calibration::calibrate(&calibrate),
        Command::Capacity(capacity) => search::capacity(&capacity),
        Command::Compare(compare) => search::compare(&compare),
        Command::Report { result, reports } => play::report(&result, &reports),
        Command::Schema { of } => check::schema(of),
        Command::Show { name } => Ok(check::show(&name)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            print::remark(format_args!("launchday: {problem}"));
            ExitCode::from(USAGE)
        }
    }
}
