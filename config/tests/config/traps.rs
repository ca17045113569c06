//! What YAML users trip over, and the exact words they are told.

use crate::support::{BODY, HEAD, Site, body_problems, problems};

/// A body whose pool has this line.
fn pool_with(line: &str) -> String {
    body_problems(&format!("{BODY}    {line}\n").replace(
        "{ endpoints: [\"10.0.0.1:80\"] }",
        "\n    endpoints: [\"10.0.0.1:80\"]",
    ))
}

/// A body whose service has this line.
fn service_with(line: &str) -> String {
    body_problems(&format!(
        "pools: {{ a: {{ endpoints: [\"10.0.0.1:80\"] }} }}\nservices:\n  wohngeld:\n    hosts: [wohngeld.example]\n    responsible: gemeinde\n    pool: a\n    {line}\n"
    ))
}

#[test]
fn a_missing_file_an_empty_file_and_a_directory_are_named() {
    let site = Site::new("");
    assert_eq!(
        site.problems(),
        "schleuse.yaml: is empty; a config starts with `version: 1`"
    );
    std::fs::remove_file(site.path("schleuse.yaml")).unwrap();
    assert_eq!(
        site.problems(),
        "schleuse.yaml: does not exist; check the path; relative ones start at the config's directory"
    );
    std::fs::create_dir(site.path("schleuse.yaml")).unwrap();
    assert_eq!(
        site.problems(),
        "schleuse.yaml: is a directory; name a file"
    );
}

#[test]
fn files_to_watch_are_known_when_the_config_is_refused() {
    let site = Site::new(format!("{HEAD}servces: {{}}\n"));
    let refused = schleuse_config::load(&site.path("schleuse.yaml")).unwrap_err();
    assert_eq!(
        refused.files(),
        [site.path("schleuse.yaml"), site.path("gemeinden.csv")]
    );
}

#[test]
fn bad_utf8_is_shown_by_offset() {
    assert_eq!(
        problems(b"version: 1\n# Stra\xdfe\n"),
        "schleuse.yaml:2:7: is not UTF-8 at byte 17; save the file as UTF-8"
    );
}

#[test]
fn a_syntax_error_has_a_place_and_a_remedy() {
    assert_eq!(
        problems("version: 1\nlisteners: [a\n"),
        "schleuse.yaml:2:12: is not YAML: unclosed bracket '['; check brackets and commas"
    );
    assert_eq!(
        problems("version: 1\nadmin: \"127.0.0.1:1\n"),
        "schleuse.yaml:2:8: is not YAML: unclosed quote; check where the quotes open and close"
    );
}

#[test]
fn p22_marks_and_line_ends_of_windows_are_fine() {
    let yaml = format!("\u{feff}{HEAD}{BODY}").replace('\n', "\r\n");
    Site::new(yaml.trim_end()).loaded();
}

#[test]
fn p22_a_byte_order_mark_inside_is_named_and_the_rest_still_checked() {
    assert_eq!(
        problems(format!("{HEAD}{BODY}\u{feff}workers: 0\n")),
        "\
schleuse.yaml:8:1: an invisible byte order mark (U+FEFF); delete it; only the very start of a file may have one
schleuse.yaml:8:10: workers: 0 is too small; write at least 1"
    );
}

#[test]
fn p22_a_tab_is_called_a_tab() {
    assert_eq!(
        problems(format!("{HEAD}services:\n\twohngeld: {{}}\n"))
            .lines()
            .next()
            .unwrap(),
        "schleuse.yaml:5:1: a tab in the indentation; indent with spaces"
    );
}

#[test]
fn p21_keys_without_quotes_are_taken_digit_for_digit() {
    let yaml = format!("{HEAD}{BODY}").replace(
        "pool: a }",
        "pool: a, leistung: 00107023018000, pools_by_tenant: { 064120000000: a } }",
    );
    let yaml = yaml.replace("gemeinden.csv }", "gemeinden.csv, overrides: { 010545459039: { hosts: [groede.example] } }, aliases: { 160610049049: 160610115115 } }");
    Site::new(yaml).loaded();
}

#[test]
fn p21_a_lost_leading_zero_is_recognised() {
    assert_eq!(
        service_with("pools_by_tenant: { 64120000000: a }"),
        "schleuse.yaml:10:24: services.wohngeld.pools_by_tenant.64120000000: `64120000000` lacks its leading zero; write \"064120000000\""
    );
    assert_eq!(
        service_with("leistung: 9.9107023018e13"),
        "schleuse.yaml:10:15: services.wohngeld.leistung: `9.9107023018e13` is no Leistungsschlüssel; write its 14 digits in quotes, as \"99107023018000\""
    );
}

#[test]
fn p23_a_duration_a_size_and_a_share_without_unit_are_refused() {
    assert_eq!(
        pool_with("slow_start: 30"),
        "schleuse.yaml:9:17: pools.a.slow_start: `30` has no unit; write 30s, or 30ms for milliseconds"
    );
    assert_eq!(
        service_with("body_max: 100"),
        "schleuse.yaml:10:15: services.wohngeld.body_max: `100` has no unit; write 100MiB, or 100KiB, or 100B"
    );
    assert_eq!(
        pool_with("retry: { budget: 0.2 }"),
        "schleuse.yaml:9:22: pools.a.retry.budget: `0.2` is not a share; write whole percent, as 20%"
    );
}

#[test]
fn numbers_beyond_their_bounds_are_refused() {
    assert_eq!(
        pool_with("concurrency: 0"),
        "schleuse.yaml:9:18: pools.a.concurrency: 0 is too small; write at least 1"
    );
    assert_eq!(
        service_with("timeout: 48h"),
        "schleuse.yaml:10:14: services.wohngeld.timeout: 48h is too large; write at most 24h"
    );
    assert_eq!(
        problems(format!("{HEAD}{BODY}client: {{ head_bytes_max: 64KiB }}\n")),
        "schleuse.yaml:8:27: client.head_bytes_max: 64KiB is too large; write at most 65535B"
    );
}

#[test]
fn words_that_some_tools_read_as_booleans_are_refused_where_text_is_wanted() {
    assert_eq!(
        body_problems(
            &BODY
                .replace("a: {", "no: {")
                .replace("pool: a", "pool: \"no\"")
        ),
        "\
schleuse.yaml:5:71: services.wohngeld.pool: there is no pool `no`; add `no` to `pools`
schleuse.yaml:7:3: pools: `no` without quotes is a boolean to some YAML tools; quote it: \"no\""
    );
}

#[test]
fn a_switch_is_true_or_false() {
    assert_eq!(
        service_with("tenant_cookie: yes"),
        "schleuse.yaml:10:20: services.wohngeld.tenant_cookie: `yes` is neither true nor false; write true"
    );
    assert_eq!(
        service_with("tenant_cookie: Off"),
        "schleuse.yaml:10:20: services.wohngeld.tenant_cookie: `Off` is neither true nor false; write false"
    );
}

#[test]
fn an_unknown_key_is_answered_with_the_one_that_was_meant() {
    assert_eq!(
        pool_with("conections_max: 40"),
        "schleuse.yaml:9:5: pools.a.conections_max: unknown key; did you mean `connections_max`?"
    );
    assert_eq!(
        problems(format!("{HEAD}{BODY}accesslog: {{ farbe: blau }}\n")),
        "schleuse.yaml:8:1: accesslog: unknown key; did you mean `access_log`?"
    );
    assert_eq!(
        problems(format!(
            "{HEAD}{BODY}admin: {{ port: 1, address: 127.0.0.1:1 }}\n"
        )),
        "schleuse.yaml:8:10: admin.port: unknown key; remove it; known here: address, token"
    );
}

#[test]
fn keys_of_later_versions_are_unknown_keys() {
    assert!(pool_with("scale: { kubernetes: {} }").contains("unknown key"));
}

#[test]
fn a_key_that_stands_twice_names_both_lines() {
    assert_eq!(
        problems(format!(
            "{HEAD}{BODY}drain_max: 5s\nworkers: 2\ndrain_max: 9s\n"
        )),
        "schleuse.yaml:10:1: drain_max: written twice, first in line 8; keep one of the two"
    );
}

#[test]
fn merge_keys_and_empty_values_are_refused() {
    assert_eq!(
        problems(format!(
            "{HEAD}{BODY}client: &c {{}}\naccess_log: {{ <<: *c }}\n"
        )),
        "schleuse.yaml:9:15: access_log.<<: unknown key; write the keys out: merge keys are no part of YAML 1.2"
    );
    assert_eq!(
        problems(format!("{HEAD}{BODY}trusted_proxies:\n# - 10.0.0.0/8\n")),
        "schleuse.yaml:8:1: trusted_proxies: has no value; write one, or remove the key"
    );
}

#[test]
fn the_wrong_kind_of_value_is_named() {
    assert_eq!(
        service_with("allow_from: 10.0.0.0/8"),
        "schleuse.yaml:10:17: services.wohngeld.allow_from: is not a list; write [10.0.0.0/8]"
    );
    assert_eq!(
        service_with("request: { headers: { set: { X-Ars: {tenant.ars} } } }"),
        "schleuse.yaml:10:41: services.wohngeld.request.headers.set.X-Ars: is a mapping where one value is wanted; quote it: \"{tenant.ars}\""
    );
    assert_eq!(
        problems(format!("{HEAD}{BODY}client: 10s\n")),
        "schleuse.yaml:8:9: client: `10s` stands where keys are wanted; write `key: value` lines below it, indented"
    );
    assert_eq!(
        problems("- a\n- b\n"),
        "schleuse.yaml:1:1: is a list where keys are wanted; write `key: value` without `- `"
    );
}

#[test]
fn required_keys_are_named_with_an_example() {
    assert_eq!(
        problems("version: 1\n"),
        "\
schleuse.yaml:1:1: `listeners` is missing; write listeners: [{ address: \"0.0.0.0:8080\" }]
schleuse.yaml:1:1: `pools` is missing; write pools: { wohngeld: { endpoints: [\"10.0.0.1:8080\"] } }
schleuse.yaml:1:1: `services` is missing; write services: { wohngeld: { hosts: [wohngeld.example], responsible: gemeinde, pool: wohngeld } }
schleuse.yaml:1:1: `tenants` is missing; write tenants: { register: gemeinden.csv }"
    );
    assert_eq!(
        problems(format!("{HEAD}{BODY}").replace("version: 1", "version: 2")),
        "schleuse.yaml:1:10: version: `2` is not known; did you mean `1`?"
    );
}

#[test]
fn fifty_problems_are_reported_at_once() {
    let mut yaml = format!("{HEAD}{BODY}");
    yaml.push_str("access_log:\n");
    yaml.extend((0..50).map(|number| format!("  key{number}: {number}\n")));
    let problems = problems(yaml);
    assert_eq!(problems.lines().count(), 50);
    assert!(problems.lines().all(|line| line.contains("unknown key")));
}

#[test]
fn six_hundred_problems_are_capped_and_counted() {
    let mut yaml = format!("{HEAD}{BODY}trusted_proxies:\n");
    for _ in 0..600 {
        yaml.push_str("  - everybody\n");
    }
    let problems = problems(yaml);
    assert_eq!(problems.lines().count(), 501);
    assert!(problems.ends_with("\nand 100 more"));
}
