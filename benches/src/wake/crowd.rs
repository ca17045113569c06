//! A thousand pools that sleep, each with requests that wait, and then somebody is there who starts endpoints.
//!
//! Until the reload nobody is told to start anything, so that all backlogs are there when the orders are given, and their
//! order can be compared with the backlogs.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::target,
    figure::{Figure, Unit},
    http::{self, read_answer},
    mixed_load::household,
    neighbours::key,
};

use super::{
    endpoints::{Background, Endpoints},
    orders::{Orders, START},
    sleepers::{Sleepers, host, service},
};

const POOLS: usize = 1_000;
/// Seats per endpoint, fewer than wait for some of them.
const SEATS: u32 = 2;
/// The greatest backlog of a pool; each up to it has as many pools.
const BACKLOG_MAX: usize = 4;
/// Signs orders; whoever takes them here does not look.
const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Whatever is awaited here takes less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that wait for the pool of this number: the pools of one backlog lie scattered over the config.
fn backlog(pool: usize) -> usize {
    pool % BACKLOG_MAX + 1
}

/// Wakes all of them at once.
///
/// # Errors
///
/// When Schleuse does not start, or requests do not wait.
pub(super) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let (background, endpoints) = (Background::start()?, Endpoints::new()?);
    let orders = Orders::start(background.handle(), endpoints.clone(), POOLS)?;
    let sleeping = config("keda: {}", &endpoints);
    let webhook = format!(
        "webhook: {{ url: \"http://{}/\", secret: {{ file: webhook.key }} }}",
        orders.address()
    );
    Sleepers::write_beside(context, "crowd", "webhook.key", KEY)?;
    let sleepers = Sleepers::start(context, "crowd", &sleeping)?;
    let mut held = hold(context, &sleepers)?;
    let all: usize = (0..POOLS).map(backlog).sum();
    let end = Instant::now() + PATIENCE;
    while sleepers.waiting()? < all {
        if Instant::now() > end {
            return Err("not every request waits for its pool".into());
        }
    }
    let woken = Instant::now();
    sleepers.reload(&config(&webhook, &endpoints))?;
    let mut whole = Vec::new();
    for stream in &mut held {
        if read_answer(stream).is_ok_and(|answer| answer.status == 200) {
            whole.push(woken.elapsed());
        }
    }
    figures(&orders, woken, &whole, f64::from(endpoints.peak()))
}

fn figures(orders: &Orders, woken: Instant, whole: &[Duration], peak: f64) -> Outcome<Vec<Figure>> {
    let all: usize = (0..POOLS).map(backlog).sum();
    let taken = orders.taken();
    let pools: Vec<usize> = taken.iter().map(|order| order.pool).collect();
    let last_order = taken.iter().map(|order| order.at - woken).max();
    let milliseconds = |time: Option<Duration>| time.unwrap_or_default().as_millis();
    let lost = u64::try_from(all - whole.len())?;
    let late = u64::try_from(overtaken(&pools))?;
    Ok(vec![
        Figure::value(
            format!("{POOLS} pools woken at once: requests lost"),
            Unit::Count,
            count(lost),
        )
        .at_most(0.0)
        .beside(format!(
            "of {all}; the last order {} ms after the reload that names who starts endpoints, the last answer {} ms \
             after it, of which {} ms are an endpoint's start",
            milliseconds(last_order),
            milliseconds(whole.iter().max().copied()),
            START.as_millis()
        )),
        Figure::value(
            "The same: orders that came after one for a smaller backlog",
            Unit::Count,
            count(late),
        )
        .at_most(0.0)
        .beside(format!(
            "of {}, as their connections came in; backlogs of 1 to {BACKLOG_MAX}",
            pools.len()
        )),
        Figure::value(
            "The same: most requests at an endpoint at once",
            Unit::Count,
            peak,
        )
        .at_most(f64::from(SEATS)),
    ])
}

/// Orders that came after one for a smaller backlog.
fn overtaken(pools: &[usize]) -> usize {
    let mut least = usize::MAX;
    let late = pools.iter().filter(|&&pool| {
        let is_late = backlog(pool) > least;
        least = least.min(backlog(pool));
        is_late
    });
    late.count()
}

fn config(way: &str, endpoints: &Endpoints) -> String {
    let mut services = String::new();
    let mut pools = String::new();
    for pool in 0..POOLS {
        services += &service(pool);
        let address = endpoints.address(pool);
        // Writing to a String cannot fail.
        let _ = writeln!(
            pools,
            "  p{pool}: {{ endpoints: [\"{address}\"], concurrency: {SEATS}, slow_start: 0s, \
             queue: {{ client_share: 100% }}, scale: {{ min: 0, max: 1, {way} }} }}"
        );
    }
    format!("services:\n{services}pools:\n{pools}")
}

/// Sends all requests, the tenants of the register in turn.
fn hold(context: &Context, sleepers: &Sleepers) -> Outcome<Vec<TcpStream>> {
    let mut held = Vec::new();
    let mut places = context.places.iter().cycle();
    for round in 0..BACKLOG_MAX {
        for pool in (0..POOLS).filter(|&pool| round < backlog(pool)) {
            let from = IpAddr::V4(household(held.len()));
            let mut stream = http::connect_from(Some(from), sleepers.peer.address)?;
            let place = places.next().ok_or("the register is empty")?;
            let request = http::get(&host(pool), &target(key(place)?, "cold=1"));
            stream.write_all(request.as_bytes())?;
            held.push(stream);
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_late_when_a_smaller_backlog_went_before() {
        assert_eq!([3, 2, 1, 0].map(backlog), [4, 3, 2, 1]);
        assert_eq!(overtaken(&[3, 7, 2, 6, 1, 0]), 0);
        assert_eq!(overtaken(&[3, 2, 7, 6, 1, 0]), 1);
        assert_eq!(overtaken(&[0, 1, 2]), 2);
    }
}
