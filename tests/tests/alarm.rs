//! A launch that is short of replicas is told to those who are on duty, and so is that it is mended.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schleuse_tests::{Edge, Origin, Request, eventually, origin};
use serde_json::{Value, json};

use crate::launches::{in_seconds, processes};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Processes that at most `max` of are started, a launch that needs two of them, and this receiver of alarms.
fn site(max: u32, receiver: &Origin) -> Edge {
    let launch = "at: 2999-01-01T00:00:00Z, duration: 4h, arrivals_per_second: 15";
    announced(max, receiver, launch)
}

fn announced(max: u32, receiver: &Origin, launch: &str) -> Edge {
    processes(&format!("min: 1\n  max: {max}"), launch)
        .top(&format!(
            "alarm: {{ webhook: {{ url: \"http://{}/duty?of=schleuse\", secret: {{ file: k }} }} }}",
            receiver.address()
        ))
        .file("k", format!("whsec_{}", STANDARD.encode(KEY)))
}

/// A launch that begins within the minute in which it is verified.
fn soon() -> String {
    let at = in_seconds(50);
    format!("at: {at}, duration: 4h, arrivals_per_second: 15")
}

fn is_signed(alarm: &Request) -> bool {
    let field = |name: &str| alarm.field(name).unwrap().to_owned();
    let (id, time) = (field("webhook-id"), field("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &alarm.body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &signed);
    field("webhook-signature") == format!("v1,{}", STANDARD.encode(tag))
        && field("idempotency-key") == id
}

fn body(alarm: &Request) -> Value {
    serde_json::from_slice(&alarm.body).unwrap()
}

#[test]
fn a_launch_that_is_short_is_told_until_it_is_taken_and_so_is_its_mending() {
    let asked = AtomicUsize::new(0);
    let receiver = Origin::serve(move |_, conversation| {
        conversation.send(if asked.fetch_add(1, SeqCst) == 0 {
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            origin::ok("taken")
        });
    });
    let launch = soon();
    let mut edge = announced(1, &receiver, &launch).start();
    let failed = edge.log().wait_event("alarm_failed");
    assert_eq!(
        (&failed["why"], &failed["level"]),
        (&json!("answered 500"), &json!("error"))
    );
    let taken = edge.log().wait_event("alarm_taken");
    assert_eq!(
        (&taken["state"], &taken["launch"]),
        (&json!("launch_short"), &json!("grant"))
    );
    edge.reload(announced(4, &receiver, &launch));
    edge.log().wait_event("launch_ready");
    edge.log().wait_events("alarm_taken", 2);
    let alarms = receiver.requests();
    assert!(alarms.iter().all(is_signed));
    let [first, again, mended] = &alarms[..] else {
        panic!("{alarms:?}")
    };
    assert_eq!(first.field("webhook-id"), again.field("webhook-id"));
    assert_ne!(first.field("webhook-id"), mended.field("webhook-id"));
    let told = body(again);
    assert_eq!(told["type"], "launch_short");
    assert_eq!(
        (&told["service"], &told["pool"]),
        (&json!("wohngeld"), &json!("wohngeld"))
    );
    assert_eq!((&told["needed"], body(first)), (&json!(2), told.clone()));
    assert!(
        launch.contains(&told["at"].as_str().unwrap()[..19]),
        "{told}"
    );
    let reasons = told["reasons"].as_array().unwrap();
    assert!(reasons.contains(&json!("plan")), "{told}");
    assert_eq!(told["max"], 1, "that is why");
    let told = body(mended);
    assert_eq!(
        (&told["type"], &told["ready"]),
        (&json!("launch_ready"), &json!(2))
    );
}

#[test]
fn a_launch_that_is_withdrawn_while_it_is_short_is_over_for_those_who_were_told() {
    let receiver = Origin::ok("taken");
    let mut edge = announced(1, &receiver, &soon()).start();
    edge.log().wait_event("alarm_taken");
    edge.reload(site(1, &receiver));
    edge.log().wait_event("launch_over");
    edge.log().wait_events("alarm_taken", 2);
    assert_eq!(body(&receiver.requests()[1])["type"], "launch_over");
}

#[test]
fn a_receiver_of_alarms_that_hangs_delays_nobody_and_one_that_takes_its_place_is_told() {
    let hanging = Origin::hanging();
    let launch = soon();
    let mut edge = announced(1, &hanging, &launch).start();
    hanging.wait_requests(1);
    assert_eq!(edge.get("110000000000.wohngeld.example", "/").status, 200);
    let other = Origin::ok("taken");
    edge.reload(announced(1, &other, &launch));
    edge.log().wait_event("alarm_taken");
    eventually("the other one has it", || other.request_count() == 1);
    assert_eq!(edge.stop().code(), Some(0));
}
