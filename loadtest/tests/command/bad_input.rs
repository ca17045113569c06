//! What goes wrong before, during and after a run: clear words, the right exit code, and what was measured is kept.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{PROGRAM, Said, json, launchday, nobody, origin, scenario};

/// A short run against `target`.
fn run(directory: &Path, target: &str, more: &[&str]) -> Said {
    let arguments = ["run", target, "--no-tui", "-z", "300ms", "-q", "100/s"];
    launchday(directory, &[&arguments, more].concat())
}

#[test]
fn where_nobody_listens_the_run_fails_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(
        directory.path(),
        &format!("http://{}", nobody()),
        &["--json=r.json"],
    );
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.out.starts_with("FAILED\n- no request was answered"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains("start the target, or correct address and port"),
        "{}",
        said.out
    );
    let result = json(&directory.path().join("r.json"));
    assert_eq!(result["counts"]["failed"], result["counts"]["scheduled"]);
}

#[test]
fn a_name_without_address_is_told_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    // RFC 6761 section 6.4: no resolver may know it.
    let said = run(directory.path(), "http://nobody.invalid", &[]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("nobody.invalid has no address") && said.err.contains("--connect-to"),
        "{}",
        said.err
    );
}

#[test]
fn another_target_is_not_asked_at_the_address_of_the_scenarios_own() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(0);
    let text = format!(
        "target: {{ url: \"http://a.example\", connect_to: \"{}\" }}
arrivals: {{ rate: 50/s, duration: 300ms }}
journeys: [ {{ steps: [ {{ get: / }} ] }} ]
",
        nobody()
    );
    std::fs::write(directory.path().join("s.yaml"), text).unwrap();
    let target = format!("--target=http://{}", origin.address);
    launchday(directory.path(), &["run", "s.yaml", "--no-tui", &target]);
    assert!(origin.report().total().requests > 0);
}

#[test]
fn a_target_that_knows_no_such_host_or_path_fails_by_its_statuses() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(0);
    let url = format!("http://{}/?status=404", origin.address);
    let said = run(directory.path(), &url, &[]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.out.contains("correct host and path"), "{}", said.out);
    assert!(said.out.contains("status_4xx"), "{}", said.out);
}

/// grafana/k6#1346: without samples a threshold was skipped.
#[test]
fn p41_answers_that_are_all_errors_fail_whatever_their_latency() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(0);
    let url = format!("http://{}/?status=503", origin.address);
    let said = run(directory.path(), &url, &["--threshold=p50 < 1h"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("not held: p50 < 1h"), "{}", said.out);
}

/// Accepts TLS with a certificate that nobody has signed, and answers.
fn self_signed() -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(move || {
                let mut stream = StreamOwned::new(session, stream);
                let mut head = [0; 4096];
                // A client that refuses the certificate ends this with an error, and the thread with it.
                while stream.read(&mut head).is_ok_and(|length| length > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn an_unknown_authority_fails_the_run_by_its_name_and_insecure_believes_it() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("https://localhost:{}", self_signed().port());
    let said = run(directory.path(), &url, &[]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("--cacert"), "{}", said.out);
    let believed = run(directory.path(), &url, &["--insecure", "--json=r.json"]);
    assert_ne!(believed.code, 1, "{}", believed.out);
    let result = json(&directory.path().join("r.json"));
    assert_eq!(result["counts"]["answered"], result["counts"]["scheduled"]);
}

#[test]
fn an_authority_that_cannot_be_read_is_told_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(
        directory.path(),
        "https://127.0.0.1:1",
        &["--cacert=none.pem"],
    );
    assert_eq!(said.code, 2);
    assert!(said.err.contains("none.pem"), "{}", said.err);
}

#[test]
fn a_full_disk_costs_its_own_file_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", nobody());
    let kept = directory.path().join("temporary");
    std::fs::create_dir(&kept).unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", &url, "--no-tui", "-z", "300ms"])
        .args([
            "--json=/dev/full",
            "--html=report.html",
            "--junit=junit.xml",
        ])
        .current_dir(directory.path())
        .env("TMPDIR", &kept)
        .output()
        .unwrap();
    let said = Said::from(output);
    assert_eq!(said.code, 1, "the verdict stays what it is: {}", said.err);
    assert!(said.err.contains("cannot write /dev/full"), "{}", said.err);
    assert!(said.err.contains("free some space"), "{}", said.err);
    assert!(said.err.contains("the result was kept in"), "{}", said.err);
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    assert!(directory.path().join("report.html").exists());
    assert!(directory.path().join("junit.xml").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anybody_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(0);
    let url = format!("http://{}", origin.address);
    let said = run(directory.path(), &url, &["--html=no/such/folder/r.html"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("create the folder first"), "{}", said.err);
    assert_eq!(origin.report().total().requests, 0);
}

#[test]
fn an_interrupted_run_keeps_its_reports_judges_nothing_and_exits_with_130() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(0);
    scenario(directory.path(), "{ rate: 100/s, duration: 1h }", "");
    let mut child = Command::new(PROGRAM)
        .args([
            "run",
            "scenario.yaml",
            "--no-tui",
            "--json=r.json",
            "--html=r.html",
        ])
        .arg(format!("--target=http://{}", origin.address))
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while origin.report().total().answered < 50 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        // Not faster: each look at the counts holds up the origin.
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, 130, "{}", said.err);
    assert!(
        said.out.starts_with("INTERRUPTED: thresholds not judged"),
        "{}",
        said.out
    );
    let result = json(&directory.path().join("r.json"));
    assert!(result["counts"]["answered"].as_u64().unwrap() >= 50);
    assert_eq!(result["thresholds"].as_array().unwrap().len(), 0);
    let page = std::fs::read_to_string(directory.path().join("r.html")).unwrap();
    assert!(page.contains("<h1>Interrupted"), "{}", &page[..2000]);
}

#[test]
fn a_scenario_with_problems_ends_with_all_of_them_and_asks_nobody() {
    let directory = tempfile::tempdir().unwrap();
    scenario(
        directory.path(),
        "{ rate: 100/s, duration: 1s }",
        "thresholds: [ \"p99 < 5\", \"faild < 1%\" ]",
    );
    for command in ["run", "capacity"] {
        let said = launchday(directory.path(), &[command, "scenario.yaml"]);
        assert_eq!(said.code, 2);
        assert!(said.err.contains("did you mean `failed`?"), "{}", said.err);
        assert!(said.err.contains("thresholds[0]"), "{}", said.err);
    }
}

#[test]
fn launches_that_are_built_in_need_no_register_of_the_users_own() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["smoke", "ez200", "ibb", "sh", "nrw", "elster", "kfw"] {
        let said = launchday(directory.path(), &["check", name]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    }
    let said = launchday(
        directory.path(),
        &[
            "run",
            "kfw",
            "--register=none.csv",
            "--target=http://127.0.0.1:1",
        ],
    );
    assert_eq!(said.code, 2);
    assert!(said.err.contains("none.csv"), "{}", said.err);
}
