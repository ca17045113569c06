//! A request goes through.

use schleuse_tests::{Edge, Origin};

#[test]
fn a_request_reaches_the_backend_and_its_answer_the_client() {
    let origin = Origin::echo();
    let edge = Edge::new().origin(origin.address()).start();

    let answer = edge.get("110000000000.wohngeld.example", "/antrag?x=1");

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["target"], "/antrag?x=1");
    assert_eq!(origin.request_count(), 1);
    assert_eq!(
        origin.requests()[0].field("Schleuse-Tenant"),
        Some("110000000000")
    );
    assert!(edge.stop().success());
}
