//! `schleuse demo`: the proxy with all municipalities and backends that it starts on this machine, to try or to watch.
//!
//! The installed binary alone is enough: it carries the official register, is its own backends, and makes its own
//! certificates. `--tour` runs what the demo tells people to try and exits with 1 when anything differs, so that the
//! demo cannot promise what the product does not do.

pub mod backend;
pub mod certificates;
pub mod client;
pub mod expectation;
pub mod guide;
pub mod interrupt;
mod launch;
pub mod places;
pub mod process;
pub mod request;
mod scaling;
pub mod script;
pub mod site;
pub mod step;
pub mod terminal;
pub mod tour;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use client::Client;
use interrupt::Interrupt;
use process::Process;
use request::Request;
use site::{Ports, Site};
use terminal::Terminal;
use tour::Tour;

/// For the proxy to become ready, and to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at proxy and signals.
const POLL: Duration = Duration::from_millis(50);

/// What `schleuse demo` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Run what the demo tells people to try, and exit with 1 when anything differs.
    #[arg(long)]
    tour: bool,
    /// Where config, certificates and log go; must be empty. By default a temporary directory.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// First of three ports for HTTP, HTTPS and admin. By default 8080, 8443 and 9900; for the tour free ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65_533))]
    port_base: Option<u16>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

impl DemoError {
    fn new(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// Runs the demo until Ctrl-C, or the tour to its end.
///
/// # Errors
///
/// Before it runs: a port in use, a directory that cannot be used, a process that does not start.
pub fn run(options: &Options) -> Result<ExitCode, DemoError> {
    let terminal = Terminal::stdout();
    let started = Instant::now();
    let interrupt = Interrupt::listen().map_err(|error| DemoError::new("no signals", &error))?;
    let ports = ports(options)?;
    ports.check()?;
    let program = std::env::current_exe();
    let program = program.map_err(|error| DemoError::new("no program", &error))?;
    let site = Site::create(options.directory.as_deref(), ports, &program)?;
    let mut proxy = start_proxy(&site)?;
    terminal.prose(
        0,
        &format!(
            "Schleuse {} serves the 10,751 municipalities of Germany, ready after {} ms.",
            env!("CARGO_PKG_VERSION"),
            started.elapsed().as_millis()
        ),
    );
    let code = if options.tour {
        show(&site, &mut proxy, &interrupt, terminal, started)?
    } else {
        guide::print(&site, &proxy, terminal);
        stay(&mut proxy, &interrupt, terminal)?
    };
    stop(&mut proxy)?;
    Ok(code)
}

fn ports(options: &Options) -> Result<Ports, DemoError> {
    match options.port_base {
        Some(base) => Ports::from(base)
            .ok_or_else(|| DemoError(format!("there are no three ports from {base} on"))),
        None if options.tour => {
            Ports::free().map_err(|error| DemoError::new("no free ports", &error))
        }
        None => Ok(Ports::USUAL),
    }
}

/// Starts the proxy and waits until it is ready.
fn start_proxy(site: &Site) -> Result<Process, DemoError> {
    let mut proxy = Process::proxy(&site.config(), &site.log())
        .map_err(|error| DemoError::new("cannot start the proxy", &error))?;
    let client = Client::new(site).map_err(|error| DemoError::new("no client", &error))?;
    let ready = Request::admin("/readyz");
    let started = Instant::now();
    while !client.send(&ready).is_ok_and(|answer| answer.status == 200) {
        let ended = proxy.ended().ok().flatten();
        if ended.is_some() || started.elapsed() > PATIENCE {
            let log = std::fs::read_to_string(site.log()).unwrap_or_default();
            return Err(DemoError::new(
                "the proxy did not become ready",
                &log.trim_end(),
            ));
        }
        std::thread::sleep(POLL);
    }
    Ok(proxy)
}

fn show(
    site: &Site,
    proxy: &mut Process,
    interrupt: &Interrupt,
    terminal: Terminal,
    started: Instant,
) -> Result<ExitCode, DemoError> {
    let mut tour = Tour::new(site, proxy, terminal)
        .map_err(|error| DemoError::new("cannot begin the tour", &error))?;
    let score = tour.run(interrupt);
    terminal.line("");
    if score.interrupted {
        terminal.line("Interrupted.");
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    let took = format!("{:.1} s", started.elapsed().as_secs_f64());
    if score.differing == 0 {
        let text = format!("{} steps, all as expected, in {took}.", score.steps);
        terminal.good(0, &[text]);
        Ok(ExitCode::SUCCESS)
    } else {
        let text = format!(
            "{} of {} steps differ, in {took}.",
            score.differing, score.steps
        );
        terminal.bad(0, &text);
        Ok(ExitCode::FAILURE)
    }
}

/// Until a signal comes or the proxy was ended by somebody else.
fn stay(
    proxy: &mut Process,
    interrupt: &Interrupt,
    terminal: Terminal,
) -> Result<ExitCode, DemoError> {
    loop {
        if interrupt.came() {
            terminal.line("");
            return Ok(ExitCode::SUCCESS);
        }
        let ended = proxy
            .ended()
            .map_err(|error| DemoError::new("lost the proxy", &error))?;
        if let Some(status) = ended {
            terminal.line(&format!(
                "The proxy ended ({status}), and so does the demo."
            ));
            return Ok(if status.success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        std::thread::sleep(POLL);
    }
}

/// In order: requests in flight end first. What is left after that, `Drop` kills.
fn stop(proxy: &mut Process) -> Result<(), DemoError> {
    let stopped = match proxy.ended() {
        Ok(None) => proxy.terminate().and_then(|()| proxy.wait(PATIENCE)),
        ended => ended,
    };
    match stopped {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(DemoError("the proxy had to be killed".to_owned())),
        Err(error) => Err(DemoError::new("lost the proxy", &error)),
    }
}
