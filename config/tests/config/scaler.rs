//! The listener for KEDA: its address, its certificates and the authorities it believes.

use crate::{
    support::{BODY, HEAD, Site},
    tls::write_pair,
};

fn site(section: &str) -> Site {
    let site = Site::new(format!("{HEAD}scaler: {section}\n{BODY}"));
    write_pair(&site, "scaler/tls", &["scaler.example"]);
    write_pair(&site, "scaler/ca", &["ca.example"]);
    site
}

#[test]
fn an_address_alone_is_a_plain_listener() {
    let site = site("{ address: 127.0.0.1:9090 }");
    assert_eq!(site.warnings(), [""; 0]);
    let scaler = site.loaded().snapshot.scaler.unwrap();
    assert_eq!(scaler.address, "127.0.0.1:9090".parse().unwrap());
    assert!(scaler.tls.is_none());
}

#[test]
fn certificates_and_authorities_are_read_and_watched() {
    let site = site(
        "{ address: 0.0.0.0:9090, tls: { certificates: [scaler/tls], client_ca: scaler/ca.crt } }",
    );
    assert_eq!(site.warnings(), [""; 0]);
    let loaded = site.loaded();
    let tls = loaded.snapshot.scaler.unwrap().tls.unwrap();
    assert_eq!(tls.certificates.certificates[0].names, ["scaler.example"]);
    assert_eq!(tls.client_ca.map(|authorities| authorities.len()), Some(1));
    for name in ["scaler/tls.crt", "scaler/tls.key", "scaler/ca.crt"] {
        assert!(loaded.files.contains(&site.path(name)), "{name}");
    }
}

#[test]
fn an_address_that_others_reach_without_a_certificate_is_warned_about() {
    let remedy = "set `scaler.tls.client_ca`, or let nobody but KEDA reach it";
    for section in [
        "{ address: 0.0.0.0:9090 }",
        "{ address: 0.0.0.0:9090, tls: { certificates: [scaler/tls] } }",
    ] {
        let warning = format!(
            "schleuse.yaml:4:20: scaler.address: 0.0.0.0:9090 is reached from other machines, without a certificate; {remedy}"
        );
        assert_eq!(site(section).warnings(), [warning]);
    }
}

#[test]
fn an_authority_that_cannot_be_used_is_a_problem_that_names_the_file() {
    let section =
        "{ address: 127.0.0.1:9090, tls: { certificates: [scaler/tls], client_ca: ca.pem } }";
    let at = "schleuse.yaml:4:82: scaler.tls.client_ca: ca.pem";
    let remedy = "write the authority's certificate as PEM into it";
    let site = site(section);
    assert!(site.problems().starts_with(at), "{}", site.problems());
    for (content, wrong) in [
        ("", "holds no certificate (-----BEGIN CERTIFICATE-----)"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds a certificate that cannot be used: ",
        ),
        ("-----BEGIN CERTIFICATE-----\n", "is not PEM: "),
    ] {
        site.write("ca.pem", content);
        let problems = site.problems();
        assert!(problems.starts_with(&format!("{at} {wrong}")), "{problems}");
        assert!(problems.ends_with(remedy), "{problems}");
    }
}

#[test]
fn an_address_is_taken_once_whoever_listens() {
    let yaml = format!(
        "{HEAD}admin: {{ address: 127.0.0.1:9090 }}\nscaler: {{ address: 127.0.0.1:9090 }}\n{BODY}"
    );
    assert_eq!(
        crate::support::problems(yaml),
        "schleuse.yaml:5:20: scaler.address: 127.0.0.1:9090 is taken by admin.address (127.0.0.1:9090, line 4); \
         choose another port, or remove one of the two"
    );
}
