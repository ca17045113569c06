//! Whole explanations, against configs as operators write them.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

const REGISTER: &str = "ars,name,bevoelkerung\n\
    110000000000,\"Berlin, Stadt\",3685265\n\
    064120000000,\"Frankfurt am Main, Stadt\",756021\n\
    053150000000,\"Köln, Stadt\",1024621\n\
    020000000000,\"Hamburg, Freie und Hansestadt\",1862565\n\
    010545459039,Gröde,7\n";

/// A service `w` with everything that an explanation may show; `more` are further lines of it.
fn yaml(more: &str) -> String {
    format!(
        "version: 1
listeners: [{{ address: 127.0.0.1:8080 }}, {{ address: 127.0.0.1:8081, redirect_https: true }}]
trusted_proxies: [10.0.0.0/8]
client: {{ ipv4_prefix: 24, ipv6_prefix: 48 }}
tenants: {{ register: gemeinden.csv, overrides: {{ \"110000000000\": {{ weight: 2000000 }} }} }}
services:
  w:
    hosts: [w.example, \"*.w.example\"]
    responsible: gemeinde
    tenant_from: [host, path, query, cookie, header]
    tenant_header: X-Ars
    pool: shared
    pools_by_tenant: {{ \"064120000000\": own, \"053150000000\": scaled, \"020000000000\": found }}
    body_max: 1KiB
    limits:
      tenant: {{ rate: 5/s, rate_per_1000_inhabitants: 0.2/s, burst: 2s, in_flight: 10 }}
      client: {{ rate: 10/s, burst: 20, mode: observe }}
    costs: [{{ path: /upload/, method: POST, cost: 4 }}]
    request: {{ strip_prefix: true, headers: {{ set: {{ X-Mandant: \"{{tenant.ars}}\" }}, remove: [X-Debug] }} }}
{more}
pools:
  shared: {{ endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\"], concurrency: 20, queue: {{ fair_by: square_root }} }}
  own: {{ endpoints: [\"10.0.0.3:80\"], queue: {{ waiting_max: 1 }} }}
  scaled: {{ concurrency: 20, scale: {{ min: 0, max: 40, process: {{ command: [a, \"{{port}}\"] }} }} }}
  found: {{ concurrency: 20, discovery: {{ file: e.json }} }}
"
    )
}

fn explained(
    more: &str,
    method: &str,
    url: &str,
    fields: &[&str],
    from: Option<&str>,
) -> (Value, u8) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("schleuse.yaml");
    fs::write(directory.path().join("gemeinden.csv"), REGISTER).unwrap();
    fs::write(&path, yaml(more)).unwrap();
    let loaded = schleuse_config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let options = Options {
        method: method.to_owned(),
        url: url.to_owned(),
        header: fields.iter().map(|&field| field.to_owned()).collect(),
        from: from.map(|address| address.parse().unwrap()),
        live: None,
    };
    let explained = explain(&options, Format::Json, &path, &loaded.snapshot);
    assert_eq!(explained.complaint, None);
    (
        serde_json::from_str(&explained.text).unwrap(),
        explained.code,
    )
}

fn get(url: &str) -> Value {
    let (explanation, code) = explained("", "GET", url, &[], None);
    assert_eq!(code, 0, "{explanation}");
    explanation
}

/// The label of the refusal.
fn refused_with(more: &str, url: &str, fields: &[&str], from: Option<&str>) -> String {
    let (explanation, code) = explained(more, "GET", url, fields, from);
    assert_eq!(code, 1, "{explanation}");
    let verdict = &explanation["verdict"];
    assert_eq!(verdict["outcome"], "refused");
    for part in ["status", "why", "remedy", "citizen"] {
        assert!(!verdict[part].is_null(), "{verdict}");
    }
    verdict["label"].as_str().unwrap().to_owned()
}

fn step<'e>(explanation: &'e Value, name: &str) -> &'e Value {
    let steps = explanation["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name);
    step.unwrap_or_else(|| panic!("no step {name}: {explanation}"))
}

fn number(step: &Value, fact: &str) -> f64 {
    step["facts"][fact]
        .as_f64()
        .unwrap_or_else(|| panic!("no {fact}: {step}"))
}

#[test]
fn each_way_of_naming_the_tenant_is_said() {
    for (url, way) in [
        ("http://berlin.w.example/", "host"),
        ("http://w.example/11000000/", "path"),
        ("http://w.example/?ars=110000000000", "query"),
    ] {
        let explanation = get(url);
        let tenant = step(&explanation, "tenant");
        assert_eq!(tenant["facts"]["ars"], "110000000000");
        assert_eq!(tenant["facts"]["way"], way, "{tenant}");
    }
    let cookie = ["Cookie: schleuse-tenant=110000000000"];
    let (explanation, _) = explained("", "GET", "http://w.example/", &cookie, None);
    assert_eq!(step(&explanation, "tenant")["facts"]["way"], "cookie");
}

#[test]
fn a_tenants_header_is_believed_from_a_trusted_proxy_only() {
    let fields = ["X-Ars: 110000000000"];
    let (explanation, code) = explained("", "GET", "http://w.example/", &fields, Some("10.0.0.1"));
    assert_eq!(code, 0);
    assert_eq!(step(&explanation, "tenant")["facts"]["way"], "header");
    for from in [None, Some("192.0.2.1")] {
        assert_eq!(
            refused_with("", "http://w.example/", &fields, from),
            "no_tenant"
        );
    }
    let url = "http://berlin.w.example/";
    let (explanation, _) = explained("", "GET", url, &fields, Some("192.0.2.1"));
    let reason = step(&explanation, "tenant")["reason"].to_string();
    assert!(reason.contains("X-Ars is not believed"), "{reason}");
}

#[test]
fn the_tenants_rate_is_computed_from_its_inhabitants() {
    let berlin = get("http://berlin.w.example/");
    let rate = step(&berlin, "tenant rate");
    assert!(
        (number(rate, "rate_per_second") - 742.053).abs() < 1e-6,
        "{rate}"
    );
    assert!((number(rate, "burst") - 1484.106).abs() < 1e-6, "{rate}");
    assert_eq!(rate["facts"]["inhabitants"], 3_685_265);
    let groede = get("http://groede.w.example/");
    let rate = step(&groede, "tenant rate");
    assert!(
        (number(rate, "rate_per_second") - 5.0014).abs() < 1e-9,
        "{rate}"
    );
}

#[test]
fn a_weight_is_the_overrides_or_the_inhabitants_and_counts_by_its_root() {
    let berlin = get("http://berlin.w.example/");
    let weight = step(&berlin, "weight");
    assert_eq!(weight["facts"]["weight"], 2_000_000);
    assert_eq!(weight["facts"]["own_weight"], true);
    assert_eq!(weight["decision"], "1,414");
    let groede = get("http://groede.w.example/");
    assert_eq!(step(&groede, "weight")["facts"]["weight"], 7);
}

#[test]
fn a_tenant_with_its_own_pool_is_told_from_those_that_share() {
    let frankfurt = get("http://w.example/064120000000/");
    let pool = step(&frankfurt, "pool");
    assert_eq!(
        (&pool["facts"]["name"], &pool["facts"]["own"]),
        (&"own".into(), &true.into())
    );
    assert_eq!(step(&frankfurt, "queue")["facts"]["waiting_max"], 1);
    assert_eq!(frankfurt["verdict"]["pool"], "own");
    let berlin = get("http://berlin.w.example/");
    let pool = step(&berlin, "pool");
    assert_eq!(
        (&pool["facts"]["own"], &pool["facts"]["seats"]),
        (&false.into(), &40.into())
    );
}

#[test]
fn of_endpoints_that_come_and_go_it_says_how_many_seats_there_can_be() {
    let scaled = get("http://w.example/053150000000/");
    let facts = &step(&scaled, "pool")["facts"];
    assert_eq!(
        (&facts["seats"], &facts["seats_max"]),
        (&Value::Null, &800.into())
    );
    let queue = step(&scaled, "queue")["reason"].as_str().unwrap();
    assert!(
        queue.contains("while all seats that there are (at most 800) are taken"),
        "{queue}"
    );
    let found = get("http://w.example/020000000000/");
    let facts = &step(&found, "pool")["facts"];
    assert_eq!(
        (&facts["seats"], &facts["seats_max"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(facts["seats_per_endpoint"], 20);
}

#[test]
fn a_heavy_route_is_found_behind_the_tenants_segment() {
    let url = "http://w.example/110000000000/upload/1";
    let (explanation, _) = explained("", "POST", url, &[], None);
    assert_eq!(step(&explanation, "cost")["facts"]["cost"], 4);
    assert_eq!(step(&get(url), "cost")["facts"]["cost"], 1);
}

#[test]
fn what_goes_out_is_shown_as_the_backend_gets_it() {
    let explanation = get("http://w.example/110000000000/a?b=c");
    let facts = &step(&explanation, "goes out as")["facts"];
    assert_eq!(facts["request_line"], "GET /a?b=c HTTP/1.1");
    assert_eq!(facts["set"]["X-Mandant"], "110000000000");
    assert_eq!(facts["set"]["Schleuse-Tenant"], "110000000000");
    assert_eq!(facts["removed"][0], "x-debug");
}

#[test]
fn a_clients_limits_hold_for_its_network() {
    for (from, network) in [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
    ] {
        let url = "http://berlin.w.example/";
        let (explanation, _) = explained("", "GET", url, &[], Some(from));
        let rate = step(&explanation, "client rate");
        assert_eq!(rate["facts"]["network"], network);
        assert_eq!(rate["decision"], "10/s, 20 at once, observed only");
    }
    let forwarded = ["X-Forwarded-For: 192.0.2.77"];
    let url = "http://berlin.w.example/";
    let (explanation, _) = explained("", "GET", url, &forwarded, Some("10.0.0.1"));
    assert_eq!(step(&explanation, "client")["decision"], "192.0.2.77");
}

#[test]
fn every_reason_that_can_be_foreseen_ends_in_its_refusal() {
    let allowed = "    allow_from: [192.0.2.0/24]";
    for (more, url, fields, from, label) in [
        ("", "http://other.example/", &[][..], None, "unknown_host"),
        ("", "http://w.example/", &[], None, "no_tenant"),
        (
            "",
            "http://w.example/064110000000/",
            &[],
            None,
            "unknown_tenant",
        ),
        ("", "http://w.example/06412/", &[], None, "key_too_short"),
        (
            "",
            "http://berlin.w.example/064120000000/",
            &[],
            None,
            "contradicting_tenants",
        ),
        (
            "",
            "http://w.example/?ars=110000000000&ars=1",
            &[],
            None,
            "repeated_key",
        ),
        ("", "http://w.example/a/../b", &[], None, "bad_path"),
        (
            "",
            "http://berlin.w.example/",
            &["Content-Length: 1025"],
            None,
            "body_too_large",
        ),
        (
            "",
            "http://berlin.w.example/",
            &["Content-Length: x"],
            None,
            "bad_content_length",
        ),
        (
            allowed,
            "http://berlin.w.example/",
            &[],
            Some("198.51.100.1"),
            "not_allowed",
        ),
    ] {
        assert_eq!(refused_with(more, url, fields, from), label, "{url}");
    }
    let (explanation, code) = explained(
        allowed,
        "GET",
        "http://berlin.w.example/",
        &[],
        Some("192.0.2.1"),
    );
    assert_eq!(code, 0);
    assert_eq!(step(&explanation, "network")["decision"], "allowed");
}

#[test]
fn a_redirect_ends_the_way_and_is_no_refusal() {
    let explanation = get("http://w.example:8081/a?b");
    assert_eq!(explanation["verdict"]["outcome"], "redirected");
    assert_eq!(explanation["verdict"]["location"], "https://w.example/a?b");
}

#[test]
fn text_and_json_say_the_same_steps() {
    let explanation = Explanation {
        method: "GET".to_owned(),
        url: "http://w.example/".to_owned(),
        steps: Steps(vec![
            step::Step::new("service", "w", "one\ntwo").fact("name", "w"),
        ]),
        verdict: refused(Refusal::NoTenant, "nothing names one"),
    };
    let text = render::text(&explanation);
    assert!(
        text.starts_with(
            "GET http://w.example/\n\nservice      w\n             one\n             two\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("=> refused with 404, no_tenant: nothing names one"),
        "{text}"
    );
    assert!(text.contains("Ihr Ort fehlt noch"), "{text}");
    let json: Value = serde_json::from_str(&render::json(&explanation)).unwrap();
    assert_eq!(json["steps"][0]["facts"]["name"], "w");
    assert_eq!(json["verdict"]["status"], 404);
}

#[test]
fn docs_operations_md_shows_what_is_printed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("schleuse.yaml");
    fs::write(directory.path().join("gemeinden.csv"), REGISTER).unwrap();
    let yaml = "version: 1
listeners: [{ address: 0.0.0.0:80 }]
tenants: { register: gemeinden.csv }
services:
  wohngeld:
    hosts: [wohngeld.example]
    responsible: gemeinde
    pool: wohngeld
    request: { strip_prefix: true, headers: { set: { X-Mandant: \"{tenant.ars}\" } } }
    limits: { tenant: { rate: 5/s, rate_per_1000_inhabitants: 0.2/s, in_flight: 10 }, client: { rate: 10/s, burst: 20 } }
    costs: [{ path: /upload/, method: POST, cost: 4 }]
pools:
  wohngeld: { endpoints: [\"10.0.0.1:8080\"], concurrency: 20 }
";
    fs::write(&path, yaml).unwrap();
    let loaded = schleuse_config::load(&path).unwrap();
    let options = Options {
        method: "POST".to_owned(),
        url: "http://wohngeld.example/01054039/upload/".to_owned(),
        header: Vec::new(),
        from: Some("192.0.2.7".parse().unwrap()),
        live: None,
    };
    let printed = explain(
        &options,
        Format::Text,
        Path::new("schleuse.yaml"),
        &loaded.snapshot,
    );
    let page = include_str!("../../../docs/operations.md");
    let command = format!("$ schleuse explain POST {} --from 192.0.2.7\n", options.url);
    let (_, shown) = page.split_once(&command).unwrap();
    let (shown, _) = shown.split_once("\n```").unwrap();
    assert_eq!(shown, printed.text);
}
