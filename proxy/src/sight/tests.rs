//! How much a scrape shows, whatever there is to show.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, time::Duration};

use schleuse_core::{Arrival, Class, FlowKey, Refusal, RegionalKey, ServiceIndex, TenantId};
use tempfile::TempDir;

use super::{families::Family, leases::LEASE_DEFAULT, scrape, traffic::Traffic};
use crate::{
    clock,
    edge::{Edge, Live},
    metrics::Metrics,
    registry::{Arrived, Registry, Tenant},
};

/// A proxy that listens nowhere, with the official register.
fn edge(services: &str, pools: &str) -> (TempDir, Edge) {
    let directory = tempfile::tempdir().unwrap();
    let register = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/register/gemeinden.csv");
    let config = format!(
        "version: 1\nlisteners: [{{ address: \"127.0.0.1:0\" }}]\ntenants: {{ register: \"{}\" }}\n\
         services:\n{services}pools:\n{pools}",
        register.display()
    );
    let path = directory.path().join("schleuse.yaml");
    fs::write(&path, config).unwrap();
    let loaded = schleuse_config::load(&path).unwrap();
    let edge = Edge::new(loaded.snapshot, Registry::new(1), Metrics::new().unwrap());
    (directory, edge.unwrap())
}

/// Two services in a pool in which all tenants have room.
fn shared() -> (TempDir, Edge) {
    edge(
        "  one: { hosts: [one.example], responsible: gemeinde, pool: p }\n  two: { hosts: [two.example], responsible: gemeinde, pool: p }\n",
        "  p: { endpoints: [\"10.0.0.1:80\"], concurrency: 10000, connections_max: 10000, queue: { waiting_max: 30000 } }\n",
    )
}

/// One request of each tenant in each service: counted as let through and as refused, in flight or waiting as long as what
/// comes back lives.
fn occupy<'l>(live: &'l Live, tenants: &[TenantId]) -> Vec<Arrived<'l>> {
    let now = clock::now();
    let mut held = Vec::new();
    for service in &live.services {
        for tenant in tenants {
            let runtime = service.tenant(*tenant);
            runtime.counts.admitted(Duration::ZERO, now);
            runtime.counts.refused(Refusal::TenantRate, now);
            let flow = FlowKey {
                service: service.number,
                tenant: *tenant,
            };
            held.push(live.pools[0].arrive(arrival(flow), None));
        }
    }
    held
}

fn arrival(flow: FlowKey) -> Arrival<'static, Tenant> {
    Arrival {
        flow,
        generation: 0,
        inhabitants: 1,
        class: Class::New,
        // Each tenant's own people: one network would hold no more than its share of the pool.
        client: flow.tenant.to_bits(),
        cost: 1,
        bytes: 1,
        in_flight_max: u32::MAX,
        rate: None,
        preferred: None,
        draw: 0,
    }
}

fn scrape(edge: &Edge) -> String {
    let families = scrape::families(edge);
    String::from_utf8(edge.metrics.encode(&families).unwrap()).unwrap()
}

/// The series of a scrape, each once.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, _)| name);
    let mut series = BTreeSet::new();
    for name in names {
        assert!(series.insert(name), "{name} is there twice");
    }
    series
}

/// All municipalities of the register.
fn places(live: &Live) -> Vec<TenantId> {
    let places = live.snapshot.register.places();
    places.map(TenantId::new).collect()
}

#[test]
fn ten_times_as_many_active_tenants_are_not_one_series_more() {
    let (_directory, edge) = shared();
    let live = edge.live();
    let all = places(&live);
    let (few, many) = all.split_at(all.len() / 10);
    // The seats are taken first, so that somebody waits in both scrapes.
    let _in_flight = occupy(&live, &vec![few[0]; 5_000]);
    let _few = occupy(&live, few);
    for place in few.iter().take(16) {
        edge.leases
            .grant(place.key(), LEASE_DEFAULT, clock::now())
            .unwrap();
    }
    let before = scrape(&edge);
    let before = series(&before);
    let _many = occupy(&live, many);
    assert!(live.pools[0].queue().active_flows > 21_000);
    let after = scrape(&edge);
    assert_eq!(series(&after).len(), before.len());
    assert!(before.len() < 1_500, "{}", before.len());
}

#[test]
fn six_hundred_services_and_pools_stay_below_60_000_series() {
    let (mut services, mut pools) = (String::new(), String::new());
    for number in 0..600 {
        let _ = writeln!(
            services,
            "  s{number}: {{ hosts: [s{number}.example], responsible: gemeinde, pool: p{number} }}"
        );
        let _ = writeln!(pools, "  p{number}: {{ endpoints: [\"10.0.0.1:80\"] }}");
    }
    let (_directory, edge) = edge(&services, &pools);
    let live = edge.live();
    let places = places(&live);
    let _held = occupy(&live, &places[..20]);
    for place in places.iter().take(16) {
        edge.leases
            .grant(place.key(), LEASE_DEFAULT, clock::now())
            .unwrap();
    }
    let text = scrape(&edge);
    let series = series(&text);
    assert!(series.len() < 60_000, "{}", series.len());
    assert!(series.contains("schleuse_pool_waiting{pool=\"p499\"}"));
    assert!(!series.contains("schleuse_pool_waiting{pool=\"p500\"}"));
    assert!(series.contains("schleuse_pool_waiting{pool=\"(others)\"}"));
}

#[test]
fn docs_metrics_md_lists_exactly_the_families() {
    let (_directory, edge) = shared();
    // A registered family in which no label has a value yet is not in the text.
    edge.metrics
        .service("any")
        .answered("GET", 200, Duration::ZERO);
    edge.metrics.refused(Refusal::UnknownHost);
    edge.metrics.probes.with_label_values(&["ok"]).inc();
    let text = String::from_utf8(edge.metrics.encode(&[]).unwrap()).unwrap();
    let registered = text.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    });
    let scraped = scrape::all(&edge);
    let scraped = scraped.iter().map(Family::name_and_kind);
    let shown: BTreeSet<_> = registered.chain(scraped).collect();
    let documented: BTreeSet<_> = include_str!("../../../docs/metrics.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`');
            Some((name.to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert_eq!(documented, shown);
}

#[test]
fn a_weight_is_shown_as_the_pool_counts_it() {
    for (fair_by, expected) in [
        ("population", 3_685_265),
        ("square_root", 1_919),
        ("equal", 1),
        ("none", 1),
    ] {
        let (_directory, edge) = edge(
            "  one: { hosts: [one.example], responsible: gemeinde, pool: p }\n",
            &format!("  p: {{ endpoints: [\"10.0.0.1:80\"], queue: {{ fair_by: {fair_by} }} }}\n"),
        );
        let live = edge.live();
        let berlin = TenantId::new(RegionalKey::parse_ars("110000000000").unwrap());
        let shown = Traffic::of(&live, ServiceIndex(0), berlin, clock::now()).unwrap();
        assert_eq!(shown.weight, expected, "{fair_by}");
    }
}
