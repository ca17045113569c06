//! Added latency at an equal rate: through each proxy minus straight to the backend, in the same round.

use crate::{
    Outcome,
    context::Context,
    figure::{Figure, Unit},
    haproxy::Job,
    http,
    open_loop::OpenLoop,
    schleuse::Variant,
    statistics::{estimate, median, quantile, ratios},
    wrk::targets,
};

/// Well below what any peer can take on one core, so that queues in front of it do not decide.
const PER_SECOND: f64 = 5_000.0;
const CONNECTIONS: usize = 64;
/// Goal against HAProxy.
const GOAL: f64 = 1.0;

/// Microseconds above the backend's own, a value per round.
#[derive(Debug, Default, Clone)]
struct Added {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// p50 and p99.
///
/// # Errors
///
/// When a peer fails requests.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let schleuse = context.schleuse(Variant::Full)?;
    let (haproxy, nginx) = (context.haproxy(Job::Bare)?, context.nginx(None)?);
    let requests: Vec<String> = targets(&context.places)
        .iter()
        .map(|(host, path)| http::get(host, path))
        .collect();
    let peers = [&schleuse.peer, &haproxy, &nginx];
    let mut added = vec![Added::default(); peers.len()];
    for round in 0..=context.sizes.latency_rounds {
        let once = |address| -> Outcome<(f64, f64)> {
            let load = OpenLoop {
                address,
                requests: &requests,
                per_second: PER_SECOND,
                connections: CONNECTIONS,
                time: context.sizes.latency_time,
            };
            let mut latencies = load.run()?;
            if latencies.failed() > 0 {
                return Err(format!("{address}: {} requests failed", latencies.failed()).into());
            }
            let values = &mut latencies.microseconds;
            Ok((quantile(values, 0.5), quantile(values, 0.99)))
        };
        let direct = once(context.backend())?;
        let mut order: Vec<_> = peers.iter().zip(&mut added).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (peer, added) in order {
            let through = once(peer.address)?;
            peer.forget_output();
            // The first round warms up.
            if round > 0 {
                added.p50.push(through.0 - direct.0);
                added.p99.push(through.1 - direct.1);
            }
        }
    }
    Ok(figures(&added))
}

fn figures(added: &[Added]) -> Vec<Figure> {
    let [ours, haproxy, nginx] = added else {
        return Vec::new();
    };
    let words = |of: fn(&Added) -> &Vec<f64>| {
        format!(
            "added: Schleuse {:.0}, HAProxy {:.0}, nginx {:.0} µs at {PER_SECOND}/s",
            median(of(ours)),
            median(of(haproxy)),
            median(of(nginx))
        )
    };
    let figure = |what: &str, of: fn(&Added) -> &Vec<f64>| {
        let ratio = estimate(&ratios(of(ours), of(haproxy)));
        Figure::estimate(what, Unit::Times, ratio).beside(words(of))
    };
    vec![
        figure("Added p50 at an equal rate, against haproxy", |added| {
            &added.p50
        }),
        figure("Added p99 at an equal rate, against haproxy", |added| {
            &added.p99
        })
        .at_most(GOAL),
    ]
}
