//! What a citizen carries from one answer to the next request: redirects of every form, cookies that are deleted.

use std::sync::atomic::Ordering;

use launchday::workload::{Body, Template, Workload};

use super::{
    journey, play, settings,
    target::{Deed, Request, Target, answer},
    workload,
};

fn redirect(status: u16, location: &str) -> Deed {
    Deed::Answer(answer(status, &format!("Location: {location}\r\n"), ""))
}

fn office(request: &Request<'_>) -> Deed {
    if !request
        .fields
        .iter()
        .any(|field| field == "Host: wohngeld.example")
    {
        return Deed::Answer(answer(421, "", ""));
    }
    match request.path {
        "/antrag/start" => redirect(302, "form?nr=1"),
        "/antrag/form?nr=1" => redirect(303, "http://Wohngeld.example:80/antrag/senden/"),
        "/antrag/senden/" => redirect(301, "../danke"),
        "/antrag/danke" => Deed::Answer(answer(200, "", "")),
        _ => Deed::Answer(answer(404, "", "")),
    }
}

/// Ten citizens, who make this request of wohngeld.example.
fn ten(target: &Target, method: &str, path: &str, body: &Body) -> Workload {
    let mut workload = workload(target.address, 20.0, 0.5);
    let host = [("Host".to_owned(), "wohngeld.example".to_owned())];
    let authority = &workload.target.authority;
    workload.journeys[0].steps[0].request = Template::new(method, path, authority, &host, body);
    workload
}

#[test]
fn redirects_are_followed_relative_or_to_the_host_that_the_step_names() {
    let target = Target::start(office);
    let workload = ten(&target, "GET", "/antrag/start", &Body::None);
    let results = play(&workload, &settings(1, 0));
    assert_eq!(
        (results.counts.answered, results.journeys[0].completed),
        (40, 10),
        "{:?}",
        results.reasons
    );
}

/// `/other` takes what was put, and `/done` nothing.
fn moved(request: &Request<'_>) -> Deed {
    match request.path {
        "/moved" => redirect(302, "/other"),
        "/other" => redirect(303, "/last"),
        "/last" => redirect(307, "/done"),
        _ => Deed::Answer(answer(200, "", "")),
    }
}

#[test]
fn a_redirect_keeps_what_browsers_keep_and_what_became_a_get_stays_one() {
    for (method, bodies) in [("POST", 1), ("PUT", 2)] {
        let target = Target::start(moved);
        let workload = ten(&target, method, "/moved", &Body::Text("12345".to_owned()));
        let results = play(&workload, &settings(1, 0));
        assert_eq!(results.counts.answered, 40, "{:?}", results.reasons);
        let arrived = target.seen.body_bytes.load(Ordering::SeqCst);
        assert_eq!((method, arrived), (method, 10 * 5 * bodies));
    }
}

fn session(request: &Request<'_>) -> Deed {
    let cookie = request
        .fields
        .iter()
        .find_map(|field| field.strip_prefix("Cookie: "));
    match (request.path, cookie) {
        ("/in", None) => Deed::Answer(answer(200, "Set-Cookie: s=1\r\nSet-Cookie: t=2\r\n", "")),
        ("/out", Some("s=1; t=2")) => Deed::Answer(answer(
            200,
            "Set-Cookie: s=deleted; Expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/\r\n",
            "",
        )),
        ("/on", Some("t=2")) => Deed::Answer(answer(200, "", "")),
        _ => Deed::Answer(answer(403, "", "")),
    }
}

#[test]
fn a_cookie_that_the_server_deletes_is_sent_no_more() {
    let target = Target::start(session);
    let mut workload = workload(target.address, 20.0, 0.5);
    workload.journeys = vec![journey("localhost", &["/in", "/out", "/on"])];
    let results = play(&workload, &settings(1, 0));
    assert_eq!(results.counts.answered, 30, "{:?}", results.reasons);
}
