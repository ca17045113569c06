//! What `/metrics` counts: what happened, under names that are documented, in a bounded number of series.

use std::{collections::BTreeSet, fs};

use schleuse_tests::{Edge, Gate, Origin, RunningEdge, binary::repository, eventually};

use crate::full_pool::gated;

const HOST: &str = "110000000000.wohngeld.example";

fn before(origin: &Origin) -> RunningEdge {
    Edge::new().origin(origin.address()).start()
}

fn requests(method: &str, code: &str) -> String {
    format!("schleuse_requests_total{{code=\"{code}\",method=\"{method}\",service=\"wohngeld\"}}")
}

#[test]
fn requests_refusals_and_connections_are_counted() {
    let origin = Origin::ok("fine");
    let edge = before(&origin);
    let mut client = edge.connect();
    for _ in 0..3 {
        assert_eq!(client.get(HOST, "/").status, 200);
    }
    assert_eq!(client.get("unknown.example", "/").status, 404);
    // A request is counted when it has ended, which a client may see before.
    for (series, count) in [
        (&*requests("GET", "2xx"), 3),
        (
            "schleuse_request_duration_seconds_count{service=\"wohngeld\"}",
            3,
        ),
        ("schleuse_refused_total{reason=\"unknown_host\"}", 1),
        ("schleuse_requests_in_flight", 0),
        ("schleuse_connections_total", 1),
        ("schleuse_connections_open", 1),
        ("schleuse_upstream_connections_total", 1),
        ("schleuse_upstream_reused_total", 2),
    ] {
        eventually(series, || edge.count(series) == count);
    }
}

#[test]
fn p38_methods_that_clients_invent_reach_the_backend_and_are_one_series() {
    let origin = Origin::echo();
    let edge = before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.get(HOST, "/").status, 200);
    let series = edge.metrics().series.len();
    for number in 0..50 {
        let line = format!("BREW{number} / HTTP/1.1");
        client.send(format!(
            "{line}\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.response().json()["method"], format!("BREW{number}"));
    }
    let other = requests("other", "2xx");
    eventually("all are counted as one", || edge.count(&other) == 50);
    assert_eq!(edge.metrics().series.len(), series);
}

#[test]
fn p38_hosts_and_tenants_that_clients_invent_are_one_series() {
    let origin = Origin::ok("fine");
    let edge = before(&origin);
    let mut client = edge.connect();
    let mut refuse = |number: usize| {
        for host in [
            format!("x{number}.example"),
            format!("9999999999{number:02}.wohngeld.example"),
        ] {
            assert_eq!(client.get(&host, "/").status, 404);
        }
    };
    refuse(0);
    edge.wait_sum("schleuse_refused_total", 2.0);
    let series = edge.metrics().series.len();
    (1..50).for_each(&mut refuse);
    edge.wait_sum("schleuse_refused_total", 100.0);
    assert_eq!(edge.metrics().series.len(), series);
}

/// Name, type and labels of each family, as the table in `docs/metrics.md` has them.
fn documented() -> BTreeSet<(String, String, BTreeSet<String>)> {
    let page = fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `schleuse_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3]
            .split(',')
            .map(|label| label.trim().trim_matches('`'));
        let labels = labels
            .filter(|label| *label != "–")
            .map(str::to_owned)
            .collect();
        (
            cells[1].trim_matches('`').to_owned(),
            cells[2].to_owned(),
            labels,
        )
    })
    .collect()
}

#[test]
fn docs_metrics_md_lists_exactly_the_families_with_their_types_and_labels() {
    let gate = Gate::default();
    let origin = gated(&gate);
    let scaled = Origin::ok("fine");
    let pool = "health: {}\nconcurrency: 1\nslow_start: 0s\nqueue: { waiting_max: 1, waiting_per_tenant_max: 1 }";
    let edge = Edge::new()
        .service("wohngeld", "limits: { tenant: { rate: 100/s, burst: 9 } }")
        .pool("wohngeld", &[origin.address()], pool)
        .service("scaled", "")
        .pool(
            "scaled",
            &[],
            "discovery: { file: list }\nscale: { keda: {} }",
        )
        .file("list", format!("[\"{}\"]", scaled.address()))
        .start();
    // What a pool needs, and how long it takes, is known once something was served and decided.
    let served = || edge.get("110000000000.scaled.example", "/").status == 200;
    eventually("the scaled pool's endpoint is found", served);
    edge.wait_sum("schleuse_signal_service_time_seconds", f64::MIN_POSITIVE);
    // A family with labels shows once something was counted: one in flight, one that waits, one refused, one on a lease.
    let mut clients = [edge.connect(), edge.connect(), edge.connect()];
    for (client, waiting) in clients.iter_mut().zip([0, 1, 1]) {
        client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        eventually("it is in flight, waits or is refused", || {
            let waits = edge.count("schleuse_pool_waiting{pool=\"wohngeld\"}") == waiting;
            waits && edge.count("schleuse_pool_in_flight{pool=\"wohngeld\"}") == 1
        });
    }
    edge.wait_sum("schleuse_top_refused_total", 1.0);
    edge.wait_sum("schleuse_probes_total", 1.0);
    assert_eq!(edge.post("/api/v1/tenants/110000000000/lease").status, 200);
    let metrics = edge.metrics();
    let labels = |family: &str| {
        let series = metrics.series.keys().filter(|series| {
            let name = series.split('{').next().unwrap_or_default();
            let name = name
                .strip_suffix("_bucket")
                .or(name.strip_suffix("_sum"))
                .unwrap_or(name);
            name.strip_suffix("_count").unwrap_or(name) == family
        });
        let pairs = series
            .filter_map(|series| series.split_once('{'))
            .flat_map(|(_, labels)| labels.split(','));
        let names = pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, _)| name.to_owned());
        names.filter(|name| name != "le").collect::<BTreeSet<_>>()
    };
    let registered = metrics
        .families
        .iter()
        .map(|(name, kind)| (name.clone(), kind.clone(), labels(name)))
        .collect::<BTreeSet<_>>();
    // Those of a launch show while one is announced: tests/launches.rs.
    let mut documented = documented();
    documented.retain(|(name, ..)| !name.starts_with("schleuse_launch_"));
    assert_eq!(
        documented, registered,
        "left: docs/metrics.md, right: the proxy"
    );
    assert!(
        metrics.help.keys().eq(metrics.families.keys()),
        "each has its help"
    );
    gate.open();
}
