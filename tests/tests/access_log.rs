//! What the log says of people: as little as an operator needs, one line of valid JSON per request, never at the price of
//! traffic.

use schleuse_tests::{Edge, Load, Origin, RunningEdge, eventually};
use serde_json::Value;

/// A citizen of Gröde, whose office for `elterngeld` is the Kreis.
const CITIZEN: &str = "010545459039";
const PERSONAL: &str = "Cookie: session=geheim; schleuse-affinity=x\r\nUser-Agent: Browser/1 (geheim)\r\n\
    Referer: https://suche.example/pfad?q=geheim\r\nAuthorization: Bearer geheim\r\nX-Forwarded-For: 203.0.113.77\r\n";

fn start(origin: &Origin, options: &str) -> RunningEdge {
    Edge::new()
        .top(options)
        .service("elterngeld", "responsible: kreis")
        .pool("elterngeld", &[origin.address()], "")
        .start()
}

/// Asks with all that could be personal and returns the request's line.
fn line(edge: &RunningEdge, host: &str, target: &str) -> Value {
    let answer = edge.connect().get_with(host, target, PERSONAL);
    edge.log().wait_request(&reference(edge, &answer))
}

/// The reference of an answer of a backend is known from the log alone.
fn reference(edge: &RunningEdge, answer: &schleuse_tests::Response) -> String {
    answer.field("X-Request-Id").map_or_else(
        || {
            let line = edge.log().wait_line("\"reference\":");
            line["reference"].as_str().unwrap().to_owned()
        },
        str::to_owned,
    )
}

#[test]
fn by_default_nothing_of_a_person_is_in_the_log() {
    let origin = Origin::ok("fine");
    for (host, target) in [
        (
            "elterngeld.example",
            format!("/{CITIZEN}/antrag/7?name=geheim"),
        ),
        (
            "elterngeld.example",
            format!("/antrag?ars={CITIZEN}&name=geheim"),
        ),
        (
            &*format!("{CITIZEN}.elterngeld.example"),
            "/antrag?name=geheim".to_owned(),
        ),
    ] {
        let edge = start(&origin, "");
        let line = line(&edge, host, &target);
        assert_eq!(line["tenant"], "01054");
        assert_eq!(line["client"], "127.0.0.0/24");
        assert_eq!(line["status"], 200);
        assert!(line["path"].as_str().unwrap().contains("/antrag"), "{line}");
        let log = edge.log().text();
        for personal in [
            CITIZEN,
            "geheim",
            "127.0.0.1\"",
            "203.0.113",
            "session",
            "suche.example",
        ] {
            assert!(!log.contains(personal), "{personal}: {log}");
        }
    }
}

#[test]
fn a_key_that_leads_nowhere_is_not_in_the_log_either() {
    let origin = Origin::ok("fine");
    let edge = start(&origin, "");
    for (host, target, status) in [
        ("elterngeld.example", "/099999999999/antrag", 404),
        ("elterngeld.example", "/antrag?ars=099999999999", 404),
        ("099999999999.elterngeld.example", "/antrag", 404),
        (
            "elterngeld.example",
            "/010545459039/?ars=010545453041&ars=1",
            400,
        ),
    ] {
        let answer = edge.connect().get_with(host, target, PERSONAL);
        assert_eq!(answer.status, status, "{target}");
        let line = edge.log().wait_request(answer.reference());
        assert!(line["refusal"].is_string(), "{line}");
    }
    let log = edge.log().text();
    for personal in ["099999999999", CITIZEN, "geheim"] {
        assert!(!log.contains(personal), "{personal}: {log}");
    }
}

#[test]
fn what_an_operator_asks_for_is_logged_and_nothing_else() {
    let origin = Origin::ok("fine");
    let edge = start(
        &origin,
        "access_log: { client: full, query: true, user_agent: true, referer: true }",
    );
    let line = line(&edge, "elterngeld.example", "/01054/antrag?q=1");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["query"], "q=1");
    assert_eq!(line["user_agent"], "Browser/1 (geheim)");
    assert_eq!(line["referer"], "https://suche.example/pfad");
    let log = edge.log().text();
    assert!(!log.contains("Bearer") && !log.contains("session"), "{log}");

    let edge = start(&origin, "access_log: { client: none }");
    let line = self::line(&edge, "elterngeld.example", "/01054/antrag?q=1");
    assert!(line["client"].is_null(), "{line}");
}

#[test]
fn switched_off_it_still_tells_of_refusals() {
    let origin = Origin::ok("fine");
    let edge = start(&origin, "access_log: { enabled: false }");
    let mut client = edge.connect();
    assert_eq!(client.get("elterngeld.example", "/01054/").status, 200);
    let refused = client.get("elterngeld.example", "/");
    assert_eq!(refused.status, 404);
    edge.log().wait_request(refused.reference());
    assert!(!edge.log().text().contains("\"status\":200"));
}

#[test]
fn p39_every_line_is_one_valid_json_object_whatever_bytes_a_client_sends() {
    let origin = Origin::ok("fine");
    let edge = start(
        &origin,
        "access_log: { query: true, user_agent: true, referer: true }",
    );
    let mut sent = 0;
    for byte in (b' '..=0xff).filter(|byte| *byte != 0x7f) {
        let mut request =
            b"GET /01054/?x=1 HTTP/1.1\r\nHost: elterngeld.example\r\nUser-Agent: K".to_vec();
        request.extend_from_slice(&[byte, b'"', byte, b'\\', b'x']);
        request.extend_from_slice(b"\r\nReferer: \"\xe2\x80\xa8\\\xc3\r\n\r\n");
        let mut client = edge.connect();
        client.send(&request);
        assert_eq!(client.response().status, 200, "{byte:#x}");
        sent += 1;
    }
    // Bytes of the target itself: refused or passed on, always with one line.
    for target in [
        "/01054/\u{fc}",
        "/01054/\"<>\\",
        "/01054/%ff%00",
        "/01054/?\"\u{2028}\\",
    ] {
        let mut client = edge.connect();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: elterngeld.example\r\n\r\n"
        ));
        client.response();
        sent += 1;
    }
    eventually("every request has its line", || requests(&edge) >= sent);
    assert_eq!(requests(&edge), sent);
    for line in edge.log().raw() {
        assert!(
            serde_json::from_slice::<Value>(&line).is_ok_and(|value| value.is_object()),
            "{line:?}"
        );
    }
}

/// Lines of requests so far.
fn requests(edge: &RunningEdge) -> usize {
    let values = edge.log().values();
    values
        .iter()
        .filter(|value| value.get("reference").is_some())
        .count()
}

#[test]
fn a_reader_of_the_log_that_stalls_costs_lines_and_never_a_request() {
    let origin = Origin::ok("fine").forgetful();
    let edge = start(&origin, "access_log: { user_agent: true }");
    edge.log().pause();
    let address = edge.http();
    // Lines of 8 KiB: 8 MiB and a pipe are full after some 1,050.
    let fields = format!("User-Agent: {}\r\n", "x".repeat(8000));
    let load = Load::new(
        4,
        move || schleuse_tests::Client::connect(address),
        move |client| match client
            .get_with("elterngeld.example", "/01054/", &fields)
            .status
        {
            200 => Ok(()),
            status => Err(status.to_string()),
        },
    );
    edge.wait_metric("schleuse_log_lines_dropped_total", 1.0);
    load.wait_answers(200);
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(answered > 500, "{answered}");

    edge.log().resume();
    let gap = edge.log().wait_event("log_lines_dropped");
    assert!(gap["lines"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    let answer = edge.get("unknown.example", "/");
    edge.log().wait_request(answer.reference());
    assert!(edge.stop().success());
}
