//! How late the generator is itself, at half of what it can do; and that it says so when it is asked for more than it can.

use launchday::results::breakdown::WorkerResult;

use super::{Bench, ONE_REQUEST, Played};
use crate::{
    Outcome,
    compare::count,
    figure::{Figure, Unit},
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address},
    statistics::median,
};

/// Requests a second that no single core reaches.
const TOO_MANY: u32 = 400_000;
/// Microseconds.
const LAG_MAX: f64 = 100.0;
/// Enough that none is missing, few enough that a target which cannot keep up is not drowned in them.
const CONNECTIONS: u32 = 256;
/// The same for a target whose answers take 85 ms on average.
const SLOW_CONNECTIONS: &str = "10000";

pub(super) fn measure(bench: &Bench<'_>) -> Outcome<Vec<Figure>> {
    let beyond = play(bench, TOO_MANY, "even")?;
    let limit = limit_per_second(&beyond)?;
    let mut figures = vec![
        Figure::value(
            "Runs beyond the generator's limit that were judged valid",
            Unit::Count,
            f64::from(u8::from(beyond.exit_code != 3)),
        )
        .at_most(0.0)
        .beside(format!(
            "{TOO_MANY}/s asked for, {limit}/s sent, own lag p99 {:.0} ms; it says: {}",
            microseconds(&beyond, 0.99) / 1e3,
            first_finding(&beyond)
        )),
    ];
    for spacing in ["even", "poisson"] {
        figures.push(own_lag(bench, limit / 2, spacing)?);
    }
    figures.push(slow_target(bench)?);
    Ok(figures)
}

/// Of the runs in which the generator had its core to itself: while somebody else runs there for 10 ms, everything is 10 ms
/// late, which says nothing about the generator. Four times as many are played as are taken, whatever they say.
fn own_lag(bench: &Bench<'_>, rate: u32, spacing: &str) -> Outcome<Figure> {
    let taken = bench.context.sizes.launchday.rounds.max(3);
    let mut runs: Vec<Played> = (0..4 * taken)
        .map(|_| play(bench, rate, spacing))
        .collect::<Outcome<_>>()?;
    let median_at = |runs: &[Played], quantile| {
        let lags: Vec<f64> = runs.iter().map(|run| microseconds(run, quantile)).collect();
        median(&lags)
    };
    let of_all = median_at(&runs, 0.99);
    runs.sort_by(|one, other| run_delay(one).total_cmp(&run_delay(other)));
    let most = runs.last().map_or(f64::NAN, run_delay);
    runs.truncate(taken);
    let calmest = runs.last().map_or(f64::NAN, run_delay);
    let what = format!("Own lag at half the limit ({rate}/s, {spacing}), p99");
    let figure = Figure::value(what, Unit::Microseconds, median_at(&runs, 0.99));
    Ok(figure.at_most(LAG_MAX).beside(format!(
        "p50 {:.0}, p99.9 {:.0} µs; median of the {taken} of {} runs with the least run delay, up to {:.2} % of their time; of all, up to {:.2} %, p99 {of_all:.0} µs",
        median_at(&runs, 0.5),
        median_at(&runs, 0.999),
        4 * taken,
        100.0 * calmest,
        100.0 * most,
    )))
}

/// The share of its time for which the generator was ready to run and something else did; none where the kernel does not say.
fn run_delay(run: &Played) -> f64 {
    let workers = &run.results.workers;
    let sum = |part: fn(&WorkerResult) -> u64| count(workers.iter().map(part).sum());
    sum(|worker| worker.run_delay_ns.unwrap_or_default()) / sum(|worker| worker.wall_ns)
}

/// A target whose p99 is 5 s, at half of what the generator sends to it at most: slow, and no fault of ours.
fn slow_target(bench: &Bench<'_>) -> Outcome<Figure> {
    let target = origin(bench, "bimodal 10ms 5s 1.5%")?;
    let play = |rate: u32, drain: &str| {
        let text = format!(
            "target: http://{}\narrivals: {{ rate: {rate}/s, duration: 3s }}\ndrain: {drain}\n{ONE_REQUEST}\n",
            target.address,
        );
        bench.play_with("slow", &text, &["--connections", SLOW_CONNECTIONS])
    };
    let rate = limit_per_second(&play(TOO_MANY, "1s")?)? / 2;
    let runs = bench.context.sizes.launchday.slow_runs;
    let mut invalid = Vec::new();
    for _ in 0..runs {
        let played = play(rate, "7s")?;
        if played.exit_code != 0 {
            invalid.push(first_finding(&played));
        }
    }
    let what =
        format!("Runs of {runs} judged invalid or failed, slow target (p99 5 s) at half the limit");
    Ok(
        Figure::value(what, Unit::Count, count(invalid.len() as u64))
            .at_most(0.0)
            .beside(format!("{rate}/s; {}", invalid.join(", "))),
    )
}

fn origin(bench: &Bench<'_>, service: &str) -> Outcome<Peer> {
    let address = free_address()?;
    let listen = address.to_string();
    let words = [
        &bench.program,
        "origin",
        "--listen",
        &listen,
        "--service",
        service,
    ];
    let command = words.map(str::to_owned);
    Peer::start("origin", PROXY_CORE, address, &command, Settings::default())
}

fn play(bench: &Bench<'_>, rate: u32, spacing: &str) -> Outcome<Played> {
    let seconds = bench.context.sizes.launchday.seconds;
    let text = format!(
        "target: {}\narrivals: {{ rate: {rate}/s, duration: {seconds}s, spacing: {spacing} }}\ndrain: 1s\n{ONE_REQUEST}\n",
        bench.target.url().trim_end_matches('/')
    );
    bench.play_with("lag", &text, &["--connections", &CONNECTIONS.to_string()])
}

/// What it sent in a second in which more was due than it could send; the median of the seconds.
fn limit_per_second(beyond: &Played) -> Outcome<u32> {
    let whole =
        beyond.results.seconds.iter().filter(|second| {
            second.at_seconds >= 0 && second.offered >= u64::from(TOO_MANY) * 9 / 10
        });
    let sent: Vec<f64> = whole.map(|second| count(second.sent)).collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, far below 2^32; none is 0"
    )]
    let limit = median(&sent) as u32;
    if limit == 0 {
        return Err("nothing was sent beyond the limit".into());
    }
    Ok(limit)
}

fn microseconds(run: &Played, quantile: f64) -> f64 {
    run.results
        .own_lag
        .quantile(quantile)
        .map_or(f64::NAN, |lag| count(lag) / 1e3)
}

fn first_finding(run: &Played) -> String {
    let findings = run
        .results
        .verdict
        .iter()
        .flat_map(|verdict| &verdict.findings);
    let words = findings.map(|finding| finding.what.clone()).next();
    words.unwrap_or_else(|| "nothing".to_owned())
}
