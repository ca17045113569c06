//! Where endpoints come from: exactly one source, and what each needs.

use std::time::Duration;

use schleuse_config::{Discovery, Dns, DnsQuestion, ScaleWay};

use crate::support::{BODY, HEAD, Site, body_problems};

const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

/// The pool of `BODY` with these keys instead of its endpoints.
fn body(pool: &str) -> String {
    BODY.replace("endpoints: [\"10.0.0.1:80\"]", pool)
}

fn pool_problems(pool: &str) -> String {
    body_problems(&body(pool))
}

fn site(pool: &str) -> Site {
    Site::new(format!("{HEAD}{}", body(pool)))
}

#[test]
fn a_pool_has_exactly_one_source_of_endpoints() {
    assert_eq!(
        pool_problems("concurrency: 2"),
        "schleuse.yaml:7:6: pools.a: has no endpoints; write `endpoints: [\"10.0.0.1:8080\"]`, `discovery` or `scale.process`"
    );
    let webhook = "scale: { webhook: { url: \"https://a.example\", secret: { file: k } } }";
    let only_told = site(webhook);
    only_told.write("k", KEY);
    assert!(only_told.problems().contains("pools.a: has no endpoints;"));
    let dns = "discovery: { dns: { name: a.example, port: 80 } }";
    let process = "scale: { process: { command: [\"true\"] } }";
    assert_eq!(
        pool_problems(&format!("endpoints: [\"10.0.0.1:80\"], {dns}, {process}")),
        "\
schleuse.yaml:7:47: pools.a.discovery: the endpoints come from `endpoints` already, line 7; keep one of the two
schleuse.yaml:7:105: pools.a.scale.process: the endpoints come from `endpoints` already, line 7; keep one of the two"
    );
}

#[test]
fn names_are_asked_for_with_a_port_or_as_services() {
    let discovery = |dns: &str| {
        let snapshot = site(&format!("discovery: {{ dns: {{ {dns} }} }}"))
            .loaded()
            .snapshot;
        assert!(snapshot.pools[0].endpoints.is_empty());
        snapshot.pools[0].discovery.clone().unwrap()
    };
    assert_eq!(
        discovery("name: a.svc.cluster.local, port: 8080"),
        Discovery::Dns(Dns {
            question: DnsQuestion::Addresses {
                name: "a.svc.cluster.local".to_owned(),
                port: 8080
            },
            resolver: None
        })
    );
    assert_eq!(
        discovery("srv: _http._tcp.a.example, resolver: \"127.0.0.1:53\""),
        Discovery::Dns(Dns {
            question: DnsQuestion::Services {
                name: "_http._tcp.a.example".to_owned()
            },
            resolver: Some("127.0.0.1:53".parse().unwrap())
        })
    );
}

#[test]
fn a_question_that_cannot_be_asked_is_refused() {
    for (discovery, problem) in [
        ("{}", "discovery: looks nowhere; write `dns` or `file`"),
        (
            "{ dns: { name: a, port: 1 }, file: f }",
            "discovery: has both `dns` and `file`; keep one of the two",
        ),
        (
            "{ dns: { port: 80 } }",
            "dns.name: asks for nothing; write `name` or `srv`",
        ),
        (
            "{ dns: { name: a.example } }",
            "dns.port: is missing; write the endpoints' port, or use `srv`",
        ),
        (
            "{ dns: { srv: _a._b.c, port: 80 } }",
            "dns.port: SRV records bring their ports; remove it",
        ),
        (
            "{ dns: { name: a, port: 80, srv: _a._b.c } }",
            "dns.srv: has both `name` and `srv`; keep one of the two",
        ),
        (
            "{ dns: { srv: a.example } }",
            "dns.srv: a.example names no service; write it as _http._tcp.wohngeld.internal",
        ),
        (
            "{ dns: { name: 10.0.0.1, port: 80 } }",
            "dns.name: `10.0.0.1` is an address; write it into `endpoints`: nothing is to be looked up",
        ),
        (
            "{ dns: { name: a, port: 0 } }",
            "dns.port: 0 is too small; write at least 1",
        ),
        (
            "{ dns: { name: a, port: 80, resolver: 10.0.0.1 } }",
            "dns.resolver: `10.0.0.1` has no port; write one, as \"10.0.0.1:8080\"",
        ),
    ] {
        let problems = pool_problems(&format!("discovery: {discovery}"));
        assert!(problems.ends_with(problem), "{discovery}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[test]
fn a_file_of_endpoints_may_come_later_and_is_no_part_of_the_config() {
    let site = site("discovery: { file: list.json }");
    let warnings = site.warnings();
    assert_eq!(
        warnings,
        [
            "schleuse.yaml:7:27: pools.a.discovery.file: list.json: does not exist; check the path; relative ones start at the config's directory; until that is mended the pool has no endpoints"
        ]
    );
    let before = site.loaded().snapshot.hash;
    site.write("list.json", "[\"10.0.0.1:80\"]");
    assert!(site.warnings().is_empty());
    assert_eq!(site.loaded().snapshot.hash, before);
}

#[test]
fn a_process_is_found_from_the_directory_of_the_config() {
    let site = site(
        "scale: { process: { command: [./serve, \"{port}\"], directory: ., env: { A: \"1\" } }, min: 3 }",
    );
    let scale = site.loaded().snapshot.pools[0].scale.clone().unwrap();
    let ScaleWay::Process(template) = scale.way else {
        panic!("{scale:?}");
    };
    assert_eq!(scale.policy.min, 3);
    assert!(template.command[0].starts_with('/') && template.command[0].ends_with("/serve"));
    assert_eq!(template.command[1], "{port}");
    assert_eq!(template.env, [("A".to_owned(), "1".to_owned())]);
    assert!(template.directory.as_ref().unwrap().is_absolute());
    assert_eq!(template.stop_signal, "SIGTERM");
    assert_eq!(template.drain_max, Duration::from_secs(30));
}

#[test]
fn a_command_that_cannot_be_run_is_refused() {
    for (process, problem) in [
        (
            "{}",
            "scale.process: `command` is missing; write command: [./antrag-server, --port, \"{port}\"]",
        ),
        (
            "{ command: [] }",
            "command: names no program; write [PROGRAM, ARGUMENT, …]",
        ),
        (
            "{ command: [\"a\\0b\"] }",
            "command[0]: holds a NUL byte; no argument can hold it",
        ),
        (
            "{ command: [a], env: { PORT: \"1\" } }",
            "env.PORT: is set by Schleuse; remove it, or pass \"{port}\" in `command` as well",
        ),
        (
            "{ command: [a], env: { \"A=B\": \"1\" } }",
            "env.A=B: `A=B` is not the name of a variable; use letters, digits and _",
        ),
        (
            "{ command: [a], stop_signal: SIGKILL }",
            "stop_signal: `SIGKILL` is not known; write one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2",
        ),
    ] {
        let problems = pool_problems(&format!("scale: {{ process: {process} }}"));
        assert!(problems.ends_with(problem), "{process}: {problems}");
    }
    let nobody = pool_problems("endpoints: [\"10.0.0.1:80\"], scale: { min: 2 }");
    assert!(
        nobody.ends_with(
            "pools.a.scale: names nobody who scales; write `process`, `webhook` or `keda`"
        )
    );
}

#[test]
fn a_webhook_has_a_url_and_a_key() {
    let pool = "endpoints: [\"10.0.0.1:80\"], scale: { webhook: { url: \"https://a.example:8443/x?y\", secret: { file: k } } }";
    let site = site(pool);
    site.write("k", KEY);
    let scale = site.loaded().snapshot.pools[0].scale.clone().unwrap();
    let ScaleWay::Webhook(webhook) = scale.way else {
        panic!("{scale:?}");
    };
    assert_eq!(
        (webhook.tls, &*webhook.host, webhook.port, &*webhook.target),
        (true, "a.example", 8443, "/x?y")
    );
    assert_eq!(&*webhook.secret.0, b"0123456789abcdef0123456789abcdef");
    assert_eq!(format!("{:?}", webhook.secret), "WebhookSecret(..)");
    site.write("k", "0123456789abcdef0123456789abcdef");
    assert!(site.problems().ends_with(
        "the key is not `whsec_` and 24 to 64 bytes in base64; make one: echo whsec_$(openssl rand -base64 32)"
    ));
}

#[test]
fn orders_over_plain_http_are_warned_about_beyond_this_machine() {
    let warnings = |url: &str| {
        let site = site(&format!(
            "endpoints: [\"10.0.0.1:80\"], scale: {{ webhook: {{ url: \"{url}\", secret: {{ file: k }} }} }}"
        ));
        site.write("k", KEY);
        site.warnings().len()
    };
    assert_eq!(warnings("http://scaler.example/"), 1);
    assert_eq!(warnings("http://127.0.0.1:9/"), 0);
    assert_eq!(warnings("https://scaler.example/"), 0);
}
