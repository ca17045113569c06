//! For whom it holds and for whom it does not: Lorenz curve, size classes, Länder, the worst served.

use crate::{
    report::{
        digest::{self, Group},
        quantity,
    },
    results::{Results, SizeClass, counts::ratio},
    statistics::{Fairness, percentile::Sample},
};

use super::{
    bars::{Bar, bars},
    markup::{Table, escape, section},
    plot::{Axis, Plot},
    reduce::lttb,
    scale::Scale,
};

/// Points of the Lorenz curve.
const POINTS: usize = 200;
/// Tenants named.
const WORST: usize = 15;

/// The section; empty when the scenario has no tenants.
pub(super) fn render(results: &Results) -> String {
    if results.tenants.is_empty() {
        return String::new();
    }
    let inside = [
        digest::fairness_of(results)
            .map(|found| lorenz(&found))
            .unwrap_or_default(),
        classes(results),
        lands(results),
        worst(results),
    ]
    .concat();
    section_with_note(&inside)
}

fn section_with_note(inside: &str) -> String {
    let note = "<p class=note>A tenant is entitled to what max-min sharing of all answers by weight would have given it, never more \
                than it asked for. Each tenant counts once.</p>\n";
    section(
        "fairness",
        "Fairness between tenants",
        &format!("{note}{inside}"),
    )
}

fn lorenz(found: &Fairness) -> String {
    let axis = |name| Axis {
        scale: Scale::between(0.0, 1.0),
        name,
        label: share_label,
    };
    let mut plot = Plot::new(
        "plot-lorenz",
        320.0,
        axis("share of the entitlement, the worst served first"),
        axis("share of the answers"),
    );
    plot.line("all served alike", "d", &[(0.0, 0.0), (1.0, 1.0)]);
    plot.line("this run", "a", &lttb(&found.lorenz, POINTS));
    let description = format!(
        "Jain's index {:.4}, Gini {:.4}; {} of {} tenants that asked got no answer.",
        found.jain,
        found.gini,
        quantity::count(found.starved as u64),
        quantity::count(found.tenants as u64)
    );
    let table = Table {
        caption: "Lorenz curve in tenths",
        heads: &["Worst served", "Got of the answers"],
        rows: (1..=10)
            .map(|tenth| {
                let x = f64::from(tenth) / 10.0;
                vec![
                    quantity::percent(x),
                    quantity::percent(height_at(&found.lorenz, x)),
                ]
            })
            .collect(),
    };
    format!(
        "<p>{}</p>\n{}{}",
        escape(&description),
        plot.render("Lorenz curve of answers over entitlement", &description),
        table.render()
    )
}

/// The curve's height at `x`, between its points.
fn height_at(curve: &[(f64, f64)], x: f64) -> f64 {
    let after = curve.partition_point(|point| point.0 < x - 1e-9);
    match (
        after.checked_sub(1).and_then(|i| curve.get(i)),
        curve.get(after),
    ) {
        (Some((x0, y0)), Some((x1, y1))) if x1 > x0 => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (_, Some(point)) => point.1,
        _ => 1.0,
    }
}

fn share_label(share: f64) -> String {
    quantity::percent(share)
}

fn answered_bars(
    id: &str,
    title: &str,
    groups: &[Group],
    name: impl Fn(&Group) -> String,
) -> String {
    let entries: Vec<Bar> = groups
        .iter()
        .map(|group| {
            let share = ratio(group.counts.answered, group.counts.scheduled);
            Bar {
                name: name(group),
                length: share,
                text: quantity::percent(share),
            }
        })
        .collect();
    bars(id, title, &entries)
}

fn classes(results: &Results) -> String {
    let groups = digest::by_class(results);
    let meaning = |group: &Group| {
        SizeClass::ALL
            .into_iter()
            .find(|class| class.label() == group.name)
            .map_or_else(
                || group.name.clone(),
                |class| format!("{} ({})", class.label(), class.meaning()),
            )
    };
    let rows = groups
        .iter()
        .map(|group| {
            let sample = Sample::of(&group.counts, &group.response, &group.censored);
            let at = |quantile| {
                sample.shown(quantile).map_or_else(
                    || "–".to_owned(),
                    |found| quantity::bounded(found.value_ns, found.is_bound),
                )
            };
            let mut row = common_cells(group, meaning(group));
            row.extend([at(0.5), at(0.99)]);
            row
        })
        .collect();
    let table = Table {
        caption: "By size of the tenant",
        heads: &[
            "Size",
            "Tenants",
            "Scheduled",
            "Answered",
            "Failed",
            "Abandoned",
            "Jain within",
            "Median",
            "p99",
        ],
        rows,
    };
    let figure = answered_bars(
        "plot-classes",
        "Answered, by size of the tenant",
        &groups,
        meaning,
    );
    format!("{figure}{}", table.render())
}

fn lands(results: &Results) -> String {
    let groups = digest::by_land(results);
    let rows = groups
        .iter()
        .map(|group| {
            let mut row = common_cells(group, group.name.clone());
            let mean = group
                .mean_ns
                .map_or_else(|| "–".to_owned(), |ns| quantity::seconds(ns / 1e9));
            row.extend([mean, quantity::duration(group.max_ns)]);
            row
        })
        .collect();
    let table = Table {
        caption: "By Land",
        heads: &[
            "Land",
            "Tenants",
            "Scheduled",
            "Answered",
            "Failed",
            "Abandoned",
            "Jain within",
            "Mean",
            "Maximum",
        ],
        rows,
    };
    let figure = answered_bars("plot-lands", "Answered, by Land", &groups, |group| {
        group.name.clone()
    });
    format!("{figure}{}", table.render())
}

fn common_cells(group: &Group, name: String) -> Vec<String> {
    let share = |part| {
        group
            .counts
            .share(part)
            .map_or_else(String::new, quantity::percent)
    };
    vec![
        name,
        quantity::count(group.tenants as u64),
        quantity::count(group.counts.scheduled),
        share(group.counts.answered),
        group
            .counts
            .failed_share()
            .map_or_else(String::new, quantity::percent),
        share(group.counts.abandoned),
        group
            .jain
            .map_or_else(|| "–".to_owned(), |jain| format!("{jain:.4}")),
    ]
}

fn worst(results: &Results) -> String {
    Table {
        caption: "Tenants served worst",
        heads: &[
            "Tenant",
            "Key",
            "Land",
            "Scheduled",
            "Answered",
            "Longest response",
        ],
        rows: digest::worst_served(results, WORST)
            .into_iter()
            .map(|tenant| {
                vec![
                    tenant.name.clone(),
                    tenant.key.clone(),
                    tenant.land.clone(),
                    quantity::count(tenant.counts.scheduled),
                    quantity::percent(ratio(tenant.counts.answered, tenant.counts.scheduled)),
                    quantity::duration(tenant.response_max_ns),
                ]
            })
            .collect(),
    }
    .render()
}
