//! Certificates that change, expire or break while TLS is served.

use schleuse_tests::{Authority, Client, Edge, Load, Origin, Pair, binary::run, eventually, load};

const NAME: &str = "wohngeld.example";

fn config(origin: &Origin, pair: &Pair) -> Edge {
    Edge::new()
        .service("wohngeld", "responsible: bund")
        .pool("wohngeld", &[origin.address()], "")
        .tls("tls")
        .file("tls/a.crt", pair.certificate.clone())
        .file("tls/a.key", pair.key.clone())
}

#[test]
fn a_certificate_is_swapped_under_load_without_one_failed_request() {
    let authority = Authority::new();
    let origin = Origin::ok("fine").forgetful();
    let pairs = [authority.issue(&[NAME]), authority.issue(&[NAME])];
    let edge = config(&origin, &pairs[0]).start();
    let (address, client) = (edge.https(), authority.client());
    let connect = move || Client::secure(address, NAME, client.clone()).unwrap();
    let kept = Load::new(2, connect.clone(), |client| load::expect_ok(client, NAME));
    let new = Load::new(1, connect.clone(), {
        let connect = connect.clone();
        move |client| {
            *client = connect();
            load::expect_ok(client, NAME)
        }
    });
    for round in 1..=6 {
        new.wait_answers(5);
        let pair = &pairs[round % 2];
        // Key and certificate come one after the other, as any tool writes them: a pair that does not fit is not taken.
        pair.write(&edge.directory().join("tls"), "a");
        eventually("the new certificate is served", || {
            connect().certificate() == Some(pair.der())
        });
    }
    for load in [kept, new] {
        let (answered, failures) = load.stop();
        assert!(
            failures.is_empty(),
            "{} of {answered}: {failures:?}",
            failures.len()
        );
    }
}

#[test]
fn an_open_connection_outlives_its_certificate() {
    let authority = Authority::new();
    let origin = Origin::ok("fine");
    let mut edge = config(&origin, &authority.issue(&[NAME])).start();
    let mut client = Client::secure(edge.https(), NAME, authority.client()).unwrap();
    assert_eq!(client.get(NAME, "/").status, 200);
    edge.reload(config(&origin, &authority.issue(&[NAME, "more.example"])));
    assert_eq!(client.get(NAME, "/").status, 200);
}

#[test]
fn p20_an_expired_certificate_is_served_warned_about_and_counted_and_others_do_not_suffer() {
    let authority = Authority::new();
    let origin = Origin::ok("fine");
    let good = authority.issue(&["good.example"]);
    let expired = authority.issue_expired(&[NAME]);
    let mut edge = config(&origin, &expired)
        .service(
            "wohngeld",
            "responsible: bund\nhosts: [wohngeld.example, good.example]",
        )
        .file("tls/b.crt", good.certificate.clone())
        .file("tls/b.key", good.key.clone())
        .start();

    let warning = edge.log().wait_event_with("config_warning", "expired");
    assert!(
        warning["problem"].to_string().contains("a.crt"),
        "{warning}"
    );
    assert_eq!(edge.count("schleuse_certificates_expired"), 1);
    let mut client = Client::secure(edge.https(), "good.example", authority.client()).unwrap();
    assert_eq!(client.get("good.example", "/").status, 200);
    let refused = Client::secure(edge.https(), NAME, authority.client()).unwrap_err();
    assert!(
        refused.to_string().contains("certificate expired"),
        "by the client, not by us: {refused}"
    );

    edge.reload(config(&origin, &authority.issue(&[NAME])));
    assert_eq!(edge.count("schleuse_certificates_expired"), 0);
}

#[test]
fn p20_a_pair_that_does_not_fit_is_refused_by_name_and_the_old_set_lives_on() {
    let authority = Authority::new();
    let origin = Origin::ok("fine");
    let (good, other) = (authority.issue(&[NAME]), authority.issue(&[NAME]));
    let edge = config(&origin, &good).start();
    for (certificate, key) in [
        (&*good.certificate, &*other.key),
        ("no certificate", &*good.key),
        (&*good.certificate, "no key"),
    ] {
        let broken = Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        config(&origin, &broken).write_into(edge.directory());
        let refused = edge.post("/api/v1/reload");
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert!(
            refused.text().contains("a.crt") || refused.text().contains("a.key"),
            "{}",
            refused.text()
        );
        let mut client = Client::secure(edge.https(), NAME, authority.client()).unwrap();
        assert_eq!(client.certificate(), Some(good.der()));
        assert_eq!(client.get(NAME, "/").status, 200);
        let started = run(edge.directory(), &["run"]);
        assert_eq!(
            started.code,
            Some(1),
            "a first start is refused: {}",
            started.stdout
        );
    }
}
