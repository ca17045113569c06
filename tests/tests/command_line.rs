//! What `schleuse check` and `schleuse run` say of a config that is wrong: everything, with its place, and nothing worse.

use std::{fs, net::TcpListener};

use schleuse_tests::{
    Authority, Edge, RunningEdge,
    binary::{Finished, run},
};
use tempfile::TempDir;

fn edge() -> Edge {
    Edge::new().origin("127.0.0.1:1".parse().unwrap())
}

/// `check` of this text beside the small register.
fn check_text(text: impl AsRef<[u8]>) -> Finished {
    let directory = edge().write();
    fs::write(directory.path().join("schleuse.yaml"), text).unwrap();
    check(&directory)
}

fn check(directory: &TempDir) -> Finished {
    let finished = run(directory.path(), &["check"]);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    finished
}

#[test]
fn a_good_config_is_fine_with_code_0_and_a_summary() {
    let finished = check(&edge().write());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("schleuse.yaml: fine: "),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("1 services, 1 pools, 1 listeners"),
        "{}",
        finished.stdout
    );
}

#[test]
fn a_named_file_that_is_missing_is_code_1_and_none_at_all_is_code_2() {
    let empty = TempDir::new().unwrap();
    for command in ["check", "run"] {
        let missing = run(empty.path(), &[command, "--config", "none.yaml"]);
        assert_eq!(missing.code, Some(1));
        assert!(missing.stderr.contains("none.yaml"), "{}", missing.stderr);
        let unnamed = run(empty.path(), &[command]);
        assert_eq!(unnamed.code, Some(2));
        assert!(unnamed.stderr.contains("--config"), "{}", unnamed.stderr);
    }
}

#[test]
fn wrong_usage_is_code_2_and_shows_the_usage() {
    let finished = run(TempDir::new().unwrap().path(), &["chekc"]);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("Usage"), "{}", finished.stderr);
}

#[test]
fn a_byte_that_is_not_utf_8_is_named_with_its_line() {
    let text = edge().yaml();
    let lines = text.lines().count() + 1;
    let mut text = text.into_bytes();
    text.extend_from_slice(b"# K\xf6ln\n");
    let finished = check_text(text);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished
            .stderr
            .contains(&format!("schleuse.yaml:{lines}:4:")),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("UTF-8"), "{}", finished.stderr);
}

#[test]
fn a_key_written_twice_is_refused_with_both_lines() {
    let finished = check_text(edge().yaml() + "version: 1\n");
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("version"), "{}", finished.stderr);
    assert!(finished.stderr.contains("line 1"), "{}", finished.stderr);
}

#[test]
fn an_unknown_key_is_refused_and_the_likely_one_named() {
    let finished = check_text(edge().yaml() + "drain_maks: 30s\n");
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("drain_max"), "{}", finished.stderr);
}

#[test]
fn fifty_problems_are_reported_at_once_each_with_its_line() {
    let mut text = edge().yaml();
    let first = text.lines().count() + 1;
    for number in 0..50 {
        let endpoints = "endpoints: [\"10.0.0.1:80\"]";
        text += &[
            "  pool",
            &number.to_string(),
            ": { ",
            endpoints,
            ", slow_start: 5 }\n",
        ]
        .concat();
    }
    let finished = check_text(text);
    assert_eq!(finished.code, Some(1));
    for line in first..first + 50 {
        assert!(
            finished.stderr.contains(&format!("schleuse.yaml:{line}:")),
            "{}",
            finished.stderr
        );
    }
    assert!(
        finished.stderr.contains("50 problems"),
        "{}",
        finished.stderr
    );
}

#[test]
fn p23_a_number_without_unit_is_refused_and_the_likely_spellings_shown() {
    let finished = check_text(edge().yaml() + "drain_max: 30\n");
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("30s"), "{}", finished.stderr);
}

#[test]
fn p21_keys_with_leading_zeros_are_taken_digit_for_digit_also_without_quotes() {
    let tenant = "overrides: { 010545459039: { hosts: [groede.example], service: wohngeld } }";
    let finished = check(&edge().tenants(tenant).write());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    // Octal 010545459039 would be another key or none; a key that lost its zero is named with the remedy.
    let short = "overrides: { 10545459039: { hosts: [groede.example], service: wohngeld } }";
    let finished = check(&edge().tenants(short).write());
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains("10545459039"),
        "{}",
        finished.stderr
    );
}

#[test]
fn p22_one_mark_at_the_start_and_windows_line_ends_are_fine_in_every_file() {
    let directory = edge().write();
    for file in ["schleuse.yaml", "gemeinden.csv"] {
        let path = directory.path().join(file);
        let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
        fs::write(&path, format!("\u{feff}{}", text.trim_end())).unwrap();
    }
    let finished = check(&directory);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("8 tenants"), "{}", finished.stdout);
}

#[test]
fn p22_a_mark_elsewhere_and_a_tab_in_indentation_are_named() {
    let marked = check_text(edge().yaml().replacen("listeners", "\u{feff}listeners", 1));
    assert_eq!(marked.code, Some(1));
    assert!(marked.stderr.contains("U+FEFF"), "{}", marked.stderr);
    let tabbed = check_text(edge().yaml().replacen("    address", "\taddress", 1));
    assert_eq!(tabbed.code, Some(1));
    assert!(
        tabbed.stderr.to_lowercase().contains("tab"),
        "{}",
        tabbed.stderr
    );
}

#[test]
fn p20_a_certificate_that_cannot_be_read_is_refused_by_name_and_nothing_starts_without_tls() {
    let pair = Authority::new().issue(&["wohngeld.example"]);
    let other = Authority::new().issue(&["wohngeld.example"]);
    for (key, sign) in [("no key", "a.key"), (other.key.as_str(), "a.crt")] {
        let edge = edge()
            .tls("tls")
            .file("tls/a.crt", pair.certificate.clone())
            .file("tls/a.key", key);
        let directory = edge.write();
        for command in ["check", "run"] {
            let finished = run(directory.path(), &[command]);
            assert_eq!(finished.code, Some(1), "{}", finished.stdout);
            assert!(finished.stderr.contains(sign), "{}", finished.stderr);
            assert!(
                !finished.stdout.contains("listening"),
                "{}",
                finished.stdout
            );
        }
    }
}

#[test]
fn a_port_in_use_is_named_with_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = edge().only_listener(&format!("address: {address}")).write();
    let finished = run(directory.path(), &["run"]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains(&address.to_string()),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn an_address_that_another_listener_takes_is_found_by_the_check() {
    for (one, two) in [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("\"[::]:8080\"", "0.0.0.0:8080"),
        ("127.0.0.1:8080", "\"[::]:8080\""),
        ("\"[::1]:8080\"", "\"[::]:8080\""),
    ] {
        let edge = edge().only_listener(&format!("address: {one}"));
        let finished = check(&edge.listener(&format!("address: {two}")).write());
        assert_eq!(finished.code, Some(1), "{one} {two}");
        assert!(
            finished.stderr.contains("is taken by"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn an_admin_port_in_use_is_named_with_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = edge().write();
    let text = edge().yaml().replace(
        "admin: { address: \"127.0.0.1:0\" }",
        &format!("admin: {{ address: \"{address}\" }}"),
    );
    fs::write(directory.path().join("schleuse.yaml"), text).unwrap();
    let finished = run(directory.path(), &["run"]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains(&address.to_string()),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_number_of_workers_that_is_none_is_refused_with_code_1() {
    for workers in ["0", "four", "-1", "100000"] {
        let edge = edge().environment("SCHLEUSE_WORKERS", workers);
        let directory = edge.write();
        let mut refused = RunningEdge::spawn(edge, directory.path());
        assert_eq!(refused.wait_exit().code(), Some(1), "{workers}");
        let errors = refused.errors().text();
        assert!(errors.contains("SCHLEUSE_WORKERS"), "{errors}");
    }
}

#[test]
fn problems_for_programs_are_one_json_array_with_every_part() {
    let directory = edge().top("drain_max: 30").write();
    let finished = run(directory.path(), &["check", "--format", "json"]);
    assert_eq!(finished.code, Some(1));
    let problems: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(problems.as_array().map(Vec::len), Some(1), "{problems}");
    let problem = &problems[0];
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["line"], 3);
    assert_eq!(problem["at"], "drain_max");
    for part in ["file", "column", "wrong", "remedy"] {
        assert!(!problem[part].is_null(), "{problem}");
    }
}

#[test]
fn warnings_for_programs_are_told_apart_and_do_not_fail_the_check() {
    let pair = Authority::new().issue_expired(&["wohngeld.example"]);
    let edge = edge()
        .tls("tls")
        .file("tls/a.crt", pair.certificate)
        .file("tls/a.key", pair.key);
    let finished = run(edge.write().path(), &["check", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let warnings: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let expired = |warning: &serde_json::Value| {
        warning["severity"] == "warning" && warning.to_string().contains("expired")
    };
    assert!(
        warnings.as_array().unwrap().iter().any(expired),
        "{warnings}"
    );
}

#[test]
fn no_prefix_of_a_good_config_makes_the_check_panic() {
    let text = edge().yaml();
    for end in (0..text.len()).step_by(23) {
        let finished = check_text(&text[..end]);
        assert!(
            matches!(finished.code, Some(0 | 1)),
            "{end}: {}",
            finished.stderr
        );
    }
}
