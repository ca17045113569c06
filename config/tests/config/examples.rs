//! The files in `examples/` work and leave nothing out; the documentation is what the checker knows.

use std::{fs, path::Path, time::Duration};

use schleuse_config::{Kind, document, load, reference};

use crate::support::Site;

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn minimal_yaml_loads_with_every_municipality() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/minimal.yaml");
    let loaded = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.snapshot.register.tenant_count(), 10_753);
    assert_eq!(loaded.files.len(), 2);
    let pool = &loaded.snapshot.pools[0];
    assert_eq!((pool.policy.concurrency, pool.connections_max), (100, 200));
    assert_eq!(pool.timeouts.first_byte, Duration::from_mins(1));
    assert_eq!(loaded.snapshot.client.head_bytes_max, 32 << 10);
    assert_eq!(loaded.snapshot.client.body_rate_min, 1 << 10);
}

#[test]
fn full_yaml_loads_with_its_certificates_and_keys() {
    // The second key comes from the environment, which a test shares with all others: a file takes its place.
    let yaml = example("full.yaml").replace("env: AFFINITY_KEY_BEFORE", "file: before.key");
    let site = Site::new(yaml.replace("../register/", ""));
    let register = Path::new(env!("CARGO_MANIFEST_DIR")).join("register/gemeinden.csv");
    fs::copy(register, site.path("gemeinden.csv")).unwrap();
    site.write("affinity.key", "0123456789abcdef0123456789abcdef\n");
    site.write("admin.token", "0123456789abcdef\n");
    site.write(
        "webhook.key",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    );
    site.write(
        "alarm.key",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    );
    site.write("wohngeld.html", "<!doctype html><title>Moment</title>");
    site.write("launch.csv", "seconds,arrivals_per_second\n0,10\n600,400\n");
    site.write("before.key", "fedcba9876543210fedcba9876543210");
    crate::tls::write_pair(
        &site,
        "tls/wohngeld",
        &["wohngeld.example", "*.wohngeld.example"],
    );
    crate::tls::write_pair(&site, "scaler/tls", &["scaler.example"]);
    crate::tls::write_pair(&site, "scaler/ca", &["ca.example"]);
    let snapshot = site.loaded().snapshot;
    assert_eq!(snapshot.affinity_keys.len(), 2);
    assert_eq!(
        &*snapshot.affinity_keys[0].0,
        b"0123456789abcdef0123456789abcdef"
    );
    assert_eq!(snapshot.services[0].body_bytes_max, 100 << 20);
    assert_eq!(
        snapshot.pools[0].policy.ejection,
        schleuse_core::EjectionPolicy::default()
    );
    assert_eq!(
        snapshot.pools[0].policy.retry,
        schleuse_core::RetryPolicy::default()
    );
    assert_eq!(
        snapshot.pools[0].policy.health,
        schleuse_core::HealthPolicy::default()
    );
    assert!(snapshot.pools[0].policy.probed && !snapshot.pools[1].policy.probed);
    let names = &snapshot.listeners[1].tls.as_ref().unwrap().certificates[0].names;
    assert_eq!(names, &["wohngeld.example", "*.wohngeld.example"]);
}

#[test]
fn full_yaml_mentions_every_key() {
    let full = example("full.yaml");
    let mentioned = |key: &str| {
        full.lines().any(|line| {
            let line = line.split(" #").next().unwrap_or_default();
            line.match_indices(&format!("{key}:"))
                .any(|(at, _)| at == 0 || b" {".contains(&line.as_bytes()[at - 1]))
        })
    };
    let missing: Vec<&str> = reference()
        .iter()
        .map(|doc| doc.path)
        .filter(|path| !mentioned(path.rsplit('.').next().unwrap()))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_example_of_the_reference_has_the_type_it_documents() {
    for doc in reference() {
        let digits = doc
            .example
            .trim_matches('"')
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        let fits = match doc.kind {
            Kind::Section | Kind::Named(_) | Kind::Pairs(_) => doc.example.starts_with('{'),
            Kind::Sections | Kind::Texts(_) | Kind::Choices(_) => doc.example.starts_with('['),
            Kind::Integer(..) => digits,
            Kind::Flag => matches!(doc.example, "true" | "false"),
            Kind::Percent(..) => doc.example.ends_with('%'),
            Kind::Choice(words) => words.contains(&doc.example),
            Kind::RequestRate => doc.example.ends_with("/s"),
            Kind::Burst => digits || doc.example.ends_with('s'),
            Kind::Text(_) | Kind::Duration(..) | Kind::Size(..) | Kind::Rate(..) => {
                !doc.example.is_empty()
            }
        };
        assert!(fits, "{}: {}", doc.path, doc.example);
    }
}

#[test]
fn docs_config_md_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, document()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document(),
        "docs/config.md is old: UPDATE_DOCS=1 cargo test -p schleuse-config docs_config"
    );
}
