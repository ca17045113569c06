//! Ten times what the pool can do: what still comes through, how long those wait, and what a refusal costs.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::{DelayBackend, host, request, target},
    figure::{Figure, Unit},
    inputs::{Place, drawn_by_population, generator},
    mixed_load::{Answers, MixedLoad, Source},
    neighbour_run::quiet,
    neighbours::{SEATS, SERVICE_TIME, key},
    nuisance::{Habit, Nuisance},
    open_loop::OpenLoop,
    procfs::CpuTime,
    shared_pool::{Policy, SharedPool},
    statistics::quantile,
    wrk::Script,
};

/// The longest wait that the pool allows.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Milliseconds that the way through sockets and the ticks of two timers may add to that.
const WAY: f64 = 10.0;
/// Until the queue is as long as it gets.
const FILL: Duration = Duration::from_secs(1);
/// More than can wait at once, so that the load never waits for itself.
const CONNECTIONS_MAX: usize = 6_000;
const TENANTS: usize = 5_000;
/// Goodput against the peak.
const GOODPUT_GOAL: f64 = 0.95;
/// Microseconds of CPU for a refusal.
const REFUSAL_GOAL: f64 = 20.0;
/// Refusals at a rate that leaves the proxy's core idle in between.
const REFUSED_PER_SECOND: f64 = 5_000.0;

/// Overload, and both kinds of refusal.
///
/// # Errors
///
/// When a proxy fails.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let backend = DelayBackend::start()?;
    let requests = requests(context)?;
    let mut figures = overload(context, &backend, &requests)?;
    let one = requests_of(context)?;
    figures.push(full_pool(context, &backend, &one)?);
    figures.push(beyond_rate(context, &backend, &one)?);
    Ok(figures)
}

/// Tenants drawn by population, half a second of seats each at most.
fn requests(context: &Context) -> Outcome<Vec<String>> {
    let query = format!("delay_ms={}", SERVICE_TIME.as_millis());
    let places = drawn_by_population(&context.places, TENANTS, &mut generator());
    let request = |place| Ok(request(key(place)?, &query));
    places.into_iter().map(request).collect()
}

/// Of the first tenant: it has used its burst before anything is measured.
fn requests_of(context: &Context) -> Outcome<Vec<String>> {
    Ok(vec![request(key(first(context)?)?, "")])
}

fn overload(
    context: &Context,
    backend: &DelayBackend,
    requests: &[String],
) -> Outcome<Vec<Figure>> {
    let policy = Policy {
        pool: format!(
            "concurrency: {SEATS}, queue: {{ wait_max: {} }}",
            yaml(WAIT_MAX)
        ),
        limits: String::new(),
    };
    let schleuse = SharedPool::start(context, "overload", backend.address(), &policy)?;
    let capacity = f64::from(SEATS) / SERVICE_TIME.as_secs_f64();
    let time = context.sizes.overload_time;
    let address = schleuse.peer.address;
    let (peak, _) = goodput(address, backend, requests, 1.1 * capacity, time)?;
    let before = schleuse.peer.cpu_time()?;
    let (good, mut answers) = goodput(address, backend, requests, 10.0 * capacity, time)?;
    let after = schleuse.peer.cpu_time()?;
    let busy = count(after.nanoseconds - before.nanoseconds) / 1e9 / time.as_secs_f64();
    let longest = answers.microseconds.iter().copied().fold(0.0, f64::max);
    let wait = |latency: f64| latency / 1e3 - SERVICE_TIME.as_secs_f64() * 1e3;
    Ok(vec![
        Figure::value(
            "Goodput at 10× capacity, against the peak",
            Unit::Times,
            good / peak,
        )
        .at_least(GOODPUT_GOAL)
        .beside(format!(
            "{good:.0}/s of {peak:.0}/s; {} refused; the proxy's core {:.0} % busy",
            answers.refused,
            100.0 * busy
        )),
        Figure::value(
            "p99.9 wait of the admitted at 10× capacity",
            Unit::Milliseconds,
            wait(quantile(&mut answers.microseconds, 0.999)),
        )
        .at_most(WAIT_MAX.as_secs_f64() * 1e3 + WAY)
        .beside(format!(
            "p50 {:.0}, longest {:.0} ms",
            wait(quantile(&mut answers.microseconds, 0.5)),
            wait(longest)
        )),
        Figure::value(
            "Connections closed and requests unanswered at 10× capacity",
            Unit::Count,
            count(answers.closed + answers.broken + answers.unanswered),
        )
        .at_most(0.0),
    ])
}

/// Requests a second that reached the backend once the queue was full.
fn goodput(
    address: SocketAddr,
    backend: &DelayBackend,
    requests: &[String],
    per_second: f64,
    time: Duration,
) -> Outcome<(f64, Answers)> {
    backend.forget();
    let source = Source {
        requests,
        service_times: &[],
        per_second,
        connections: 64,
        connections_max: CONNECTIONS_MAX,
        active: Duration::ZERO..time,
        awaited: true,
    };
    let load = MixedLoad {
        address,
        sources: vec![source],
        time,
        drain_max: WAIT_MAX * 3,
        spread: true,
    };
    let start = Instant::now();
    let answers = load.run()?.pop().unwrap_or_default();
    let window = start + FILL..start + time;
    let served = backend.served();
    let good = served.iter().filter(|one| window.contains(&one.began));
    let good = count(good.count() as u64) / time.saturating_sub(FILL).as_secs_f64();
    quiet(backend)?;
    Ok((good, answers))
}

/// Every seat is held and nobody may wait: 503.
fn full_pool(context: &Context, backend: &DelayBackend, requests: &[String]) -> Outcome<Figure> {
    let policy = Policy {
        pool: format!("concurrency: {SEATS}, queue: {{ waiting_max: 0 }}"),
        limits: String::new(),
    };
    let schleuse = SharedPool::start(context, "full", backend.address(), &policy)?;
    let habit = Habit::LongPoll {
        time: Duration::from_hours(1),
    };
    let tenant = key(first(context)?)?;
    let holders = Nuisance::start(
        schleuse.peer.address,
        tenant,
        usize::try_from(SEATS)?,
        habit,
    )?;
    let end = Instant::now() + Duration::from_secs(10);
    while backend.in_flight() < SEATS {
        if Instant::now() > end {
            return Err(format!("only {} seats are taken", backend.in_flight()).into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let figure = refusals(
        context,
        &schleuse,
        requests,
        "CPU per refusal, all seats taken (503)",
    )?;
    drop(holders);
    quiet(backend)?;
    Ok(figure)
}

/// The one tenant that asks is beyond its rate: 429.
fn beyond_rate(context: &Context, backend: &DelayBackend, requests: &[String]) -> Outcome<Figure> {
    let policy = Policy {
        pool: format!("concurrency: {SEATS}"),
        limits: "tenant: { rate: 0.01/s, burst: 1, over: refuse }".to_owned(),
    };
    let schleuse = SharedPool::start(context, "rate", backend.address(), &policy)?;
    refusals(
        context,
        &schleuse,
        requests,
        "CPU per refusal, beyond the tenant's rate (429)",
    )
}

/// As CPU per request is taken: as many as the proxy's core can refuse. At a rate beside it, where each wakes the proxy.
fn refusals(
    context: &Context,
    schleuse: &SharedPool,
    requests: &[String],
    what: &str,
) -> Outcome<Figure> {
    let targets = [(host(), target(key(first(context)?)?, ""))];
    let script = Script::write(context.path(), "refused", &targets)?;
    let seconds = context.sizes.rounds.seconds;
    script.run(&schleuse.peer, "http", 1)?;
    schleuse.peer.forget_output();
    let before = schleuse.peer.cpu_time()?;
    let totals = script.run(&schleuse.peer, "http", seconds)?;
    let after = schleuse.peer.cpu_time()?;
    schleuse.peer.forget_output();
    if totals.requests == 0 || totals.failed < totals.requests {
        return Err(format!("not all of them were refused: {totals:?}").into());
    }
    let microseconds = |before: CpuTime, after: CpuTime, refused: u64| {
        count(after.nanoseconds - before.nanoseconds) / 1e3 / count(refused)
    };
    let load = OpenLoop {
        address: schleuse.peer.address,
        requests,
        per_second: REFUSED_PER_SECOND,
        connections: 64,
        time: Duration::from_secs(2),
    };
    let slow_before = schleuse.peer.cpu_time()?;
    let answers = load.run()?;
    let slow_after = schleuse.peer.cpu_time()?;
    if answers.refused == 0 || !answers.microseconds.is_empty() {
        return Err("not all of them were refused at a rate".into());
    }
    let cost = microseconds(before, after, totals.requests);
    Ok(Figure::value(what, Unit::Microseconds, cost)
        .at_most(REFUSAL_GOAL)
        .beside(format!(
            "{} refusals in {seconds} s; {:.1} µs at {REFUSED_PER_SECOND}/s over 64 connections, of which {} were closed",
            totals.requests,
            microseconds(slow_before, slow_after, answers.refused),
            answers.closed
        )))
}

fn first(context: &Context) -> Outcome<&Place> {
    let first = context.places.first();
    first.ok_or_else(|| "the register is empty".into())
}

fn yaml(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
