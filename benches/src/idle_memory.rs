//! Memory of an idle keep-alive connection after one request, plain and under TLS.

use std::{thread, time::Duration};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    haproxy::Job,
    http, idle,
    peer::Peer,
    procfs::anonymous_bytes,
    schleuse::Variant,
};

/// KiB, plain and TLS.
const GOALS: (f64, f64) = (1.5, 10.0);
/// Connections that are opened first and held, until memory grows with them: before that they live in what the process
/// allocated once, and in what its allocator kept of the memory that reading the config took.
const BALLAST_BATCH: usize = 500;
/// When memory still does not grow behind these, the price of one more is unknown.
const BALLAST_MAX: usize = 4_000;
/// KiB per connection that count as growth.
const GROWTH_MIN: f64 = 0.25;
/// For a peer to do what it does after an answer and after a close.
const SETTLE: Duration = Duration::from_millis(250);

/// Plain and TLS connections of Schleuse, HAProxy and nginx.
///
/// # Errors
///
/// When a connection is refused.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let plain = [
        per_connection(context, &context.schleuse(Variant::Full)?.peer, false)?,
        per_connection(context, &context.haproxy(Job::Bare)?, false)?,
        per_connection(context, &context.nginx(None)?, false)?,
    ];
    let job = Job::Tls(&context.certificate);
    let tls = [
        per_connection(context, &context.schleuse_tls()?.peer, true)?,
        per_connection(context, &context.haproxy(job)?, true)?,
        per_connection(context, &context.nginx(Some(&context.certificate))?, true)?,
    ];
    let figure = |what: String, [ours, haproxy, nginx]: [f64; 3], goal| {
        Figure::value(what, Unit::Kibibytes, ours)
            .at_most(goal)
            .beside(format!("HAProxy {haproxy:.2}, nginx {nginx:.2} KiB"))
    };
    Ok(vec![
        figure(
            format!(
                "Idle connection, {} of them",
                context.sizes.idle_connections
            ),
            plain,
            GOALS.0,
        ),
        figure(
            format!(
                "Idle TLS connection, {} of them",
                context.sizes.idle_tls_connections
            ),
            tls,
            GOALS.1,
        ),
    ])
}

/// KiB per connection; not a number when memory did not grow with them.
fn per_connection(context: &Context, peer: &Peer, tls: bool) -> Outcome<f64> {
    let place = context.places.first().ok_or("the register is empty")?;
    let request = http::get("wohngeld.example", &format!("/{}/", place.ars));
    let client = if tls {
        Some(context.certificate.client()?)
    } else {
        None
    };
    let connections = if tls {
        context.sizes.idle_tls_connections
    } else {
        context.sizes.idle_connections
    };
    let open = |count| idle::open(peer.address, count, &request, client.as_ref());
    let mut held = Vec::new();
    while held.len() < BALLAST_MAX {
        let before = settled(peer)?;
        held.extend(open(BALLAST_BATCH)?);
        if kibibytes_each(before, settled(peer)?, BALLAST_BATCH)? >= GROWTH_MIN {
            let before = settled(peer)?;
            held.extend(open(connections)?);
            return kibibytes_each(before, settled(peer)?, connections);
        }
    }
    Ok(f64::NAN)
}

fn settled(peer: &Peer) -> Outcome<u64> {
    thread::sleep(SETTLE);
    anonymous_bytes(peer.pid())
}

fn kibibytes_each(before: u64, after: u64, connections: usize) -> Outcome<f64> {
    let connections = u64::try_from(connections)?;
    Ok(count(after.saturating_sub(before)) / count(connections) / 1024.0)
}
