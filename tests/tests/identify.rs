//! Whose request it is, over sockets: host, path, query, cookie, trusted header, merged and ambiguous keys, and what those
//! get who are nobody's.

use schleuse_tests::{Edge, Origin, Request, Response, RunningEdge};

const BERLIN: &str = "110000000000";
const FRANKFURT: &str = "064120000000";

/// Asks, and gives the answer with what the backend saw.
fn ask(
    edge: &RunningEdge,
    origin: &Origin,
    host: &str,
    target: &str,
    fields: &str,
) -> (Response, Option<Request>) {
    let before = origin.request_count();
    let answer = edge.connect().get_with(host, target, fields);
    (answer, origin.requests().get(before).cloned())
}

/// The tenant that the backend was told; the answer must be a 200.
fn tenant(edge: &RunningEdge, origin: &Origin, host: &str, target: &str, fields: &str) -> String {
    let (answer, request) = ask(edge, origin, host, target, fields);
    assert_eq!(answer.status, 200, "{host}{target}: {}", answer.text());
    let request = request.expect("a request at the backend");
    assert_eq!(request.field("Schleuse-Service"), Some("wohngeld"));
    request
        .field("Schleuse-Tenant")
        .expect("a tenant")
        .to_owned()
}

#[test]
fn a_place_is_named_by_host_path_query_or_cookie() {
    let origin = Origin::ok("ok");
    let edge = Edge::new()
        .origin(origin.address())
        .tenants("overrides: { \"064120000000\": { hosts: [antrag.frankfurt.example] } }")
        .start();
    for (host, target, fields, expected) in [
        ("110000000000.wohngeld.example", "/", "", BERLIN),
        ("11000000.wohngeld.example", "/", "", BERLIN),
        ("berlin.wohngeld.example", "/", "", BERLIN),
        ("BERLIN.Wohngeld.Example:8080", "/", "", BERLIN),
        ("antrag.frankfurt.example", "/", "", FRANKFURT),
        ("wohngeld.example", "/110000000000/form", "", BERLIN),
        ("wohngeld.example", "/11000000", "", BERLIN),
        (
            "wohngeld.example",
            "/form?x=1&ars=064120000000",
            "",
            FRANKFURT,
        ),
        ("wohngeld.example", "/form?ags=06412000", "", FRANKFURT),
        (
            "wohngeld.example",
            "/form",
            "Cookie: a=b; schleuse-tenant=064120000000\r\n",
            FRANKFURT,
        ),
        (
            "wohngeld.example",
            "/11000000/",
            "Cookie: schleuse-tenant=064120000000\r\n",
            BERLIN,
        ),
        ("gröde.wohngeld.example", "/", "", ""),
        ("groede.wohngeld.example", "/", "", "010545459039"),
    ] {
        if expected.is_empty() {
            // A host name is ASCII on the wire (RFC 9110 §4.2.3).
            assert_eq!(
                edge.connect().get_with(host, target, fields).status,
                400,
                "{host}"
            );
        } else {
            assert_eq!(
                tenant(&edge, &origin, host, target, fields),
                expected,
                "{host}{target}"
            );
        }
    }
}

#[test]
fn the_cookie_is_set_once_carries_the_form_and_loses_to_a_new_key() {
    let origin = Origin::ok("ok");
    let edge = Edge::new().origin(origin.address()).start();
    let (answer, _) = ask(&edge, &origin, "wohngeld.example", "/11000000/", "");
    assert_eq!(answer.cookie("schleuse-tenant"), Some(BERLIN));
    let set = answer.field("Set-Cookie").unwrap();
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(
            set.split("; ").any(|part| part == attribute),
            "{attribute}: {set}"
        );
    }
    let carried = format!("Cookie: schleuse-tenant={BERLIN}\r\n");
    let (answer, request) = ask(&edge, &origin, "wohngeld.example", "/step/2", &carried);
    assert_eq!(answer.field("Set-Cookie"), None);
    assert_eq!(request.unwrap().field("Schleuse-Tenant"), Some(BERLIN));
    let (answer, request) = ask(&edge, &origin, "wohngeld.example", "/06412000/", &carried);
    assert_eq!(answer.cookie("schleuse-tenant"), Some(FRANKFURT));
    assert_eq!(request.unwrap().field("Schleuse-Tenant"), Some(FRANKFURT));
}

#[test]
fn a_cookie_of_rubbish_is_no_place() {
    let origin = Origin::ok("ok");
    let edge = Edge::new().origin(origin.address()).start();
    for value in ["", "x", "99999999", "1100000011000000", "%31%31000000"] {
        let fields = format!("Cookie: schleuse-tenant={value}\r\n");
        let (answer, request) = ask(&edge, &origin, "wohngeld.example", "/", &fields);
        assert_eq!(answer.status, 404, "{value}");
        assert!(request.is_none(), "{value}");
    }
}

#[test]
fn the_key_stays_in_the_path_or_is_cut_off_as_configured() {
    let origin = Origin::ok("ok");
    let kept = Edge::new().origin(origin.address()).start();
    let (_, request) = ask(
        &kept,
        &origin,
        "wohngeld.example",
        "/11000000/a%2Fb?c=%64",
        "",
    );
    assert_eq!(request.unwrap().target, "/11000000/a%2Fb?c=%64");
    let stripped = Edge::new()
        .service(
            "wohngeld",
            "request: { strip_prefix: true, add_prefix: /antrag }",
        )
        .pool("wohngeld", &[origin.address()], "")
        .start();
    for (target, expected) in [
        ("/11000000/a%2Fb?c=%64", "/antrag/a%2Fb?c=%64"),
        ("/11000000", "/antrag/"),
        ("/11000000?x", "/antrag/?x"),
        ("/%31%31000000/x", "/antrag/x"),
        ("/form?ags=11000000", "/antrag/form?ags=11000000"),
    ] {
        let (_, request) = ask(&stripped, &origin, "wohngeld.example", target, "");
        assert_eq!(request.unwrap().target, expected, "{target}");
    }
}

#[test]
fn the_office_in_charge_is_the_one_of_the_services_level() {
    let origin = Origin::ok("ok");
    for (level, expected) in [
        ("gemeinde", "010545459039"),
        ("verband", "010545459"),
        ("kreis", "01054"),
        ("land", "01"),
        ("bund", "bund"),
    ] {
        let edge = Edge::new()
            .service("wohngeld", &format!("responsible: {level}"))
            .pool("wohngeld", &[origin.address()], "")
            .start();
        let got = tenant(&edge, &origin, "wohngeld.example", "/010545459039/", "");
        assert_eq!(got, expected, "{level}");
    }
}

#[test]
fn three_zeros_mean_a_city_for_some_keys_and_a_kreis_for_others() {
    let origin = Origin::ok("ok");
    let cities = Edge::new().origin(origin.address()).start();
    let kreise = Edge::new()
        .service("wohngeld", "responsible: kreis")
        .pool("wohngeld", &[origin.address()], "")
        .start();
    // 06412000 is the city of Frankfurt; 05334000 is the Städteregion Aachen, in which the city has a key of its own.
    assert_eq!(
        tenant(&cities, &origin, "wohngeld.example", "/06412000/", ""),
        FRANKFURT
    );
    assert_eq!(
        tenant(&kreise, &origin, "wohngeld.example", "/05334000/", ""),
        "05334"
    );
    let (answer, request) = ask(&cities, &origin, "wohngeld.example", "/05334000/", "");
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (404, &"key_too_short".into())
    );
    assert!(request.is_none());
    assert_eq!(
        tenant(&cities, &origin, "wohngeld.example", "/05334002/", ""),
        "053340002002"
    );
}

#[test]
fn the_old_key_of_a_merged_place_leads_to_the_new_one() {
    let origin = Origin::ok("ok");
    let edge = Edge::new()
        .origin(origin.address())
        .tenants("aliases: { \"010545459999\": \"010545459039\" }")
        .start();
    for target in ["/010545459999/", "/?ars=010545459999", "/01054999/"] {
        assert_eq!(
            tenant(&edge, &origin, "wohngeld.example", target, ""),
            "010545459039",
            "{target}"
        );
    }
}

#[test]
fn a_tenants_own_pool_gets_its_requests_and_no_others() {
    let (shared, own) = (Origin::ok("shared"), Origin::ok("own"));
    let edge = Edge::new()
        .service(
            "wohngeld",
            "pools_by_tenant: { \"064120000000\": frankfurt }",
        )
        .pool("wohngeld", &[shared.address()], "")
        .pool("frankfurt", &[own.address()], "")
        .start();
    for (target, expected) in [
        ("/11000000/", "shared"),
        ("/06412000/", "own"),
        ("/02000000/", "shared"),
    ] {
        assert_eq!(edge.get("wohngeld.example", target).text(), expected);
    }
}

#[test]
fn the_trusted_header_is_believed_from_trusted_proxies_and_nobody_else() {
    let origin = Origin::ok("ok");
    let service = "tenant_from: [header, path]\ntenant_header: X-Ars";
    let edge = |trusted: &str| {
        Edge::new()
            .service("wohngeld", service)
            .pool("wohngeld", &[origin.address()], "")
            .top(&format!("trusted_proxies: [{trusted}]"))
            .start()
    };
    let trusting = edge("127.0.0.1/32");
    let field = "X-Ars: 110000000000\r\n";
    assert_eq!(
        tenant(&trusting, &origin, "wohngeld.example", "/", field),
        BERLIN
    );
    let (answer, _) = ask(&trusting, &origin, "wohngeld.example", "/06412000/", field);
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (400, &"contradicting_tenants".into())
    );
    let twice = "X-Ars: 110000000000\r\nX-Ars: 064120000000\r\n";
    let (answer, request) = ask(&trusting, &origin, "wohngeld.example", "/", twice);
    assert_eq!(answer.status, 400, "two readers could take two tenants");
    assert!(request.is_none());

    let strict = edge("192.0.2.0/24");
    let (answer, _) = ask(&strict, &origin, "wohngeld.example", "/", field);
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (404, &"no_tenant".into())
    );
    let (_, request) = ask(&strict, &origin, "wohngeld.example", "/06412000/", field);
    assert_eq!(request.unwrap().field("X-Ars"), None);
}

#[test]
fn a_network_that_may_not_use_a_service_gets_a_403() {
    let origin = Origin::ok("ok");
    let edge = Edge::new()
        .service(
            "intern",
            "responsible: bund\nallow_from: [10.0.0.0/8, \"2001:db8::/32\"]",
        )
        .pool("intern", &[origin.address()], "")
        .start();
    let answer = edge.get("intern.example", "/");
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (403, &"not_allowed".into())
    );
    let claimed = "X-Forwarded-For: 10.1.1.1\r\nForwarded: for=10.1.1.1\r\n";
    assert_eq!(
        edge.connect()
            .get_with("intern.example", "/", claimed)
            .status,
        403
    );
    assert_eq!(origin.request_count(), 0);

    let behind = Edge::new()
        .service("intern", "responsible: bund\nallow_from: [10.0.0.0/8]")
        .pool("intern", &[origin.address()], "")
        .top("trusted_proxies: [127.0.0.1/32]")
        .start();
    assert_eq!(
        behind
            .connect()
            .get_with("intern.example", "/", claimed)
            .status,
        200
    );
    let outside = "X-Forwarded-For: 10.1.1.1, 198.51.100.7\r\n";
    assert_eq!(
        behind
            .connect()
            .get_with("intern.example", "/", outside)
            .status,
        403
    );
}

#[test]
fn nobodys_request_gets_a_german_page_in_a_browser_and_a_problem_in_a_program() {
    let origin = Origin::ok("ok");
    let edge = Edge::new().origin(origin.address()).start();
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    for (host, target, reason, words) in [
        (
            "niemand.example",
            "/",
            "unknown_host",
            "Diese Seite gibt es hier nicht",
        ),
        ("wohngeld.example", "/", "no_tenant", "Ihr Ort fehlt noch"),
        (
            "wohngeld.example",
            "/99999999/",
            "unknown_tenant",
            "Diesen Ort kennen wir nicht",
        ),
        (
            "nirgendwo.wohngeld.example",
            "/",
            "unknown_tenant",
            "Diesen Ort kennen wir nicht",
        ),
    ] {
        let page = edge.connect().get_with(host, target, browser);
        assert_eq!(page.status, 404);
        assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.field("Content-Language"), Some("de"));
        assert_eq!(page.field("Cache-Control"), Some("no-store"));
        assert!(
            page.text().contains("<html lang=\"de\">") && page.text().contains(words),
            "{}",
            page.text()
        );
        assert!(
            page.text().contains(page.reference()),
            "the reference is on the page"
        );
        assert!(
            !page.text().to_lowercase().contains("schleuse"),
            "no product name"
        );

        let problem = edge
            .connect()
            .get_with(host, target, "Accept: application/json\r\n");
        assert_eq!(
            problem.field("Content-Type"),
            Some("application/problem+json")
        );
        let json = problem.json();
        assert_eq!(
            (&json["status"], &json["reason"]),
            (&404.into(), &reason.into())
        );
        assert_eq!(json["reference"], problem.reference());
    }
    assert_eq!(origin.request_count(), 0);
}
