//! The list of what is measured side by side, in order, and the run over it.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use crate::{
    Outcome, autoscaling,
    context::{Context, Sizes},
    fair_shares,
    figure::Figure,
    held, idle_memory, instructions, latency, launchday, layers, limit_reloads, machine,
    neighbours, overload, queue_lock, reload, report, request_cost, scaler, scrape, simulation,
    tenant_memory, wake,
};

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measurement {
    /// CPU per request against bare HAProxy, HAProxy with the same job, and nginx.
    RequestCost,
    /// CPU per request over TLS 1.3.
    Tls,
    /// CPU that each layer adds.
    Layers,
    /// Added p50 and p99 at an equal rate.
    Latency,
    /// Memory of idle connections.
    Idle,
    /// Memory per tenant.
    Tenants,
    /// A scrape of the metrics with all tenants active.
    Scrape,
    /// Reload of the full register under load.
    Reload,
    /// Instructions for the first and the last tenant.
    Instructions,
    /// What a noisy tenant does to the others of its pool.
    Neighbours,
    /// Shares of tenants that all want more than they get.
    Shares,
    /// Ten times what the pool can do.
    Overload,
    /// Requests that wait.
    Held,
    /// Limits through a thousand reloads.
    LimitsReload,
    /// Time inside the pool's lock.
    QueueLock,
    /// The first request to pools that sleep.
    Wake,
    /// The load generator beside oha, wrk, hey, ab and h2load.
    Launchday,
    /// KEDA's scaler with ten thousand objects.
    Scaler,
    /// The recommender beside Knative's autoscaler and KEDA, in virtual time.
    Recommender,
    /// launchday in virtual time: three million citizens, and the launches that happened.
    Simulate,
}

impl Measurement {
    fn measure(self, context: &Context) -> Outcome<Vec<Figure>> {
        match self {
            Self::RequestCost => request_cost::plain(context),
            Self::Tls => request_cost::tls(context),
            Self::Layers => layers::measure(context),
            Self::Latency => latency::measure(context),
            Self::Idle => idle_memory::measure(context),
            Self::Tenants => tenant_memory::measure(context),
            Self::Scrape => scrape::measure(context),
            Self::Reload => reload::measure(context),
            Self::Instructions => instructions::measure(),
            Self::Neighbours => neighbours::measure(context),
            Self::Shares => fair_shares::measure(context),
            Self::Overload => overload::measure(context),
            Self::Held => held::measure(context),
            Self::LimitsReload => limit_reloads::measure(context),
            Self::QueueLock => queue_lock::measure(context.sizes.lock_events),
            Self::Wake => wake::measure(context),
            Self::Launchday => launchday::measure(context),
            Self::Scaler => scaler::measure(context.sizes.scaler),
            Self::Recommender => autoscaling::measure(context.sizes.seeds, &say),
            Self::Simulate => simulation::measure(context.sizes.replay_seconds),
        }
    }
}

/// Measures, prints the table, and writes `BASELINE.md` when everything was measured at full length.
///
/// Returns whether every measurement could be taken; goals that are missed are marked and no error.
///
/// # Errors
///
/// When the run cannot start, or the table cannot be written.
pub fn side_by_side(quick: bool, only: &[Measurement]) -> Outcome<bool> {
    let sizes = if quick { &Sizes::QUICK } else { &Sizes::FULL };
    if only == [Measurement::Recommender] {
        return recommender(sizes.seeds);
    }
    if only == [Measurement::Scaler] {
        machine::prepare()?;
        say(&report::table(&scaler::measure(sizes.scaler)?))?;
        return Ok(true);
    }
    if only == [Measurement::Simulate] {
        say(&report::table(&simulation::measure(sizes.replay_seconds)?))?;
        return Ok(true);
    }
    let context = Context::prepare(sizes)?;
    let mut facts = machine::facts();
    facts.extend(context.programs.versions());
    let start = Instant::now();
    say(&facts.join("\n"))?;
    let mut figures = Vec::new();
    let mut complete = true;
    for &measurement in Measurement::value_variants() {
        if !only.is_empty() && !only.contains(&measurement) {
            continue;
        }
        say(&format!(
            "{:>4} s  {measurement:?}",
            seconds(start.elapsed())
        ))?;
        match measurement.measure(&context) {
            Ok(measured) => figures.extend(measured),
            Err(problem) => {
                complete = false;
                say(&format!("        not measured: {problem}"))?;
            }
        }
    }
    facts.push(format!("Took: {} s", seconds(start.elapsed())));
    say(&report::table(&figures))?;
    if complete && !quick && only.is_empty() {
        let file = report::write(&report::page(&facts, &figures))?;
        say(&format!("written to {}", file.display()))?;
    }
    Ok(complete)
}

/// The recommender alone, which needs no peers and no machine of its own.
///
/// # Errors
///
/// When the table cannot be printed.
fn recommender(seeds: u32) -> Outcome<bool> {
    let figures = autoscaling::measure(seeds, &say)?;
    say(&report::table(&figures))?;
    Ok(true)
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

fn say(words: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stdout().lock(), "{words}")?)
}
