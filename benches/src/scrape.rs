//! A scrape of the metrics after every tenant of the register was active in every service: how long it takes, and how
//! many series there are.

use std::time::Instant;

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    http,
    inputs::SERVICES,
    schleuse::Variant,
    statistics::{median, quantile},
};

const SCRAPES: usize = 50;
/// As many as the proxy grants.
const LEASES: usize = 16;
/// Milliseconds; at 11,000 active tenants.
const TIME_GOAL: f64 = 100.0;
const SERIES_GOAL: f64 = 60_000.0;

/// Time and series of a scrape.
///
/// # Errors
///
/// When a request is refused, or a scrape is.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let schleuse = context.schleuse(Variant::Full)?;
    let mut stream = http::connect(schleuse.peer.address)?;
    for service in SERVICES {
        for place in &context.places {
            let request = http::get(&format!("{service}.example"), &format!("/{}/", place.ars));
            expect_ok(&http::ask(&mut stream, &request)?)?;
        }
    }
    let mut admin = http::connect(schleuse.admin)?;
    for place in context.places.iter().take(LEASES) {
        let request = format!(
            "POST /api/v1/tenants/{}/lease HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n",
            place.ars
        );
        expect_ok(&http::ask(&mut admin, &request)?)?;
    }
    let (mut times, mut text) = (Vec::new(), String::new());
    for _ in 0..SCRAPES {
        let start = Instant::now();
        let answer = http::ask(&mut admin, &http::get("admin", "/metrics"))?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        expect_ok(&answer)?;
        text = answer.body;
    }
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let active = context.places.len() * SERVICES.len();
    let worst = quantile(&mut times.clone(), 1.0);
    Ok(vec![
        Figure::value("Scrape", Unit::Milliseconds, median(&times))
            .at_most(TIME_GOAL)
            .beside(format!(
                "{active} active tenants of services, {LEASES} leases; the longest of {SCRAPES} {worst:.1} ms"
            )),
        Figure::value("Series in it", Unit::Count, count(u64::try_from(series)?))
            .at_most(SERIES_GOAL)
            .beside(format!("{} KiB", text.len() / 1024)),
    ])
}

fn expect_ok(answer: &http::Answer) -> Outcome<()> {
    if answer.status == 200 {
        return Ok(());
    }
    Err(format!("not the answer that was expected: {answer:?}").into())
}
