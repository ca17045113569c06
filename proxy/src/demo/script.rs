//! The steps themselves, chapter by chapter. Each title is a claim, and its expectations can contradict it.

use super::{
    request::{Door, Request},
    site::{Ports, Site},
    step::{Action, Burst, Chapter, Edit, Expectation, Outcome, Step, pool_of},
};

use Door::{Http, Https};
use Expectation::{Certificate, Field, Line, ProxyExits, Says, SessionEndpoint, Status};

const WOHNGELD: &str = "wohngeld.localhost";
const LUEBECK: &str = "luebeck.wohngeld.localhost";
const BERLIN: &str = "antrag.berlin.localhost";
/// What a browser says and `curl` does not.
const BROWSER: (&str, &str) = ("Accept", "text/html");

/// All chapters.
pub fn chapters(site: &Site) -> Vec<Chapter> {
    vec![
        Chapter {
            title: "From zero: a backend that nobody asks for does not run",
            steps: waking(),
        },
        Chapter {
            title: "Every municipality, without a block of config for it",
            steps: places(),
        },
        Chapter {
            title: "Wrong, contradicting and forged",
            steps: refusals(),
        },
        Chapter {
            title: "HTTPS: two domains, two certificates",
            steps: https(),
        },
        Chapter {
            title: "A form of several pages on two endpoints, one of them to be serviced",
            steps: form(),
        },
        Chapter {
            title: "Changing the config while it serves",
            steps: reload(site),
        },
        Chapter {
            title: "A burst, and back to zero",
            steps: burst(),
        },
        Chapter {
            title: "A launch, announced a minute ahead",
            steps: launch(),
        },
        Chapter {
            title: "For operators",
            steps: operators(),
        },
        Chapter {
            title: "Stopping",
            steps: stopping(),
        },
    ]
}

fn ask(title: &'static str, request: Request, expected: impl Into<Vec<Expectation>>) -> Step {
    Step {
        title,
        action: Action::Ask(request),
        expected: expected.into(),
    }
}

fn says(text: &str) -> Expectation {
    Says(text.to_owned())
}

fn waking() -> Vec<Step> {
    let first = || Request::get(Http, WOHNGELD, "/010545459039/antrag");
    let time = |title, expected| Step {
        title,
        action: Action::Time(first()),
        expected,
    };
    vec![
        ask(
            "Nothing runs yet:",
            pool_of("wohngeld"),
            [Status(200), says("\"endpoints\": []")],
        ),
        time(
            "The first request starts its backend, waits for it and is answered:",
            vec![Status(200), Line("Ort", "Gröde (7 Einwohner)")],
        ),
        time("The next one finds it awake:", vec![Status(200)]),
    ]
}

fn burst() -> Vec<Step> {
    let request = Request::get(Http, "kfz-zulassung.localhost", "/010545459039/langsam");
    let burst = Burst {
        count: 40,
        request,
        pool: "kfz-zulassung",
    };
    vec![
        Step {
            title: "Forty people at once, two seconds of work each, four of them at a time per replica:",
            action: Action::Burst(burst),
            expected: vec![Line("answered", "40 of 40"), Line("replicas", "8")],
        },
        ask(
            "Why so many: the last decision with its reasons and numbers.",
            pool_of("kfz-zulassung"),
            [Status(200), says("\"reason\":")],
        ),
        Step {
            title: "When nobody comes any more, all of them go:",
            action: Action::Sleep("kfz-zulassung"),
            expected: vec![Status(200), says("\"desired\": 0")],
        },
    ]
}

/// Pre-warmed at 60 s + 1 s cold start + creation before it begins; some seconds more, so that the order is not overdue.
const ANNOUNCED_AHEAD_SECONDS: u64 = 66;

fn launch() -> Vec<Step> {
    let step = |title, action, expected| Step {
        title,
        action,
        expected,
    };
    let request = Request::get(Http, "kfz-zulassung.localhost", "/010545459039/langsam");
    let crowd = Burst {
        count: 16,
        request,
        pool: "kfz-zulassung",
    };
    vec![
        step(
            "The pool sleeps. Eight people a second are announced for a minute from now:",
            Action::Announce(ANNOUNCED_AHEAD_SECONDS),
            vec![says("\"rejected\": null")],
        ),
        step(
            "The timetable that follows from that, with pre-warm and verification:",
            Action::Plan,
            vec![
                says("pool kfz-zulassung"),
                says("pre-warm"),
                says("verify"),
                says("umweltpraemie begins"),
            ],
        ),
        step(
            "A minute before the beginning it is verified that its replicas serve:",
            Action::AwaitEvent("launch_ready"),
            vec![says("\"launch\":\"umweltpraemie\"")],
        ),
        step(
            "Nobody comes for that minute, and none of them goes:",
            Action::AwaitBegin("kfz-zulassung"),
            vec![
                Status(200),
                says("\"plan\""),
                Expectation::SaysNot("\"desired\": 0"),
            ],
        ),
        step(
            "The crowd finds them waiting:",
            Action::Burst(crowd),
            vec![Line("answered", "16 of 16")],
        ),
        step(
            "At its end what arrives decides again, and as nobody comes any more, all go:",
            Action::Sleep("kfz-zulassung"),
            vec![
                Status(200),
                says("\"desired\": 0"),
                Expectation::SaysNot("\"plan\""),
            ],
        ),
    ]
}

fn places() -> Vec<Step> {
    vec![
        ask(
            "Gröde has 7 inhabitants and is served like any city. Its key (ARS) stands in the path:",
            Request::get(Http, WOHNGELD, "/010545459039/antrag"),
            [
                Status(200),
                Line("Ort", "Gröde (7 Einwohner)"),
                Line("Mandant", "010545459039"),
                Line("Pfad", "/antrag"),
            ],
        ),
        ask(
            "Berlin comes by a domain of its own:",
            Request::get(Http, BERLIN, "/antrag"),
            [Status(200), Line("Ort", "Berlin (3.685.265 Einwohner)")],
        ),
        ask(
            "A name that only one place has works as a host:",
            Request::get(Http, LUEBECK, "/antrag"),
            [Status(200), Line("Mandant", "010030000000")],
        ),
        ask(
            "Kanzem (AGS 07235055) leaves registrations to its Verbandsgemeinde:",
            Request::get(Http, "ummeldung.localhost", "/start?ags=07235055"),
            [
                Status(200),
                Line("Mandant", "072355003"),
                Line("Ort", "Verbandsgemeinde Konz (32.030 Einwohner)"),
            ],
        ),
        ask(
            "Cars are the Kreis's business, so Gröde's key leads to Nordfriesland:",
            Request::get(Http, "kfz-zulassung.localhost", "/010545459039/termin"),
            [
                Status(200),
                Line("Mandant", "01054"),
                Line("Ort", "Kreis Nordfriesland (170.029 Einwohner)"),
            ],
        ),
        ask(
            "Frankfurt am Main has a backend of its own:",
            Request::get(Http, "frankfurt-am-main.wohngeld.localhost", "/antrag"),
            [
                Status(200),
                Line("Mandant", "064120000000"),
                says("frankfurt 127.0.0.1"),
            ],
        ),
        ask(
            "A link with the key of a municipality that has merged meanwhile:",
            Request::get(Http, WOHNGELD, "/160610049049/antrag"),
            [
                Status(200),
                Line("Ort", "Leinefelde-Worbis (19.957 Einwohner)"),
            ],
        ),
    ]
}

fn refusals() -> Vec<Step> {
    vec![
        ask(
            "A key that no place has: a person gets a plain page in German …",
            Request::get(Http, WOHNGELD, "/010545459999/antrag").field(BROWSER.0, BROWSER.1),
            [
                Status(404),
                Field("content-type", "text/html"),
                says("<h1>Diesen Ort kennen wir nicht</h1>"),
            ],
        ),
        Step {
            title: "… with a reference, under which the operator finds the request:",
            action: Action::FindInLog,
            expected: vec![says("\"refusal\":\"unknown_tenant\"")],
        },
        ask(
            "A program gets a problem document (RFC 9457):",
            Request::get(Http, WOHNGELD, "/010545459999/antrag"),
            [
                Status(404),
                Field("content-type", "application/problem+json"),
                says("\"reason\":\"unknown_tenant\""),
            ],
        ),
        ask(
            "Host and path name two different places: nobody's backend sees it.",
            Request::get(Http, LUEBECK, "/010545459039/antrag"),
            [Status(400), says("\"reason\":\"contradicting_tenants\"")],
        ),
        ask(
            "What only the proxy may say is dropped when a client says it:",
            Request::get(Http, WOHNGELD, "/010545459039/antrag")
                .field("Schleuse-Tenant", "110000000000")
                .field("X-Forwarded-For", "10.1.2.3"),
            [
                Status(200),
                Line("Mandant", "010545459039"),
                Line("Absender", "127.0.0.1"),
            ],
        ),
    ]
}

fn https() -> Vec<Step> {
    vec![
        ask(
            "The services' certificate, found by the name the client asks for (SNI):",
            Request::get(Https, WOHNGELD, "/010545459039/antrag"),
            [
                Status(200),
                Certificate("services"),
                Line("Protokoll", "https"),
            ],
        ),
        ask(
            "Berlin's domain with Berlin's certificate:",
            Request::get(Https, BERLIN, "/antrag"),
            [
                Status(200),
                Certificate("berlin"),
                Line("Mandant", "110000000000"),
            ],
        ),
        ask(
            "Berlin's host on a connection with the other certificate is misdirected:",
            Request::get(Https, WOHNGELD, "/antrag").field("Host", BERLIN),
            [Status(421), says("\"reason\":\"misdirected\"")],
        ),
    ]
}

/// A page of the form as a command, for its answer.
pub fn form_page(ports: Ports) -> String {
    Request::get(Https, WOHNGELD, "/seite2")
        .cookies()
        .curl(ports)
        .replacen("curl", "curl -s", 1)
}

fn form() -> Vec<Step> {
    let page = |target| Request::get(Https, WOHNGELD, target);
    let mode = |title, mode, expected: &'static str| Step {
        title,
        action: Action::SetMode(mode),
        expected: vec![Status(200), says(expected)],
    };
    vec![
        ask(
            "Page 1. The answer sets two cookies: for the place, and for the endpoint.",
            page("/010545459039/seite1").cookies(),
            [
                Status(200),
                Field("set-cookie", "schleuse-tenant="),
                Field("set-cookie", "schleuse-affinity="),
            ],
        ),
        ask(
            "Page 2 is sent without a key, and reaches the same place and endpoint:",
            page("/seite2").post("miete=480").cookies(),
            [
                Status(200),
                Line("Mandant", "010545459039"),
                Line("Empfangen", "9 Bytes"),
                SessionEndpoint(true),
            ],
        ),
        mode(
            "The endpoint that the form is on is drained before a service:",
            "drain",
            "\"mode\": \"drain\"",
        ),
        ask(
            "Whoever comes now gets the other one …",
            page("/010545459039/seite1"),
            [Status(200), SessionEndpoint(false)],
        ),
        ask(
            "… while the form goes on where it is.",
            page("/seite3").cookies(),
            [Status(200), SessionEndpoint(true)],
        ),
        mode(
            "Maintenance: nothing reaches the endpoint any more.",
            "maintenance",
            "\"mode\": \"maintenance\"",
        ),
        ask(
            "The form moves over, and its cookie is set anew:",
            page("/seite4").cookies(),
            [
                Status(200),
                SessionEndpoint(false),
                Field("set-cookie", "schleuse-affinity="),
            ],
        ),
        mode("And back.", "ready", "\"mode\": \"ready\""),
    ]
}

fn reload(site: &Site) -> Vec<Step> {
    let edit = |title, from, to, outcome, expected| Step {
        title,
        action: Action::Edit(Edit { from, to, outcome }),
        expected,
    };
    // At the time of the broken edit the number of lines is still the same.
    let place = format!("schleuse.yaml:{}:", site.line_of("responsible: kreis"));
    vec![
        edit(
            "Add a header for the backend; saved is in force:",
            "# X-Ort",
            "X-Ort",
            Outcome::Loaded,
            vec![says("\"generation\": 2")],
        ),
        ask(
            "The backend sees it (percent-encoded, as fields are ASCII):",
            Request::get(Http, WOHNGELD, "/010545459039/antrag"),
            [Status(200), Line("X-Ort", "Gr%C3%B6de")],
        ),
        edit(
            "A typing error. The proxy refuses the file:",
            "responsible: kreis",
            "responsible: krais",
            Outcome::Refused,
            vec![says(&place)],
        ),
        ask(
            "Status says what is wrong, where, and what to write instead:",
            Request::admin("/api/v1/status"),
            [Status(200), says(&place), says("did you mean `kreis`?")],
        ),
        ask(
            "And the config before it still serves:",
            Request::get(Http, "kfz-zulassung.localhost", "/010545459039/termin"),
            [Status(200), Line("Mandant", "01054")],
        ),
        edit(
            "Mend it:",
            "responsible: krais",
            "responsible: kreis",
            Outcome::Mended,
            vec![says("\"rejected\": null")],
        ),
    ]
}

fn operators() -> Vec<Step> {
    vec![
        ask(
            "Ready for traffic:",
            Request::admin("/readyz"),
            [Status(200), says("ready")],
        ),
        ask(
            "Metrics for Prometheus, the refused config among them:",
            Request::admin("/metrics"),
            [Status(200), says("schleuse_config_rejected_total 1")],
        ),
        ask(
            "A pool with its endpoints:",
            pool_of("wohngeld"),
            [Status(200), says("\"mode\": \"ready\"")],
        ),
    ]
}

fn stopping() -> Vec<Step> {
    vec![Step {
        title: "SIGTERM lets the request in flight end (it takes 2 s), then the proxy exits:",
        action: Action::Stop(Request::get(Http, WOHNGELD, "/010545459039/langsam")),
        expected: vec![
            Status(200),
            Line("Ort", "Gröde (7 Einwohner)"),
            Field("connection", "close"),
            ProxyExits,
        ],
    }]
}
