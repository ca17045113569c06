//! What is told to others: alarms by webhook, and a service's own page.

use std::time::Duration;

use schleuse_config::PagePart;

use crate::support::{BODY, HEAD, Site, problems};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn with_page(page: &[u8]) -> Site {
    let keys = "pool: a, fallback_page: own/page.html }";
    let site = Site::new(format!("{HEAD}{}", BODY.replacen("pool: a }", keys, 1)));
    site.write("own/page.html", page);
    site
}

#[test]
fn an_alarm_has_a_receiver_of_its_own() {
    let alarm = "alarm: { webhook: { url: \"https://duty.example/x\", secret: { file: k } } }";
    let site = Site::new(format!("{HEAD}{BODY}{alarm}\n"));
    site.write("k", SECRET);
    let loaded = site.loaded();
    assert!(loaded.files.contains(&site.path("k")));
    let receiver = loaded.snapshot.alarm.unwrap();
    assert_eq!(
        (&*receiver.host, receiver.port, &*receiver.target),
        ("duty.example", 443, "/x")
    );
    assert_eq!(receiver.timeout, Duration::from_secs(5));
}

#[test]
fn an_alarm_that_reaches_nobody_is_a_problem() {
    let alarm = |alarm| problems(format!("{HEAD}{BODY}alarm: {alarm}\n"));
    assert_eq!(
        alarm("{ webhok: {} }"),
        "schleuse.yaml:8:8: alarm: `webhook` is missing; write webhook: \
         { url: \"https://bereitschaft.example/schleuse\", secret: { file: alarm.key } }\n\
         schleuse.yaml:8:10: alarm.webhok: unknown key; did you mean `webhook`?"
    );
    let unsigned = alarm("{ webhook: { url: \"https://duty.example\" } }");
    assert!(
        unsigned.contains("alarm.webhook: `secret` is missing"),
        "{unsigned}"
    );
}

#[test]
fn a_services_own_page_is_a_part_of_the_config() {
    let site = with_page(b"<p>{reference}</p>");
    let loaded = site.loaded();
    assert!(loaded.files.contains(&site.path("own/page.html")));
    let page = loaded.snapshot.services[0].fallback_page.as_ref().unwrap();
    assert_eq!(page.0[1], PagePart::Reference);
    let before = loaded.snapshot.hash;
    site.write("own/page.html", "<p>other");
    assert_ne!(site.loaded().snapshot.hash, before);
}

#[test]
fn a_page_that_cannot_be_shown_is_a_problem_that_names_the_file() {
    let large = vec![b' '; 70_000];
    let place = "schleuse.yaml:5:89: services.wohngeld.fallback_page: own/page.html";
    for (page, expected) in [
        (
            &b"\xff"[..],
            " is not UTF-8; save it as UTF-8; it is sent as such",
        ),
        (b"", " is empty; write the page, or remove the key"),
        (
            &large,
            " has 70000 bytes, at most 65536 go out with a refusal; leave out what makes it large, images above all",
        ),
    ] {
        assert_eq!(with_page(page).problems(), format!("{place}{expected}"));
    }
    let missing = BODY.replacen("pool: a }", "pool: a, fallback_page: gone.html }", 1);
    assert_eq!(
        problems(format!("{HEAD}{missing}")),
        "schleuse.yaml:5:89: services.wohngeld.fallback_page: gone.html does not exist; \
         check the path; relative ones start at the config's directory"
    );
}
