//! Certificates on disk: pairs, broken pairs, and what lies beside them.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::support::{BODY, Site};

const TLS: &str = "\
version: 1
listeners: [{ address: 127.0.0.1:8443, tls: { certificates: [tls/] } }]
tenants: { register: gemeinden.csv }
";

const AT: &str = "schleuse.yaml:2:62: listeners[0].tls.certificates[0]:";

/// A self-signed pair as `NAME.crt` and `NAME.key`.
pub(crate) fn write_pair(site: &Site, name: &str, hosts: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let certificate = params(hosts).self_signed(&key).unwrap();
    site.write(&format!("{name}.crt"), certificate.pem());
    site.write(&format!("{name}.key"), key.serialize_pem());
}

fn params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    CertificateParams::new(hosts).unwrap()
}

fn site() -> Site {
    Site::new(format!("{TLS}{BODY}"))
}

#[test]
fn pairs_are_read_in_the_order_of_their_names() {
    let site = site();
    write_pair(&site, "tls/b", &["b.example"]);
    write_pair(&site, "tls/a", &["A.example", "*.a.example"]);
    let loaded = site.loaded();
    let set = loaded.snapshot.listeners[0].tls.clone().unwrap();
    let names: Vec<_> = set
        .certificates
        .iter()
        .map(|certificate| certificate.names.join(" "))
        .collect();
    assert_eq!(names, ["a.example *.a.example", "b.example"]);
    assert!(set.certificates[0].not_after > 1_700_000_000);
    assert!(
        loaded.files.contains(&site.path("tls/")) && loaded.files.contains(&site.path("tls/a.key"))
    );
}

#[test]
fn p20_an_expired_certificate_is_served_and_warned_about() {
    let site = site();
    let key = KeyPair::generate().unwrap();
    let mut params = params(&["old.example"]);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
    site.write("tls/old.crt", params.self_signed(&key).unwrap().pem());
    site.write("tls/old.key", key.serialize_pem());
    let warnings = site.warnings();
    assert_eq!(
        warnings,
        ["tls/old.crt: expired at Jan  1 00:00:00 2020 +00:00; renew it; it is served until then"]
    );
}

#[test]
fn p20_a_key_of_another_certificate_is_a_problem_that_names_both_files() {
    let site = site();
    write_pair(&site, "tls/a", &["a.example"]);
    site.write("tls/a.key", KeyPair::generate().unwrap().serialize_pem());
    assert_eq!(
        site.problems(),
        format!(
            "{AT} tls/a.crt: its key belongs to another certificate; put the certificate's own key into tls/a.key"
        )
    );
}

#[test]
fn p20_unusable_files_are_problems_that_name_them() {
    let site = site();
    write_pair(&site, "tls/a", &["a.example"]);
    let good = std::fs::read(site.path("tls/a.crt")).unwrap();
    for (certificate, key, expected) in [
        (
            good.as_slice(),
            None,
            "tls/a.crt: its key tls/a.key does not exist; check the path; relative ones start at the config's directory",
        ),
        (
            &good,
            Some("nothing"),
            "tls/a.crt: its key tls/a.key holds no private key; write it as PEM (-----BEGIN PRIVATE KEY-----)",
        ),
        (
            &good,
            Some(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            "tls/a.crt: its key tls/a.key is encrypted; decrypt it: openssl pkey -in NAME.key -out NAME.key",
        ),
        (
            b"",
            Some("x"),
            "tls/a.crt: holds no certificate (-----BEGIN CERTIFICATE-----); write the leaf and its intermediates as PEM into tls/a.crt, leaf first",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            Some("x"),
            "tls/a.crt: its first certificate cannot be read; make it anew",
        ),
    ] {
        site.write("tls/a.crt", certificate);
        let _ = std::fs::remove_file(site.path("tls/a.key"));
        if let Some(key) = key {
            site.write("tls/a.key", key);
        }
        assert_eq!(site.problems(), format!("{AT} {expected}"));
    }
}

#[test]
fn an_authority_beside_the_pairs_is_not_served() {
    let site = site();
    write_pair(&site, "tls/tls", &["a.example"]);
    let mut authority = params(&[]);
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    site.write("tls/ca.crt", authority.self_signed(&key).unwrap().pem());
    site.write("tls/..data/hidden.crt", "");
    let set = site.loaded().snapshot.listeners[0].tls.clone().unwrap();
    assert_eq!(set.certificates.len(), 1);
}

#[test]
fn one_pair_is_named_by_its_path_without_ending() {
    let site = Site::new(format!(
        "{}{BODY}",
        TLS.replace("tls/]", "tls/wohngeld.example]")
    ));
    write_pair(&site, "tls/wohngeld.example", &["wohngeld.example"]);
    assert_eq!(
        site.loaded().snapshot.listeners[0]
            .tls
            .as_ref()
            .unwrap()
            .certificates
            .len(),
        1
    );
}

#[test]
fn nothing_to_serve_is_a_problem() {
    let site = site();
    assert_eq!(
        site.problems(),
        format!(
            "{AT} there is neither a directory tls/ nor a file tls/.crt; name a directory with NAME.crt and NAME.key, or the path of one pair without its ending"
        )
    );
    site.write("tls/readme", "");
    assert_eq!(
        site.problems(),
        format!("{AT} tls/ holds no certificate; put NAME.crt and NAME.key there")
    );
}
