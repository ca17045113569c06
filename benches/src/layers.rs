//! What each layer of Schleuse adds to a request: the whole product beside itself with one thing less.

use crate::{
    Outcome,
    compare::{Entrant, alternate},
    context::Context,
    figure::{Figure, Unit},
    schleuse::Variant,
    statistics::{differences, estimate, median},
};

/// What has it or lacks it, what it is, and whether it is the variant that has it.
const LAYERS: [(Variant, &str, bool); 6] = [
    (Variant::NoAccessLog, "access log", false),
    (
        Variant::NoTenantCookie,
        "tenant cookie set in each answer",
        false,
    ),
    (
        Variant::NoLimits,
        "rates of tenant and client, and the number in flight",
        false,
    ),
    (
        Variant::OneTenant,
        "the whole register instead of one tenant",
        false,
    ),
    (
        Variant::IsolationByTenant,
        "isolation per tenant (option)",
        true,
    ),
    (
        Variant::BusyQueue,
        "queue busy, 48 of 64 requests wait, instead of idle",
        true,
    ),
];

/// A figure per layer, microseconds of CPU.
///
/// # Errors
///
/// When a variant does not start or fails requests.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let full = context.schleuse(Variant::Full)?;
    let mut others = Vec::new();
    for (variant, ..) in LAYERS {
        others.push(context.schleuse(variant)?);
    }
    let mut entrants = vec![Entrant {
        peer: &full.peer,
        script: &context.script,
        scheme: "http",
    }];
    for ((variant, ..), schleuse) in LAYERS.iter().zip(&others) {
        entrants.push(Entrant {
            peer: &schleuse.peer,
            script: if *variant == Variant::OneTenant {
                &context.one_tenant_script
            } else {
                &context.script
            },
            scheme: "http",
        });
    }
    let costs = alternate(&entrants, context.sizes.layer_rounds)?;
    let (full, rest) = costs.split_first().ok_or("nothing was measured")?;
    let figure = |((_, what, more), costs): (&(Variant, &str, bool), &crate::compare::Costs)| {
        let (with, without) = if *more { (costs, full) } else { (full, costs) };
        let added = estimate(&differences(&with.per_request, &without.per_request));
        Figure::estimate(format!("Layer: {what}"), Unit::Microseconds, added).beside(format!(
            "{:.1} µs with, {:.1} µs without",
            median(&with.per_request),
            median(&without.per_request)
        ))
    };
    Ok(LAYERS.iter().zip(rest).map(figure).collect())
}
