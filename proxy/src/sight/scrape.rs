//! What a scrape adds to the counters: pools, the busiest tenants, and the tenants on a lease. Bounded whatever the
//! config and the traffic are, and nothing in it comes from a client.

use prometheus::proto::MetricFamily;
use schleuse_core::{FlowKey, ServiceIndex, Timestamp};

use super::{families::Family, launches, pools, signals, top::Rankings, traffic::Traffic};
use crate::{clock, edge::Edge, edge::Live};

/// Tenants of each ranking.
pub const TOP: usize = 10;
/// Services that one lease shows: those in which the tenant got most seats.
pub const SERVICES_PER_LEASE_MAX: usize = 10;
/// Percent, and how Prometheus writes it.
const QUANTILES: [(u64, &str); 2] = [(50, "0.5"), (99, "0.99")];

/// Everything that has a series, by name.
pub fn families(edge: &Edge) -> Vec<MetricFamily> {
    let mut shown: Vec<_> = all(edge).into_iter().filter_map(Family::finish).collect();
    shown.sort_by(|one, other| one.name().cmp(other.name()));
    shown
}

/// Everything, with and without a series.
pub(super) fn all(edge: &Edge) -> Vec<Family> {
    let now = clock::now();
    let live = edge.live();
    let leased = leased(edge, &live, now);
    let mut all = pools::families(&live);
    all.extend(signals::families(edge, &live, now));
    all.extend(launches::families(edge));
    all.extend(busiest(&live, now));
    all.extend(in_full(&leased));
    all.push(leases(edge, now));
    all
}

fn leases(edge: &Edge, now: Timestamp) -> Family {
    let mut family = Family::gauge(
        "leases",
        "Tenants whose metrics are shown in full for a time.",
    );
    family.count(&[], edge.leases.list(now).len() as u64);
    family
}

fn busiest(live: &Live, now: Timestamp) -> [Family; 3] {
    let rankings = Rankings::of(live, TOP, now);
    let mut waiting = Family::gauge(
        "top_waiting",
        "Waiting requests of the tenants with the most.",
    );
    let mut in_flight = Family::gauge(
        "top_in_flight",
        "Requests in flight of the tenants with the most.",
    );
    let mut refused = Family::counter(
        "top_refused_total",
        "Refused requests of the tenants with the most in the last minutes.",
    );
    name(live, rankings.waiting, now, |labels, value, _| {
        waiting.count(labels, value);
    });
    name(live, rankings.in_flight, now, |labels, value, _| {
        in_flight.count(labels, value);
    });
    name(live, rankings.refused, now, |labels, _, traffic| {
        let counts = traffic.runtime.as_ref().map(|runtime| &runtime.counts);
        let total = counts.map_or(0, |counts| counts.refused_by_reason().sum());
        refused.count(labels, total);
    });
    [waiting, in_flight, refused]
}

/// Says each of a ranking with its labels.
fn name(
    live: &Live,
    ranking: Vec<(u64, FlowKey)>,
    now: Timestamp,
    mut say: impl FnMut(&[(&str, &str)], u64, &Traffic<'_>),
) {
    for (value, key) in ranking {
        if let Some(traffic) = Traffic::find(live, key, now) {
            let tenant = traffic.tenant.to_string();
            let labels = [("service", &*traffic.service.name), ("tenant", &*tenant)];
            say(&labels, value, &traffic);
        }
    }
}

/// The offices in charge of the places on a lease, each once.
fn leased<'l>(edge: &Edge, live: &'l Live, now: Timestamp) -> Vec<Traffic<'l>> {
    let mut all = Vec::new();
    for lease in edge.leases.list(now) {
        let indices = (0..).take(live.snapshot.services.len()).map(ServiceIndex);
        let offices = indices.filter_map(|index| {
            let (office, _) = live.snapshot.routes.office(index, lease.place)?;
            Some((index, office))
        });
        let traffic = offices.filter_map(|(index, office)| Traffic::of(live, index, office, now));
        let mut asked: Vec<_> = traffic
            .filter(|traffic| traffic.runtime.is_some())
            .collect();
        asked.sort_by_cached_key(|traffic| std::cmp::Reverse(admitted(traffic)));
        asked.truncate(SERVICES_PER_LEASE_MAX);
        all.extend(asked);
    }
    // Two places may have one office.
    all.sort_by(|one, other| identity(one).cmp(&identity(other)));
    all.dedup_by(|one, other| identity(one) == identity(other));
    all
}

fn admitted(traffic: &Traffic<'_>) -> u64 {
    let runtime = traffic.runtime.as_ref();
    runtime.map_or(0, |runtime| runtime.counts.admitted_total())
}

fn identity<'t>(traffic: &'t Traffic<'_>) -> (&'t str, u64) {
    (&traffic.service.name, traffic.tenant.to_bits())
}

/// Everything that is known of them.
fn in_full(leased: &[Traffic<'_>]) -> Vec<Family> {
    let mut detail = Detail::new();
    for traffic in leased {
        detail.add(traffic);
    }
    detail.finish()
}

/// The families of a tenant on a lease.
struct Detail {
    in_flight: Family,
    waiting: Family,
    held_bytes: Family,
    ahead: Family,
    weight: Family,
    tokens: Family,
    admitted: Family,
    refused: Family,
    left: Family,
    observed: Family,
    wait: Family,
}

impl Detail {
    fn new() -> Self {
        let (gauge, counter) = (Family::gauge, Family::counter);
        Self {
            in_flight: gauge("tenant_in_flight", "Leased tenant: requests in flight."),
            waiting: gauge("tenant_waiting", "Leased tenant: waiting requests."),
            held_bytes: gauge(
                "tenant_held_bytes",
                "Leased tenant: memory of waiting requests.",
            ),
            ahead: gauge(
                "tenant_ahead_seconds",
                "Leased tenant: its finish tag ahead of the pool's virtual time.",
            ),
            weight: gauge("tenant_weight", "Leased tenant: what it counts."),
            tokens: gauge(
                "tenant_tokens",
                "Leased tenant: requests its rate allows at once.",
            ),
            admitted: counter(
                "tenant_admitted_total",
                "Leased tenant: requests that got a seat.",
            ),
            refused: counter(
                "tenant_refused_total",
                "Leased tenant: requests refused, by reason.",
            ),
            left: counter(
                "tenant_left_total",
                "Leased tenant: clients that left while waiting.",
            ),
            observed: counter(
                "tenant_observed_total",
                "Leased tenant: requests that its rate in observe mode let pass.",
            ),
            wait: gauge(
                "tenant_wait_seconds",
                "Leased tenant: waits of the last minutes.",
            ),
        }
    }

    fn add(&mut self, traffic: &Traffic<'_>) {
        let tenant = traffic.tenant.to_string();
        let [service, tenant] = [("service", &*traffic.service.name), ("tenant", &*tenant)];
        let labels = [service, tenant];
        let flow = traffic.flow.as_ref();
        self.in_flight
            .count(&labels, flow.map_or(0, |flow| flow.in_flight.into()));
        self.waiting
            .count(&labels, flow.map_or(0, |flow| flow.waiting.into()));
        self.held_bytes
            .count(&labels, flow.map_or(0, |flow| flow.waiting_bytes));
        self.ahead.add(&labels, flow.map_or(0.0, |flow| flow.ahead));
        self.weight.count(&labels, traffic.weight);
        if let Some(tokens) = traffic.tokens() {
            self.tokens.count(&labels, tokens);
        }
        let Some(runtime) = &traffic.runtime else {
            return;
        };
        let counts = &runtime.counts;
        self.admitted.count(&labels, counts.admitted_total());
        self.left.count(&labels, counts.left_total());
        self.observed.count(&labels, counts.observed_total());
        for (reason, count) in counts.refused_by_reason().all() {
            self.refused
                .count(&[("reason", reason), service, tenant], count);
        }
        let recent = counts.recent.view(traffic.now());
        for (percent, quantile) in QUANTILES {
            if let Some(wait) = recent.wait(percent) {
                self.wait.add(
                    &[("quantile", quantile), service, tenant],
                    wait.as_secs_f64(),
                );
            }
        }
    }

    fn finish(self) -> Vec<Family> {
        vec![
            self.in_flight,
            self.waiting,
            self.held_bytes,
            self.ahead,
            self.weight,
            self.tokens,
            self.admitted,
            self.refused,
            self.left,
            self.observed,
            self.wait,
        ]
    }
}
