//! `schleuse explain` tells what the running proxy then does: same tenant, same pool, same refusal, same request line.

use std::{path::Path, process::Command};

use schleuse_tests::{
    Edge, Origin, RunningEdge,
    binary::{self, Finished, finish, run},
};
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef";

/// Two services, a tenant with its own pool and host, limits, a cut prefix.
fn edge(shared: &Origin, own: &Origin) -> Edge {
    Edge::new()
        .service(
            "wohngeld",
            "pools_by_tenant: { \"064120000000\": frankfurt }\n\
             request: { strip_prefix: true, add_prefix: /antrag }\n\
             limits: { tenant: { rate: 50/s, rate_per_1000_inhabitants: 1/s, in_flight: 20 } }",
        )
        .service("meldung", "responsible: kreis\npool: wohngeld\nallow_from: [192.0.2.0/24]")
        .pool("wohngeld", &[shared.address()], "")
        .pool("frankfurt", &[own.address()], "")
        .tenants("overrides: { \"110000000000\": { hosts: [antrag.berlin.example], service: wohngeld } }")
}

/// The explanation of a GET, for a client on this machine.
fn explained(directory: &Path, url: &str, more: &[&str]) -> (Value, Option<i32>) {
    let mut arguments = vec![
        "explain",
        "GET",
        url,
        "--from",
        "127.0.0.1",
        "--format",
        "json",
    ];
    arguments.extend(more);
    let finished = run(directory, &arguments);
    let explanation = serde_json::from_str(&finished.stdout);
    let explanation = explanation.unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    (explanation, finished.code)
}

fn fact<'e>(explanation: &'e Value, step: &str, name: &str) -> &'e Value {
    let steps = explanation["steps"].as_array().unwrap();
    let step = steps.iter().find(|known| known["name"] == step);
    &step.unwrap_or_else(|| panic!("{explanation}"))["facts"][name]
}

#[test]
fn what_is_explained_is_what_the_backend_gets() {
    let (shared, own) = (Origin::ok("wohngeld"), Origin::ok("frankfurt"));
    let running = edge(&shared, &own).start();
    for (host, target, pool) in [
        ("berlin.wohngeld.example", "/a?b=c", "wohngeld"),
        ("antrag.berlin.example", "/", "wohngeld"),
        ("wohngeld.example", "/11000000/form", "wohngeld"),
        ("wohngeld.example", "/064120000000", "frankfurt"),
        ("wohngeld.example", "/x?ars=010545459039", "wohngeld"),
    ] {
        let url = format!("http://{host}{target}");
        let (explanation, code) = explained(running.directory(), &url, &[]);
        assert_eq!(code, Some(0), "{explanation}");
        let answer = running.get(host, target);
        assert_eq!(answer.text(), explanation["verdict"]["pool"], "{url}");
        assert_eq!(answer.text(), pool, "{url}");
        let origin = if pool == "frankfurt" { &own } else { &shared };
        let seen = origin.requests().pop().unwrap();
        let line = format!("GET {} HTTP/1.1", seen.target);
        assert_eq!(*fact(&explanation, "goes out as", "request_line"), line);
        let tenant = seen.field("Schleuse-Tenant").unwrap();
        assert_eq!(*fact(&explanation, "tenant", "ars"), tenant);
    }
}

#[test]
fn what_is_explained_as_refused_is_refused_with_that_status_and_label() {
    let (shared, own) = (Origin::ok("wohngeld"), Origin::ok("frankfurt"));
    let running = edge(&shared, &own).start();
    for (host, target) in [
        ("nobody.example", "/"),
        ("wohngeld.example", "/"),
        ("wohngeld.example", "/06412/"),
        ("wohngeld.example", "/064110000000/"),
        ("berlin.wohngeld.example", "/064120000000/"),
        ("wohngeld.example", "/?ars=110000000000&ars=1"),
        ("wohngeld.example", "/a/../b"),
        ("berlin.meldung.example", "/"),
    ] {
        let url = format!("http://{host}{target}");
        let (explanation, code) = explained(running.directory(), &url, &[]);
        assert_eq!(code, Some(1), "{explanation}");
        let verdict = &explanation["verdict"];
        let answer = running.get(host, target);
        assert_eq!(verdict["status"], answer.status, "{url}");
        assert_eq!(verdict["label"], answer.json()["reason"], "{url}");
        assert!(
            verdict["remedy"]
                .as_str()
                .is_some_and(|remedy| !remedy.is_empty())
        );
    }
    assert_eq!(shared.request_count() + own.request_count(), 0);
}

#[test]
fn text_is_for_people_and_shows_the_numbers_of_this_tenant() {
    let (shared, own) = (Origin::ok(""), Origin::ok(""));
    let directory = edge(&shared, &own).write();
    let finished = run(
        directory.path(),
        &["explain", "GET", "http://groede.wohngeld.example/"],
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in [
        "010545459039 Gröde, 7 inhabitants",
        "50.007/s",
        "50/s + 7 inhabitants × 1/s per 1,000",
        "GET /antrag/ HTTP/1.1",
        "=> forwarded to pool wohngeld",
    ] {
        assert!(
            finished.stdout.contains(part),
            "{part}: {}",
            finished.stdout
        );
    }
    let finished = run(
        directory.path(),
        &["explain", "GET", "http://wohngeld.example/"],
    );
    assert_eq!(finished.code, Some(1));
    for part in ["404, no_tenant", "Ihr Ort fehlt noch", "what to do: "] {
        assert!(
            finished.stdout.contains(part),
            "{part}: {}",
            finished.stdout
        );
    }
}

#[test]
fn wrong_usage_and_a_config_that_cannot_be_read_are_code_2() {
    let (shared, own) = (Origin::ok(""), Origin::ok(""));
    let directory = edge(&shared, &own).write();
    let url = "http://groede.wohngeld.example/";
    for arguments in [
        &["explain", "GET"][..],
        &["explain", "GET", "groede.wohngeld.example"],
        &["explain", "GET", url, "-H", "no field"],
        &["explain", "GET", url, "--from", "nowhere"],
        &["explain", "GET", url, "--config", "none.yaml"],
        &["explain", "--live=https://127.0.0.1:1", "GET", url],
    ] {
        let finished = run(directory.path(), arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty());
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}

/// `explain --live` with this token in the environment.
fn live(running: &RunningEdge, token: &str) -> Finished {
    let admin = format!("--live=http://{}", running.admin_address());
    let mut command = Command::new(binary::path());
    let url = "http://berlin.wohngeld.example/";
    command
        .args(["explain", &admin, "GET", url, "--format", "json"])
        .env("SCHLEUSE_ADMIN_TOKEN", token)
        .current_dir(running.directory());
    finish(command)
}

#[test]
fn live_adds_what_the_admin_listener_says_now() {
    let (shared, own) = (Origin::ok("wohngeld"), Origin::ok("frankfurt"));
    let edge = edge(&shared, &own)
        .admin("token: { file: admin.token }")
        .file("admin.token", TOKEN);
    let running = edge.clone().start();
    running.get("berlin.wohngeld.example", "/");
    let finished = live(&running, TOKEN);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let explanation: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(*fact(&explanation, "live config", "same"), true);
    assert_eq!(*fact(&explanation, "live pool", "arrivals"), 1);
    assert_eq!(*fact(&explanation, "live pool", "in_flight"), 0);
    assert!(fact(&explanation, "live tenant", "service").is_null());

    let finished = live(&running, "not the token, but as long");
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("SCHLEUSE_ADMIN_TOKEN"),
        "{finished:?}"
    );
    let finished = live(&running, "not-the-token-but-as-long");
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("SCHLEUSE_ADMIN_TOKEN"),
        "{finished:?}"
    );
}

#[test]
fn live_says_when_another_config_is_in_force() {
    let (shared, own) = (Origin::ok("wohngeld"), Origin::ok("frankfurt"));
    let running = edge(&shared, &own).start();
    // In a directory of its own, so that the running proxy does not take it over.
    let elsewhere = edge(&shared, &own).top("drain_max: 7s").write();
    let admin = format!("--live=http://{}", running.admin_address());
    let url = "http://berlin.wohngeld.example/";
    let (explanation, code) = explained(elsewhere.path(), url, &[&admin]);
    assert_eq!(code, Some(0), "{explanation}");
    assert_eq!(*fact(&explanation, "live config", "same"), false);
}

#[test]
fn an_admin_listener_that_does_not_answer_is_code_2_and_the_rest_is_explained_all_the_same() {
    let (shared, own) = (Origin::ok(""), Origin::ok(""));
    let directory = edge(&shared, &own).write();
    let url = "http://berlin.wohngeld.example/";
    let (explanation, code) = explained(directory.path(), url, &["--live=http://127.0.0.1:1"]);
    assert_eq!(code, Some(2), "{explanation}");
    assert_eq!(explanation["verdict"]["outcome"], "forwarded");
}
