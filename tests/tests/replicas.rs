//! Replicas as processes of this machine: what they get, what becomes of what they start, and how they end.

use std::fs;

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use schleuse_tests::{Edge, RunningEdge, binary, eventually};

const HOST: &str = "110000000000.wohngeld.example";

/// Replicas that run a line of shell, in which `$SERVE` is a server on the replica's port.
fn shell(line: &str, options: &str) -> Edge {
    let serve = format!(
        "{} demo-backend --name w --port {{port}}",
        binary::path().display()
    );
    let line = line.replace("$SERVE", &serve);
    let options = format!(
        "scale:\n  min: 1\n  process:\n    command: [sh, -c, \"{line}\"]\n    directory: .\n    {options}"
    );
    Edge::new()
        .service("wohngeld", "")
        .pool("wohngeld", &[], &options)
}

fn wait_serving(edge: &RunningEdge) {
    edge.log().wait_event("replica_listening");
    eventually("it answers", || edge.get(HOST, "/").status == 200);
}

/// A process that a replica has named in a file.
fn named(edge: &RunningEdge, file: &str) -> Pid {
    let text = fs::read_to_string(edge.directory().join(file)).unwrap();
    Pid::from_raw(text.trim().parse().unwrap())
}

fn wait_gone(process: Pid) {
    eventually("the process is gone", || {
        kill(process, None) == Err(Errno::ESRCH)
    });
}

/// A process in a session of its own, which no signal to the replica's group reaches.
const WITH_DAEMON: &str =
    "setsid sleep 3600 & echo $! > daemon; sleep 3600 & echo $! > helper; exec $SERVE";

#[test]
fn everything_that_a_replica_has_started_dies_with_a_proxy_that_is_killed() {
    let mut edge = shell(WITH_DAEMON, "").start();
    wait_serving(&edge);
    let started = ["daemon", "helper"].map(|file| named(&edge, file));
    edge.signal(Signal::SIGKILL);
    edge.wait_exit();
    started.into_iter().for_each(wait_gone);
}

#[test]
fn everything_that_a_replica_has_started_dies_with_it() {
    let edge = shell(&format!("echo $$ > itself; {WITH_DAEMON}"), "").start();
    wait_serving(&edge);
    let started = ["daemon", "helper"].map(|file| named(&edge, file));
    kill(named(&edge, "itself"), Signal::SIGKILL).unwrap();
    let crashed = edge.log().wait_event("replica_crashed");
    assert_eq!(crashed["status"], "was killed by SIGKILL");
    started.into_iter().for_each(wait_gone);
    edge.log().wait_events("replica_listening", 2);
}

#[test]
fn a_replica_that_loses_its_guard_goes_and_another_one_comes() {
    let edge = shell("echo $$ > itself; echo $PPID > guard; exec $SERVE", "").start();
    wait_serving(&edge);
    let (replica, guard) = (named(&edge, "itself"), named(&edge, "guard"));
    kill(guard, Signal::SIGKILL).unwrap();
    let crashed = edge.log().wait_event("replica_crashed");
    assert_eq!(crashed["status"], "lost its guard");
    edge.log().wait_events("replica_listening", 2);
    eventually("another one answers", || edge.get(HOST, "/").status == 200);
    eventually("the first one is gone, or dead and not buried", || {
        let state = fs::read_to_string(format!("/proc/{replica}/stat"));
        state.map_or(true, |state| state.contains(") Z "))
    });
}

#[test]
fn a_replica_that_ignores_the_stop_signal_is_killed_after_its_time() {
    let line = "trap '' TERM; echo $$ > itself; $SERVE & wait";
    let edge = shell(line, "stop_max: 200ms").start();
    wait_serving(&edge);
    let replica = named(&edge, "itself");
    assert_eq!(edge.stop().code(), Some(0));
    wait_gone(replica);
}

#[test]
fn a_guard_that_somebody_has_stopped_holds_up_no_stop_and_does_its_work() {
    let line = format!("echo $PPID > guard; {WITH_DAEMON}");
    let edge = shell(&line, "stop_max: 200ms").start();
    wait_serving(&edge);
    let [guard, daemon, helper] = ["guard", "daemon", "helper"].map(|file| named(&edge, file));
    kill(guard, Signal::SIGSTOP).unwrap();
    assert_eq!(edge.stop().code(), Some(0));
    [daemon, helper].into_iter().for_each(wait_gone);
}

#[test]
fn what_a_replica_writes_is_in_the_log_and_it_gets_no_secrets_of_the_proxy() {
    let line = "echo \\\"$GREETING $PORT {port} ${SECRET:-nothing}\\\"; pwd >&2; exec $SERVE";
    let edge = shell(line, "env: { GREETING: moin }")
        .environment("SECRET", "geheim")
        .start();
    wait_serving(&edge);
    let address = edge.resource("/api/v1/pools/wohngeld")["endpoints"][0]["address"].clone();
    let port = address
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    let said = edge
        .log()
        .wait_event_with("replica_output", &format!("moin {port} {port} nothing"));
    assert_eq!(said["pool"], "wohngeld");
    assert_eq!(said["replica"], "0");
    assert_eq!(said["stream"], "stdout");
    let directory = edge.directory().canonicalize().unwrap();
    let said = edge
        .log()
        .wait_event_with("replica_output", directory.to_str().unwrap());
    assert_eq!(said["stream"], "stderr");
}

#[test]
fn a_changed_command_is_taken_up_without_a_request_that_fails() {
    let mut edge = shell("exec $SERVE", "").start();
    wait_serving(&edge);
    let mut slow = edge.connect();
    slow.send(format!("GET /langsam HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    eventually("the request is with the replica", || {
        edge.resource("/api/v1/pools/wohngeld")["in_flight"] == 1
    });
    edge.reload(shell("exec $SERVE", "env: { CHANGED: \"yes\" }"));
    edge.log().wait_events("replica_listening", 2);
    assert_eq!(edge.get(HOST, "/").status, 200);
    // The old one has a request left, and ends after it.
    assert_eq!(slow.response().status, 200);
    edge.log().wait_event("replica_stopped");
    assert_eq!(edge.get(HOST, "/").status, 200);
    assert_eq!(edge.log().events("replica_crashed").len(), 0);
}

#[test]
fn a_mended_command_is_tried_at_once_whatever_the_pause_of_the_broken_one() {
    let mut edge = shell("exit 7", "").start();
    edge.log().wait_event("crash_loop");
    edge.reload(shell("exec $SERVE", ""));
    wait_serving(&edge);
}

#[test]
fn a_changed_command_takes_the_place_of_the_old_one_when_its_probe_is_answered_and_not_before() {
    let options = |directory: &str| {
        format!(
            "scale:\n  min: 1\n  process:\n    command: [python3, -m, http.server, \"{{port}}\", --bind, 127.0.0.1]\n    \
             directory: {directory}\nhealth: {{ path: /healthy, interval: 1s }}"
        )
    };
    let site = |directory: &str| {
        Edge::new()
            .service("wohngeld", "")
            .pool("wohngeld", &[], &options(directory))
            .file("old/healthy", "yes")
            .file("old/name", "old")
            .file("new/name", "new")
    };
    let mut edge = site("old").start();
    let name = |edge: &RunningEdge| edge.get(HOST, "/name").text().to_owned();
    eventually("the old one serves", || name(&edge) == "old");
    edge.reload(site("new"));
    edge.log().wait_events("replica_listening", 2);
    // It listens and answers 404 to the probe; by what it did then the old one would be gone.
    eventually("its first probes have failed", || {
        edge.metric("schleuse_probes_total{result=\"failed\"}") >= 5.0
    });
    assert_eq!(name(&edge), "old");
    assert!(edge.log().events("replica_stopped").is_empty());
    fs::write(edge.directory().join("new/healthy"), "yes").unwrap();
    edge.log().wait_event("replica_stopped");
    assert_eq!(name(&edge), "new");
}

#[test]
fn of_a_changed_command_a_quarter_is_started_beside_the_old_ones_and_the_rest_as_they_go() {
    let site = |directory: &str| {
        let options = format!(
            "scale:\n  min: 6\n  max: 6\n  process:\n    command: [python3, -m, http.server, \"{{port}}\", --bind, 127.0.0.1]\n    \
             directory: {directory}\nhealth: {{ path: /healthy, interval: 1s }}"
        );
        Edge::new()
            .service("wohngeld", "")
            .pool("wohngeld", &[], &options)
            .file("old/healthy", "yes")
            .file("new/name", "new")
    };
    let mut edge = site("old").start();
    let ready =
        |edge: &RunningEdge| edge.resource("/api/v1/pools/wohngeld")["scale"]["ready"].clone();
    eventually("the old ones serve", || ready(&edge) == 6);
    edge.reload(site("new"));
    edge.log().wait_events("replica_listening", 8);
    eventually("the new ones have been asked, each again and again", || {
        edge.metric("schleuse_probes_total{result=\"failed\"}") >= 40.0
    });
    fs::write(edge.directory().join("new/healthy"), "yes").unwrap();
    edge.log().wait_events("replica_stopped", 6);
    assert_eq!(edge.log().events("replica_listening").len(), 12);
    let mut running = 0;
    let counts = edge.log().values().into_iter().map(|line| {
        match line["event"].as_str() {
            Some("replica_listening") => running += 1,
            Some("replica_stopped") => running -= 1,
            _ => {}
        }
        running
    });
    assert_eq!(counts.max(), Some(8));
}

/// Whatever is asked of the replica, its probe tells: the system goes on accepting connections for one that is stopped.
fn probed(line: &str, process: &str, scale: &str) -> RunningEdge {
    let health = "health: { path: /, interval: 100ms, timeout: 500ms }";
    shell(line, &format!("{process}\n  {scale}\n{health}")).start()
}

fn wait_hung(edge: &RunningEdge) {
    let crashed = edge.log().wait_event("replica_crashed");
    let status = crashed["status"].as_str().unwrap();
    assert!(
        status.starts_with("did not answer its probe for "),
        "{status}"
    );
    assert!(status.ends_with(" ms, was killed by SIGKILL"), "{status}");
}

#[test]
fn a_replica_that_answers_no_more_is_killed_and_another_one_comes() {
    let edge = probed("echo $$ > itself; exec $SERVE", "start_max: 2s", "max: 1");
    wait_serving(&edge);
    kill(named(&edge, "itself"), Signal::SIGSTOP).unwrap();
    wait_hung(&edge);
    eventually("another one answers", || edge.get(HOST, "/").status == 200);
}

#[test]
fn a_replica_that_hangs_is_killed_as_soon_as_those_who_wait_for_it_were_told_to_go() {
    let edge = probed(
        "echo $$ > itself; exec $SERVE",
        "start_max: 1h",
        "cold_start: 1s",
    );
    wait_serving(&edge);
    kill(named(&edge, "itself"), Signal::SIGSTOP).unwrap();
    edge.log().wait_event("endpoint_unhealthy");
    let mut asks = edge.connect();
    asks.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(edge.log().wait_event("wake_failed")["why"], "timed_out");
    wait_hung(&edge);
    eventually("another one answers", || edge.get(HOST, "/").status == 200);
}

#[test]
fn a_program_that_listens_and_never_answers_is_one_that_fails_to_start() {
    let edge = probed(
        "exec python3 -m http.server {port} --bind 127.0.0.1 --directory /nowhere",
        "start_max: 500ms",
        "max: 1",
    );
    edge.log().wait_event("crash_loop");
    eventually("its starts have failed", || {
        let pool = edge.resource("/api/v1/pools/wohngeld");
        pool["scale"]["failing_starts"].as_u64() >= Some(3)
    });
}
