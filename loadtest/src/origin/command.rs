//! `launchday origin` on the command line.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use clap::Args;
use schleuse_config::yaml::{Fault, parse_duration, parse_size};

use super::{
    Settings,
    listen::{Ended, start},
};
use crate::distribution::Distribution;

/// What the process ends with after a crash that was ordered: an internal error of software, as sysexits.h has it.
pub const CRASHED: u8 = 70;

/// What an origin is like, on the command line.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where it is asked.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Where it is commanded: GET /counts, POST /reset, /hang?for=2s, /resume, /crash?restart=3s, /service?draw=20ms.
    #[arg(long, value_name = "ADDRESS")]
    control: Option<SocketAddr>,
    /// How long a request takes: 20ms, `uniform 1ms..5ms`, `exponential 20ms`, `lognormal 20ms 0.8`, `bimodal 5ms 400ms 1%`.
    #[arg(long, value_name = "DISTRIBUTION", default_value = "0ms", value_parser = distribution)]
    service: Distribution,
    /// Seed of these draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests worked on at once; 0: without limit.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    concurrency: usize,
    /// Requests that may wait; more are answered 503.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    waiting_max: usize,
    /// How much slower each request gets when as many wait as are worked on: 1 means twice the time.
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0, value_parser = factor)]
    collapse: f64,
    /// How long connections are refused after a start.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    cold_start: Duration,
    /// Size of an answer that asks for none by `?size=10KiB`.
    #[arg(long, value_name = "SIZE", default_value = "128B", value_parser = size)]
    size: u64,
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            listen: self.listen,
            control: self.control,
            service: self.service,
            seed: self.seed,
            concurrency: self.concurrency,
            waiting_max: self.waiting_max,
            collapse: self.collapse,
            cold_start: self.cold_start,
            size: self.size,
        }
    }
}

/// Runs until it is killed or crashes on command; gives the exit code.
///
/// # Errors
///
/// An address that cannot be had, in words.
pub fn run(options: &Options) -> Result<u8, String> {
    let running = start(&options.settings())
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let mut out = io::stdout();
    let control = running
        .control
        .map(|address| format!(", commanded on http://{address}"))
        .unwrap_or_default();
    // Nobody may read it, which is no reason not to serve.
    let _ = writeln!(out, "origin on http://{}{control}", running.address);
    let _ = out.flush();
    Ok(match running.wait() {
        Ended::Stopped => 0,
        Ended::Crashed => CRASHED,
    })
}

fn words(Fault { wrong, remedy }: Fault) -> String {
    format!("{wrong}; {remedy}")
}

fn distribution(text: &str) -> Result<Distribution, String> {
    crate::scenario::distribution(text).map_err(words)
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(words)
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(words)
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text
        .parse()
        .ok()
        .filter(|factor| (0.0..=1000.0).contains(factor));
    factor.ok_or_else(|| "write a number from 0 to 1000".to_owned())
}
