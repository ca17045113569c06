//! Memory per tenant: the same process with the whole register and with one row of it, each tenant asked once.

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    haproxy::Job,
    http,
    peer::Peer,
    procfs::anonymous_bytes,
    schleuse::Variant,
};

/// KiB.
const GOAL: f64 = 4.0;

/// KiB per tenant, HAProxy's map and stick table beside it.
///
/// # Errors
///
/// When a request is refused.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let one = Variant::OneTenant;
    let places = &context.places;
    let first = places.get(..1).unwrap_or_default();
    let ours = [
        after_asking(context, &context.schleuse(Variant::Full)?.peer, false)?,
        after_asking(context, &context.schleuse(one)?.peer, true)?,
    ];
    let theirs = [
        after_asking(context, &context.haproxy(Job::Same(places))?, false)?,
        after_asking(context, &context.haproxy(Job::Same(first))?, true)?,
    ];
    let tenants = count(u64::try_from(places.len().saturating_sub(1))?);
    let per_tenant = |[all, one]: [u64; 2]| count(all.saturating_sub(one)) / tenants / 1024.0;
    Ok(vec![
        Figure::value("Memory per tenant", Unit::Kibibytes, per_tenant(ours))
            .at_most(GOAL)
            .beside(format!(
                "{} with all, {} with one; HAProxy with map and stick table {:.2} KiB",
                mebibytes(ours.first()),
                mebibytes(ours.last()),
                per_tenant(theirs)
            )),
    ])
}

fn mebibytes(bytes: Option<&u64>) -> String {
    Unit::Mebibytes.text(bytes.map_or(f64::NAN, |&bytes| count(bytes) / 1_048_576.0))
}

/// Private memory after as many requests as there are tenants: one for each, or all for the first.
fn after_asking(context: &Context, peer: &Peer, first_only: bool) -> Outcome<u64> {
    let mut stream = http::connect(peer.address)?;
    let first = context.places.first().ok_or("the register is empty")?;
    for place in &context.places {
        let place = if first_only { first } else { place };
        let request = http::get("wohngeld.example", &format!("/{}/", place.ars));
        let answer = http::ask(&mut stream, &request)?;
        if answer.status != 200 {
            return Err(format!("{} answers {answer:?} for {}", peer.name, place.ars).into());
        }
    }
    anonymous_bytes(peer.pid())
}
