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
/// A half of the measured number is opened first and held: it fills what the process allocates once, and what its
/// allocator kept of the memory that reading the config took, so that the rest shows the price of one more.
const BALLAST_SHARE: usize = 2;
/// For a peer to do what it does after an answer and after a close.
const SETTLE: Duration = Duration::from_millis(500);

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

/// KiB per connection.
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
    let share = connections / BALLAST_SHARE;
    let ballast = idle::open(peer.address, share, &request, client.as_ref())?;
    thread::sleep(SETTLE);
    let before = anonymous_bytes(peer.pid())?;
    let held = idle::open(peer.address, connections, &request, client.as_ref())?;
    thread::sleep(SETTLE);
    let after = anonymous_bytes(peer.pid())?;
    drop((ballast, held));
    let connections = u64::try_from(connections)?;
    Ok(count(after.saturating_sub(before)) / count(connections) / 1024.0)
}
