//! Out of local ports, in a network of the test's own: the generator says that it was itself.

use std::process::Command;

use launchday::{
    results::{Outcome, Reason},
    verdict,
};

use super::{
    play, settings,
    target::{Deed, Target},
    workload,
};

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "LAUNCHDAY_TEST_INSIDE";

#[test]
fn without_local_ports_requests_are_not_sent_and_the_run_is_invalid_with_exit_3() {
    if std::env::var_os(INSIDE).is_some() {
        return run_out_of_ports();
    }
    // Ten ports, in a network namespace with nothing but its loopback.
    let script = "ip link set lo up && echo 20000 20009 >/proc/sys/net/ipv4/ip_local_port_range && \
                  exec \"$0\" --exact ports::without_local_ports_requests_are_not_sent_and_the_run_is_invalid_with_exit_3";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{output:?}"
    );
}

fn run_out_of_ports() {
    let target = Target::start(|_| Deed::Hang);
    let mut workload = workload(target.address, 50.0, 1.0);
    workload.drain = std::time::Duration::from_millis(200);
    workload.journeys[0].own_connection = true;
    let mut results = play(&workload, &settings(1, 0));
    let (counts, reasons) = (results.counts, &results.reasons);
    assert_eq!(
        results.count_of(Reason::LocalPort),
        counts.not_sent,
        "{reasons:?}"
    );
    // The target itself listens on one of the ten.
    assert!((9..=10).contains(&counts.unanswered), "{counts:?}");
    assert_eq!(counts.unanswered + counts.not_sent, 50);
    verdict::judge(&mut results, &[]);
    let verdict = results.verdict.unwrap();
    assert_eq!((verdict.outcome, verdict.exit_code), (Outcome::Invalid, 3));
    assert!(
        verdict
            .findings
            .iter()
            .any(|finding| finding.what.contains("port")),
        "{:?}",
        verdict.findings
    );
}
