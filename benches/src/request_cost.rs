//! CPU per forwarded request: plain against bare peers and against HAProxy with the same job, and over TLS 1.3.

use crate::{
    Outcome,
    compare::{Costs, Entrant, alternate},
    context::Context,
    envoy_caddy,
    figure::{Figure, Goal, Unit},
    haproxy::{Job, bare_goal},
    peer::Peer,
    schleuse::Variant,
    statistics::{estimate, median, ratios},
};

/// Goal against HAProxy that does the same job.
const SAME_JOB_GOAL: f64 = 0.8;
/// Goal over TLS 1.3.
const TLS_GOAL: f64 = 0.9;

/// Plain HTTP/1.1.
///
/// # Errors
///
/// When a peer fails.
pub(crate) fn plain(context: &Context) -> Outcome<Vec<Figure>> {
    let schleuse = context.schleuse(Variant::Full)?;
    let mut peers = vec![
        context.haproxy(Job::Bare)?,
        context.haproxy(Job::Same(&context.places))?,
        context.nginx(None)?,
    ];
    if let Some(envoy) = &context.programs.envoy {
        peers.push(envoy_caddy::start_envoy(
            envoy,
            context.path(),
            context.backend(),
        )?);
    }
    if let Some(caddy) = &context.programs.caddy {
        peers.push(envoy_caddy::start_caddy(
            caddy,
            context.path(),
            context.backend(),
        )?);
    }
    compare(
        context,
        "plain",
        "http",
        &schleuse.peer,
        &peers,
        |name| match name {
            "haproxy" => Some(bare_goal(&context.programs.haproxy_version())),
            "haproxy-same-job" => Some(SAME_JOB_GOAL),
            _ => None,
        },
    )
}

/// TLS 1.3 with a P-256 certificate, keep-alive.
///
/// # Errors
///
/// When a peer fails.
pub(crate) fn tls(context: &Context) -> Outcome<Vec<Figure>> {
    let schleuse = context.schleuse_tls()?;
    let peers = [
        context.haproxy(Job::Tls(&context.certificate))?,
        context.nginx(Some(&context.certificate))?,
    ];
    compare(
        context,
        "TLS 1.3",
        "https",
        &schleuse.peer,
        &peers,
        |name| (name == "haproxy-tls").then_some(TLS_GOAL),
    )
}

fn compare(
    context: &Context,
    kind: &str,
    scheme: &'static str,
    ours: &Peer,
    others: &[Peer],
    goal: impl Fn(&str) -> Option<f64>,
) -> Outcome<Vec<Figure>> {
    let entrant = |peer| Entrant {
        peer,
        script: &context.script,
        scheme,
    };
    let entrants: Vec<Entrant<'_>> = std::iter::once(ours).chain(others).map(entrant).collect();
    let costs = alternate(&entrants, context.sizes.rounds)?;
    let (own, rest) = costs.split_first().ok_or("nothing was measured")?;
    let mut figures = vec![
        Figure::value(
            format!("CPU per request, {kind}"),
            Unit::Microseconds,
            median(&own.per_request),
        )
        .beside(split(own)),
    ];
    for (peer, costs) in others.iter().zip(rest) {
        let ratio = estimate(&ratios(&own.per_request, &costs.per_request));
        let what = format!("CPU per request, {kind}, against {}", peer.name);
        let mut figure = Figure::estimate(what, Unit::Times, ratio).beside(split(costs));
        figure.goal = goal(&peer.name).map(Goal::AtMost);
        figures.push(figure);
    }
    Ok(figures)
}

/// Medians of user and system time, of throughput, and of the time others took on the proxy's core.
fn split(costs: &Costs) -> String {
    let (all, user) = (median(&costs.per_request), median(&costs.user));
    format!(
        "{all:.1} µs ({user:.1} user + {:.1} system), {:.0}/s, disturbed {:.0} %",
        all - user,
        median(&costs.per_second),
        100.0 * median(&costs.disturbance)
    )
}
