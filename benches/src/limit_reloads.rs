//! Limits hold through a thousand reloads in a minute: what the backend got of each tenant, in every window.
//!
//! Every tenant offers twice its rate, so it is at its limit all the time. A token that a reload gave away or gave back
//! would be seen as one request too many, or too few, here and for good.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::{DelayBackend, Served, request},
    figure::{Figure, Unit},
    inputs::generator,
    mixed_load::{MixedLoad, Source},
    neighbours::key,
    shared_pool::{Policy, SharedPool},
};

const TENANTS: usize = 50;
/// Requests a second that a tenant may have.
const RATE: f64 = 10.0;
const BURST: f64 = 5.0;
/// What a tenant offers, as a multiple of its rate.
const OFFERED: f64 = 2.0;
/// From the start of one reload to that of the next.
const EVERY: Duration = Duration::from_millis(60);
/// The way from the limit to the backend takes one request longer than another, by much less than the time between two
/// of a tenant's: half a request is no leak.
const GOAL: f64 = 0.5;
/// Share of what the rate allows that must be admitted: a limit that refuses everything is none. Requests that come by
/// chance leave about a token unused.
const USED_GOAL: f64 = 0.95;

/// Refused at once, and held in the queue.
///
/// # Errors
///
/// When a reload is refused.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for over in ["refuse", "wait"] {
        figures.extend(through_reloads(context, over)?);
    }
    Ok(figures)
}

fn through_reloads(context: &Context, over: &str) -> Outcome<Vec<Figure>> {
    let backend = DelayBackend::start()?;
    let policy = Policy {
        pool: "concurrency: 1000, queue: { wait_max: 5s, fair_by: equal }".to_owned(),
        limits: format!("tenant: {{ rate: {RATE}/s, burst: {BURST}, over: {over} }}"),
    };
    let schleuse = SharedPool::start(
        context,
        &format!("limits-{over}"),
        backend.address(),
        &policy,
    )?;
    let places = context.places.iter().take(TENANTS);
    let tenants: Vec<u64> = places.map(key).collect::<Outcome<_>>()?;
    let mut rng = generator();
    let drawn = (0..10_000).filter_map(|_| rng.choice(&tenants));
    let requests: Vec<String> = drawn.map(|&tenant| request(tenant, "delay_ms=5")).collect();
    let time = context.sizes.limits_time;
    let load = MixedLoad {
        address: schleuse.peer.address,
        sources: vec![Source {
            requests: &requests,
            service_times: &[],
            per_second: OFFERED * RATE * count(TENANTS as u64),
            connections: 64,
            connections_max: 8_000,
            active: Duration::ZERO..time,
            awaited: true,
        }],
        time,
        drain_max: Duration::ZERO,
        spread: true,
    };
    let reloads = thread::scope(|scope| {
        let reloading = scope.spawn(|| reload_for(&schleuse, &policy, time));
        load.run()?;
        reloading.join().map_err(|_| "the reloads broke off")?
    })?;
    Ok(figures(&backend.served(), over, time, reloads))
}

/// Reloads again and again; how often.
fn reload_for(schleuse: &SharedPool, policy: &Policy, time: Duration) -> Outcome<usize> {
    let start = Instant::now();
    let mut reloads = 0;
    while start.elapsed() < time {
        reloads += 1;
        schleuse.reload(policy, reloads)?;
        let next = start + EVERY * u32::try_from(reloads)?;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(reloads)
}

fn figures(served: &[Served], over: &str, time: Duration, reloads: usize) -> Vec<Figure> {
    let mut times = BTreeMap::<u64, Vec<Instant>>::new();
    for one in served {
        times.entry(one.tenant).or_default().push(one.began);
    }
    let excess = times
        .values()
        .map(|times| excess(times))
        .fold(f64::NAN, f64::max);
    let allowed = (BURST + RATE * time.as_secs_f64()) * count(TENANTS as u64);
    let used = count(served.len() as u64) / allowed;
    vec![
        Figure::value(
            format!("Most above burst + rate × time in any window, requests (`over: {over}`)"),
            Unit::Index,
            excess,
        )
        .at_most(GOAL)
        .beside(format!(
            "{reloads} reloads in {} s, {} tenants at their limit, {} admitted",
            time.as_secs(),
            times.len(),
            served.len()
        )),
        Figure::value(
            format!("Share of what the rate allows that was admitted (`over: {over}`)"),
            Unit::Index,
            used,
        )
        .at_least(USED_GOAL),
    ]
}

/// The most requests by which any window holds more than burst + rate × its time, in one pass: with the i-th request at
/// time t(i), the window from i to j holds j − i + 1, so the greatest excess is that of the least i·1 − rate·t(i) so far.
fn excess(times: &[Instant]) -> f64 {
    let Some(&first) = times.first() else {
        return f64::NAN;
    };
    let mut least = f64::INFINITY;
    let mut most = f64::NEG_INFINITY;
    for (number, &time) in (0_u32..).zip(times) {
        let level = f64::from(number) - RATE * (time - first).as_secs_f64();
        least = least.min(level);
        most = most.max(level - least + 1.0 - BURST);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, milliseconds: &[u64]) -> Vec<Instant> {
        let time = |&after| start + Duration::from_millis(after);
        milliseconds.iter().map(time).collect()
    }

    #[test]
    fn a_burst_and_then_one_by_one_at_the_rate_is_no_excess() {
        let times = at(Instant::now(), &[0, 0, 0, 0, 0, 100, 200, 300]);
        assert!(excess(&times).abs() < 1e-6);
    }

    #[test]
    fn one_too_many_in_a_window_in_the_middle_is_seen() {
        let times = at(
            Instant::now(),
            &[0, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 2_000],
        );
        assert!((excess(&times) - 1.0).abs() < 1e-6);
    }
}
