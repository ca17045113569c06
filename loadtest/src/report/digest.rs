//! What every report tells, computed once from a result: percentiles with their doubts, groups of tenants, fairness.

use std::collections::BTreeMap;

use crate::{
    results::{Counts, Latencies, Results, SizeClass, TenantResult},
    statistics::{Fairness, Percentile, Share, fairness::fairness, percentile::SHOWN},
};

use super::quantity;

/// What a reader must know of a run whose kernel tells no run delay.
pub const RUN_DELAY_UNKNOWN: &str = "How long workers waited for a core is not known on this kernel; their own lag contains such waits";

/// One line of the percentile table.
#[derive(Debug, Clone, PartialEq)]
pub struct PercentileRow {
    /// From the plan; the one that counts.
    pub response: Percentile,
    /// From the send, answered requests only; none when nothing was sent.
    pub service_ns: Option<u64>,
    /// The generator's own lag at this quantile.
    pub own_lag_ns: Option<u64>,
    /// Whether the figure is struck out.
    pub is_struck: bool,
}

impl PercentileRow {
    /// The response with `≥` where it is a bound, and a word where it is struck out.
    pub fn text(&self) -> String {
        let text = quantity::bounded(self.response.value_ns, self.response.is_bound);
        if self.is_struck {
            format!("{text} (struck out)")
        } else {
            text
        }
    }
}

/// The percentiles that there are enough values for, in ascending order.
pub fn percentiles(results: &Results) -> Vec<PercentileRow> {
    let sample = results.sample();
    SHOWN
        .into_iter()
        .filter_map(|quantile| {
            Some(PercentileRow {
                response: sample.shown(quantile)?,
                service_ns: results.service.quantile(quantile),
                own_lag_ns: results.own_lag.quantile(quantile),
                is_struck: is_struck(results, quantile),
            })
        })
        .collect()
}

/// Whether the verdict struck the percentile out.
pub fn is_struck(results: &Results, quantile: f64) -> bool {
    results.verdict.as_ref().is_some_and(|verdict| {
        verdict
            .struck
            .iter()
            .any(|figure| (figure.quantile - quantile).abs() < 1e-9)
    })
}

/// The largest response, with `≥` if censored; a dash when there is none.
pub fn maximum(results: &Results) -> String {
    results.sample().maximum().map_or_else(
        || "–".to_owned(),
        |(ns, bound)| quantity::bounded(ns, bound),
    )
}

/// A group of tenants, by size or by Land.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Tenants that asked for something.
    pub tenants: usize,
    /// How their requests ended.
    pub counts: Counts,
    /// Mean response of the answered; none without any.
    pub mean_ns: Option<f64>,
    /// Largest response of the answered.
    pub max_ns: u64,
    /// Fairness within the group; none when nobody of it was answered.
    pub jain: Option<f64>,
    /// Response and bounds of the class over all steps; empty for a Land, of which no histogram is kept.
    pub response: Latencies,
    /// The same of requests without an answer.
    pub censored: Latencies,
}

/// By size class, the smallest first; classes without a tenant that asked are left out.
pub fn by_class(results: &Results) -> Vec<Group> {
    SizeClass::ALL
        .into_iter()
        .filter_map(|class| {
            let members = results.tenants.iter().filter(|t| t.class() == class);
            let mut group = group_of(class.label(), members);
            for step in results.steps.iter().filter(|step| step.class == class) {
                group.response.merge(&step.response);
                group.censored.merge(&step.censored);
            }
            (group.counts.scheduled > 0).then_some(group)
        })
        .collect()
}

/// By Land in order of name; tenants without one are left out.
pub fn by_land(results: &Results) -> Vec<Group> {
    let mut lands: BTreeMap<&str, Vec<&TenantResult>> = BTreeMap::new();
    for tenant in results.tenants.iter().filter(|t| !t.land.is_empty()) {
        lands.entry(&tenant.land).or_default().push(tenant);
    }
    lands
        .into_iter()
        .map(|(land, members)| group_of(land, members.into_iter()))
        .filter(|group| group.counts.scheduled > 0)
        .collect()
}

fn group_of<'a>(name: &str, members: impl Iterator<Item = &'a TenantResult>) -> Group {
    let mut group = Group {
        name: name.to_owned(),
        ..Group::default()
    };
    let mut sum_ns = 0_u64;
    let mut shares = Vec::new();
    for tenant in members {
        if tenant.counts.scheduled > 0 {
            group.tenants += 1;
            shares.push(share_of(tenant));
        }
        group.counts.add(&tenant.counts);
        group.max_ns = group.max_ns.max(tenant.response_max_ns);
        sum_ns = sum_ns.saturating_add(tenant.response_sum_ns);
    }
    let answered = group.counts.answered;
    group.mean_ns = (answered > 0).then(|| crate::results::counts::ratio(sum_ns, answered));
    group.jain = fairness(&shares).map(|found| found.jain);
    group
}

/// Fairness over all tenants; none without tenants or answers.
pub fn fairness_of(results: &Results) -> Option<Fairness> {
    let shares: Vec<Share> = results.tenants.iter().map(share_of).collect();
    fairness(&shares)
}

/// A tenant's part in the sharing. What the generator did not send is not the target's to answer.
#[expect(clippy::cast_precision_loss, reason = "requests of one tenant")]
pub fn share_of(tenant: &TenantResult) -> Share {
    let demand = tenant
        .counts
        .scheduled
        .saturating_sub(tenant.counts.not_sent);
    Share {
        demand: demand as f64,
        answered: tenant.counts.answered as f64,
        weight: tenant.entitlement,
    }
}

/// Tenants by the share of their requests that were answered, the worst first, at most `limit`; only those below 100 %.
pub fn worst_served(results: &Results, limit: usize) -> Vec<&TenantResult> {
    let served = |tenant: &TenantResult| {
        crate::results::counts::ratio(tenant.counts.answered, tenant.counts.scheduled)
    };
    let mut worst: Vec<&TenantResult> = results
        .tenants
        .iter()
        .filter(|tenant| tenant.counts.answered < tenant.counts.scheduled)
        .collect();
    worst.sort_by(|left, right| {
        served(left)
            .total_cmp(&served(right))
            .then(right.counts.scheduled.cmp(&left.counts.scheduled))
    });
    worst.truncate(limit);
    worst
}
