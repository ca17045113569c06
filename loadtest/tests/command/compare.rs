//! `launchday compare` over real sockets, and over saved results.

use std::{collections::BTreeMap, path::Path};

use launchday::origin::Running;

use super::{json, launchday, nobody, origin, scenario};

fn requests_by_tenant(origin: &Running) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in origin.report().rows {
        *sums.entry(row.key.tenant).or_default() += row.counts.requests;
    }
    sums
}

#[test]
fn both_get_the_same_citizens_in_abba_order_each_run_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (a, b) = (origin(150), origin(300));
    scenario(directory, "{ rate: 100/s, duration: 500ms }", "");
    let said = launchday(
        directory,
        &[
            "compare",
            &format!("http://{}", a.address),
            &format!("http://{}", b.address),
            "--scenario=scenario.yaml",
            "--measure=p50",
            "--name-a=Anna",
            "--name-b=Bert",
            "--restart-a=printf $LAUNCHDAY_SIDE >> order",
            "--restart-b=printf $LAUNCHDAY_SIDE >> order",
            "--json=found.json",
            "--html=found.html",
        ],
    );
    let order = std::fs::read_to_string(directory.join("order")).unwrap();
    let mut rounds: Vec<&[u8]> = order.as_bytes().chunks(2).collect();
    rounds.dedup(); // one that was disturbed is played again as it was
    let is_pair = |pair: &&[u8]| **pair == *b"AB" || **pair == *b"BA";
    assert!(
        order.starts_with("AB") && rounds.iter().all(is_pair),
        "{order}"
    );
    let seen = requests_by_tenant(&a);
    assert!(
        seen.len() == 2 && seen == requests_by_tenant(&b),
        "{seen:?}"
    );
    if said.code == 3 {
        // This machine was too busy to measure, and that is what is said.
        assert!(said.err.contains("the generator disturbs"), "{}", said.err);
        return;
    }
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(rounds.len() >= 10, "{order}");
    let found = json(&directory.join("found.json"));
    assert_eq!(found["rounds"], 10);
    assert_eq!(found["measured"][0]["is_different"], true, "{}", said.out);
    assert!(found["measured"][0]["high"].as_f64().unwrap() < 0.0);
    assert_eq!(found["doubts"].as_array().unwrap().len(), 0, "{}", said.out);
    assert!(said.out.starts_with("response p50: Anna −"), "{}", said.out);
    let page = std::fs::read_to_string(directory.join("found.html")).unwrap();
    assert!(page.contains("Anna") && page.contains("95 % interval"));
}

/// Nothing is said but the two, and a restart that fails: as far as that it must come.
#[test]
fn the_defaults_are_a_comparison_that_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", nobody());
    let said = launchday(
        directory.path(),
        &[
            "compare",
            &url,
            &url,
            "--restart-a=echo was asked >&2; exit 1",
        ],
    );
    assert!(
        said.err.starts_with("response p90 decides"),
        "the plan of 200 requests vouches for no more: {}",
        said.err
    );
    assert!(said.err.contains("was asked"), "{}", said.err);
}

#[test]
fn a_measure_that_no_run_can_have_is_refused_before_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let a = origin(0);
    let url = format!("http://{}", a.address);
    let said = launchday(directory.path(), &["compare", &url, &url, "--measure=p99"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(
        said.err
            .contains("response p99 needs 1000 requests in each run")
            && said.err.contains("--measure p90"),
        "{}",
        said.err
    );
    assert_eq!(a.report().rows.len(), 0, "something was played");
}

#[test]
fn a_target_that_was_started_is_ended_and_one_that_does_not_start_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let a = nobody();
    scenario(directory, "{ rate: 100/s, duration: 500ms }", "");
    let said = launchday(
        directory,
        &[
            "compare",
            &format!("http://{a}"),
            &format!("http://{}", nobody()),
            "--scenario=scenario.yaml",
            &format!("--start-a={} origin --listen {a}", super::PROGRAM),
            "--start-b=echo wrong line 7 >&2; exit 1",
        ],
    );
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("round   1  A"), "{}", said.err);
    assert!(said.err.contains("of B ended"), "{}", said.err);
    assert!(said.err.contains("wrong line 7"), "{}", said.err);
    assert!(std::net::TcpStream::connect(a).is_err(), "A still runs");
}

#[test]
fn a_dead_side_is_told_and_compared_with_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let a = origin(0);
    scenario(directory.path(), "{ rate: 200/s, duration: 500ms }", "");
    let said = launchday(
        directory.path(),
        &[
            "compare",
            &format!("http://{}", a.address),
            &format!("http://{}", nobody()),
            "--scenario=scenario.yaml",
            "--measure=p50",
        ],
    );
    // Runs in which a busy machine disturbed the other side are played again, at most five times.
    if said.code != 3 {
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(
            said.err.contains("B answered nothing (connect_refused)"),
            "{}",
            said.err
        );
    }
}

/// A launch of a single place that the simulator can play: no time, no machine, no chance.
pub(super) fn write_launch(directory: &Path) {
    let write = |name, text| std::fs::write(directory.join(name), text).unwrap();
    write(
        "register.csv",
        "ars,name,bevoelkerung\n010010000000,Flensburg,96326\n",
    );
    write(
        "schleuse.yaml",
        "version: 1
listeners: [ { address: 127.0.0.1:1 } ]
tenants: { register: register.csv }
services:
  wohngeld:
    hosts: [ wohngeld.example ]
    responsible: gemeinde
    tenant_from: [ path ]
    pool: wohngeld
pools: { wohngeld: { endpoints: [ 127.0.0.1:2 ], concurrency: 100 } }
",
    );
    write(
        "launch.yaml",
        "target: http://wohngeld.example
tenants: { register: register.csv }
arrivals: { rate: 100/s, duration: 40s }
journeys: [ { name: one, steps: [ { get: \"/{tenant.ars}/\" } ] } ]
",
    );
}

/// A saved result of that launch.
fn simulate(directory: &Path, name: &str, service_time: &str, more: &[&str]) {
    let more = more.iter().copied();
    let arguments: Vec<&str> = [
        "simulate",
        "launch.yaml",
        "--config=schleuse.yaml",
        "--service-time",
        service_time,
        "--json",
        name,
    ]
    .into_iter()
    .chain(more)
    .collect();
    let said = launchday(directory, &arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn two_saved_results_are_compared_by_stretches_of_equal_schedules() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_launch(directory);
    simulate(directory, "slow.json", "lognormal 30ms 0.4", &[]);
    simulate(directory, "fast.json", "lognormal 20ms 0.4", &[]);
    simulate(directory, "other.json", "lognormal 20ms 0.4", &["--seed=2"]);
    let compare = |a, b, measure| launchday(directory, &["compare", a, b, "--measure", measure]);

    let said = compare("slow.json", "fast.json", "p50");
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.starts_with("response p50: slow.json +"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("stretches of two saved runs"),
        "{}",
        said.out
    );

    // Without a word the highest percentile decides that each stretch of 400 requests has answers enough for.
    let default = launchday(directory, &["compare", "slow.json", "fast.json"]);
    assert_eq!(default.code, 0, "{}", default.err);
    assert!(
        default.out.starts_with("response p90: slow.json +"),
        "{}",
        default.out
    );

    let same = compare("fast.json", "fast.json", "p50");
    assert!(same.out.contains("no difference shown"), "{}", same.out);

    let other = compare("fast.json", "other.json", "p50");
    assert!(other.out.contains("different seeds"), "{}", other.out);

    let poor = compare("slow.json", "fast.json", "p99.9");
    assert_eq!(poor.code, 2);
    assert!(poor.err.contains("needs 10000 requests"), "{}", poor.err);

    let unknown = compare("slow.json", "fast.json", "service p99");
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("not kept by second"),
        "{}",
        unknown.err
    );
}

#[test]
fn a_url_and_a_file_are_no_pair() {
    let directory = tempfile::tempdir().unwrap();
    let said = launchday(
        directory.path(),
        &["compare", "http://127.0.0.1:1", "b.json"],
    );
    assert_eq!(said.code, 2);
    assert!(said.err.contains("both be URLs"), "{}", said.err);
}

#[test]
fn a_second_interrupt_ends_the_target_that_was_started_even_one_that_does_not_want_to() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (nobody(), nobody());
    scenario(directory.path(), "{ rate: 10/s, duration: 1h }", "");
    let mut comparing = std::process::Command::new(super::PROGRAM);
    comparing
        .arg("compare")
        .args([a, b].map(|address| format!("http://{address}")))
        .arg("--scenario=scenario.yaml")
        .arg(format!(
            "--start-a=trap '' TERM; {} origin --listen {a} & wait",
            super::PROGRAM
        ))
        .current_dir(directory.path());
    let mut comparing = comparing.spawn().unwrap();
    while std::net::TcpStream::connect(a).is_err() {
        assert_eq!(comparing.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    let process = rustix::process::Pid::from_child(&comparing);
    let status = loop {
        if let Some(status) = comparing.try_wait().unwrap() {
            break status;
        }
        // The target would live for ten seconds more if it were only asked to end.
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(130));
    assert!(std::net::TcpStream::connect(a).is_err(), "A still runs");
}
