//! What `/metrics` counts: what happened, under names that are documented, in a bounded number of series.

use std::{collections::BTreeSet, fs};

use schleuse_tests::{Edge, Origin, RunningEdge, binary::repository};

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
    assert_eq!(edge.count(&requests("GET", "2xx")), 3);
    assert_eq!(
        edge.count("schleuse_request_duration_seconds_count{service=\"wohngeld\"}"),
        3
    );
    assert_eq!(
        edge.count("schleuse_refused_total{reason=\"unknown_host\"}"),
        1
    );
    assert_eq!(edge.count("schleuse_connections_total"), 1);
    assert_eq!(edge.count("schleuse_connections_open"), 1);
    assert_eq!(edge.count("schleuse_requests_in_flight"), 0);
    assert_eq!(edge.count("schleuse_upstream_connections_total"), 1);
    assert_eq!(edge.count("schleuse_upstream_reused_total"), 2);
}

#[test]
fn p38_methods_that_clients_invent_reach_the_backend_and_are_one_series() {
    let origin = Origin::echo();
    let edge = before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.get(HOST, "/").status, 200);
    let series = edge.metrics().series.len();
    for number in 0..50 {
        client.send(format!(
            "BREW{number} / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.response().json()["method"], format!("BREW{number}"));
    }
    let metrics = edge.metrics();
    assert_eq!(metrics.series.len(), series);
    assert!((metrics.value(&requests("other", "2xx")) - 50.0).abs() < 0.5);
}

#[test]
fn p38_hosts_and_tenants_that_clients_invent_are_one_series() {
    let origin = Origin::ok("fine");
    let edge = before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.get("x.example", "/").status, 404);
    assert_eq!(client.get("999999999999.wohngeld.example", "/").status, 404);
    let series = edge.metrics().series.len();
    for number in 0..50 {
        assert_eq!(client.get(&format!("x{number}.example"), "/").status, 404);
        assert_eq!(
            client
                .get(&format!("9999999999{number:02}.wohngeld.example"), "/")
                .status,
            404
        );
    }
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
    let origin = Origin::ok("fine");
    let edge = Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[origin.address()], "health: { path: / }")
        .start();
    // A family with labels shows once something was counted.
    assert_eq!(edge.get("unknown.example", "/").status, 404);
    edge.wait_metric("schleuse_probes_total{result=\"ok\"}", 1.0);
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
    assert_eq!(
        documented(),
        registered,
        "left: docs/metrics.md, right: the proxy"
    );
    assert!(
        metrics.help.keys().eq(metrics.families.keys()),
        "each has its help"
    );
}
