//! Whether the figures say anything about the target, or about the generator that took them.
//!
//! Own lag and waiting for a connection are two things: only the first is the generator's fault and can strike a figure.
//! A struck percentile beyond p99 is left out and the run stays valid; one of p50–p99 makes it invalid. All limits are
//! constants, so that two reports mean the same by "valid".

use crate::{
    report::quantity,
    results::{Blame, Ending, Finding, Reason, Results, Second, Struck, counts::ratio},
    statistics::percentile::{SHOWN, Sample, is_shown},
};

/// Lag that is always allowed: below it no wait of a citizen is misjudged.
pub const LAG_MIN_NS: u64 = 1_000_000;
/// Part of the response that the lag may make up.
pub const LAG_SHARE_MAX: f64 = 0.02;
/// Part of the schedule that the generator may leave unsent.
pub const NOT_SENT_SHARE_MAX: f64 = 0.001;
/// A worker that is busier than this in a second may have delayed what it measured.
pub const BUSY_SHARE_MAX: f64 = 0.9;
/// Part of the seconds in which a worker may be that busy.
pub const BUSY_SECONDS_SHARE_MAX: f64 = 0.01;
/// Part of the wall time in which a worker may have been runnable without a core.
pub const RUN_DELAY_SHARE_MAX: f64 = 0.05;
/// A struck percentile up to this one makes the run invalid.
pub const DECISIVE_QUANTILE_MAX: f64 = 0.99;

/// What the lag may be where the response is `response_ns`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "two percent of a duration"
)]
pub fn lag_limit_ns(response_ns: u64) -> u64 {
    LAG_MIN_NS.max((response_ns as f64 * LAG_SHARE_MAX) as u64)
}

/// Whether the percentile at `quantile` must be struck out, and by how much. One that rests on who failed never is: the answer
/// would not have come however punctual the generator had been.
pub fn struck_at(results: &Results, sample: &Sample, quantile: f64) -> Option<Struck> {
    if sample.is_failure(quantile) {
        return None;
    }
    let response_ns = sample.at(quantile)?.value_ns;
    let lag_ns = [&results.own_lag, &results.read_lag]
        .into_iter()
        .filter_map(|lag| lag.quantile(quantile))
        .max()?;
    let limit_ns = lag_limit_ns(response_ns);
    (lag_ns > limit_ns).then_some(Struck {
        quantile,
        response_ns,
        lag_ns,
        limit_ns,
    })
}

/// All shown percentiles that must be struck out, and the maximum.
pub fn struck(results: &Results) -> Vec<Struck> {
    let sample = results.sample();
    SHOWN
        .into_iter()
        .filter(|quantile| is_shown(*quantile, sample.count()))
        .chain([1.0])
        .filter_map(|quantile| struck_at(results, &sample, quantile))
        .collect()
}

/// Every reason why the run is invalid, the weightiest first; none when it is valid.
pub fn findings(results: &Results, struck: &[Struck]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(broken(results));
    findings.extend(local_errors(results));
    findings.extend(too_few_files(results));
    findings.extend(
        struck
            .iter()
            .rfind(|figure| figure.quantile <= DECISIVE_QUANTILE_MAX)
            .map(lag),
    );
    findings.extend(not_sent(results));
    findings.extend(busy(results));
    findings.extend(run_delay(results));
    findings
}

/// The generator broke, or lost account of a request.
fn broken(results: &Results) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ending::Broken(why) = &results.ending {
        findings.push(Finding {
            what: format!("the generator broke: {why}"),
            number: quantity::seconds(results.duration_seconds),
            limit: quantity::seconds(results.scenario.planned_seconds),
            remedy: "repeat the run; what was measured until then is kept".to_owned(),
        });
    }
    if !results.counts.is_complete() {
        findings.push(Finding {
            what: "the ends of requests do not add up to the schedule, a fault of launchday"
                .to_owned(),
            number: quantity::count(results.counts.ended()),
            limit: quantity::count(results.counts.scheduled),
            remedy: "report it with scenario and seed".to_owned(),
        });
    }
    findings
}

/// Errors of this machine, each by its kind. Those that ran late count among the not sent instead.
fn local_errors(results: &Results) -> Vec<Finding> {
    results
        .reasons
        .iter()
        .filter(|entry| {
            entry.count > 0
                && entry.reason.blame() == Blame::Generator
                && entry.reason != Reason::LocalBehind
        })
        .map(|entry| {
            let (what, remedy) = local_error(entry.reason);
            Finding {
                what: what.to_owned(),
                number: format!("{} requests", quantity::count(entry.count)),
                limit: "0".to_owned(),
                remedy: remedy.to_owned(),
            }
        })
        .collect()
}

/// Requests waited for each other, because this machine's files allowed no more connections. Opening one too many would have
/// been an error; not even trying changes nothing about whose fault it is.
fn too_few_files(results: &Results) -> Option<Finding> {
    let known = results.connections.as_ref()?;
    (known.is_limited_by_files && known.held_back > 0).then(|| Finding {
        what: "this machine's limit of open files allowed too few connections, so that requests waited for each other"
            .to_owned(),
        number: format!("{} requests", quantity::count(known.held_back)),
        limit: format!("0, with {} connections", quantity::count(known.allowed)),
        remedy: "raise the limit of open files (ulimit -n); or name the number of connections (-c) if they are to wait"
            .to_owned(),
    })
}

/// What a local error means and what helps.
const fn local_error(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::LocalPort => (
            "this machine had no local port left",
            "reuse connections, add source addresses, or widen net.ipv4.ip_local_port_range",
        ),
        Reason::LocalFiles => (
            "this machine had no file handle left",
            "raise the limit of open files (ulimit -n), or let citizens share connections",
        ),
        Reason::LocalMemory => (
            "this machine's kernel had no memory for a socket",
            "use fewer connections, or raise net.ipv4.tcp_mem",
        ),
        _ => (
            "a worker of the generator died",
            "repeat the run; report it if it happens again",
        ),
    }
}

/// The largest decisive percentile that was struck.
fn lag(figure: &Struck) -> Finding {
    Finding {
        what: format!(
            "the generator's own lag is too large a part of {} ({})",
            quantity::quantile(figure.quantile),
            quantity::duration(figure.response_ns)
        ),
        number: quantity::duration(figure.lag_ns),
        limit: quantity::duration(figure.limit_ns),
        remedy: "lower the rate, add workers, or keep target and generator apart with --cpus"
            .to_owned(),
    }
}

/// Arrivals left unsent while the run was going on.
fn not_sent(results: &Results) -> Option<Finding> {
    let ended_early = results.count_of(Reason::RunEnded);
    let unsent = results.counts.not_sent.saturating_sub(ended_early);
    let share = ratio(unsent, results.counts.scheduled);
    (share > NOT_SENT_SHARE_MAX).then(|| Finding {
        what: "the generator did not send all that was planned".to_owned(),
        number: format!("{} ({})", quantity::percent(share), quantity::count(unsent)),
        limit: quantity::percent(NOT_SENT_SHARE_MAX),
        remedy: "lower the rate, or add workers or machines".to_owned(),
    })
}

/// The busiest worker, if it was too busy in too many seconds.
fn busy(results: &Results) -> Option<Finding> {
    let workers = results.workers.len();
    let (worker, busy, seconds) = (0..workers)
        .map(|worker| {
            let shares = results
                .seconds
                .iter()
                .filter(|second| is_of_schedule(results, second))
                .filter_map(|second| second.workers.get(worker));
            let (mut busy, mut seconds) = (0_u64, 0_u64);
            for share in shares {
                seconds += 1;
                busy += u64::from(share.busy_share > BUSY_SHARE_MAX);
            }
            (worker, busy, seconds)
        })
        .max_by_key(|(_, busy, _)| *busy)?;
    (ratio(busy, seconds) > BUSY_SECONDS_SHARE_MAX).then(|| Finding {
        what: format!("worker {worker} of the generator was more than 90 % busy"),
        number: format!("in {busy} of {seconds} seconds"),
        limit: format!(
            "in {} of the seconds",
            quantity::percent(BUSY_SECONDS_SHARE_MAX)
        ),
        remedy: "add workers (--workers), lower the rate, or use several machines".to_owned(),
    })
}

/// Whether the second lies in the schedule: those of the drain may be a few milliseconds long and all of them work.
#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
fn is_of_schedule(results: &Results, second: &Second) -> bool {
    second.at_seconds >= 0 && (second.at_seconds as f64) < results.duration_seconds
}

/// Whether the kernel of a real run did not tell how long workers waited for a core, so that no limit for it was watched.
/// The lag that such waits cause is measured all the same.
pub fn is_run_delay_unknown(results: &Results) -> bool {
    results
        .workers
        .iter()
        .any(|worker| worker.run_delay_ns.is_none())
}

/// The worker that waited longest for a core, if that was too long.
fn run_delay(results: &Results) -> Option<Finding> {
    let (worker, share) = results
        .workers
        .iter()
        .enumerate()
        .filter_map(|(index, worker)| Some((index, ratio(worker.run_delay_ns?, worker.wall_ns))))
        .max_by(|left, right| left.1.total_cmp(&right.1))?;
    (share > RUN_DELAY_SHARE_MAX).then(|| Finding {
        what: format!("worker {worker} of the generator was ready to run but had no core"),
        number: format!("{} of the time", quantity::percent(share)),
        limit: quantity::percent(RUN_DELAY_SHARE_MAX),
        remedy: "pin target and generator apart with --cpus, and stop other work on this machine"
            .to_owned(),
    })
}
