//! What operators' tools see of the admin listener: its token, and the resources that tell places and config.

use std::fs;

use schleuse_tests::{Edge, Origin, Response, RunningEdge, eventually};

const TOKEN: &str = "first-token-of-the-test";
const NEXT_TOKEN: &str = "second-token-of-the-test";

/// A proxy whose admin listener asks for [`TOKEN`].
fn with_token() -> RunningEdge {
    let origin = Origin::echo();
    Edge::new()
        .origin(origin.address())
        .admin("token: { file: admin.token }")
        .file("admin.token", format!("{TOKEN}\n"))
        .start()
}

/// Asks for an admin resource with a token.
fn ask(edge: &RunningEdge, path: &str, token: &str) -> Response {
    let field = format!("Authorization: Bearer {token}\r\n");
    edge.admin().get_with("admin", path, &field)
}

#[test]
fn without_the_token_only_health_is_answered() {
    let edge = with_token();
    for path in ["/livez", "/readyz"] {
        assert_eq!(edge.admin().get("admin", path).status, 200, "{path}");
    }
    for path in ["/metrics", "/api/v1/status", "/api/v1/tenants", "/nothing"] {
        let answer = edge.admin().get("admin", path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.field("WWW-Authenticate"), Some("Bearer"));
        assert_eq!(
            answer.field("Content-Type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], 401);
    }
    assert_eq!(edge.post("/api/v1/reload").status, 401);
    assert_eq!(ask(&edge, "/metrics", NEXT_TOKEN).status, 401);
    assert_eq!(ask(&edge, "/metrics", TOKEN).status, 200);
    assert!(!edge.log().text().contains(TOKEN));
}

#[test]
fn a_token_file_that_changes_rotates_the_token_and_a_bad_one_leaves_the_old() {
    let edge = with_token();
    let file = edge.directory().join("admin.token");
    fs::write(&file, "short").unwrap();
    edge.log().wait_event("config_rejected");
    assert_eq!(ask(&edge, "/api/v1/config", TOKEN).status, 200);
    fs::write(&file, NEXT_TOKEN).unwrap();
    eventually("the new token is in force", || {
        ask(&edge, "/api/v1/config", NEXT_TOKEN).status == 200
    });
    assert_eq!(ask(&edge, "/api/v1/config", TOKEN).status, 401);
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    let origin = Origin::echo();
    let edge = Edge::new().origin(origin.address()).start();
    let answer = edge.post("/api/v1/pools");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.field("Allow"), Some("GET, HEAD"));
    let answer = edge.admin().get("admin", "/api/v1/reload");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.field("Allow"), Some("POST"));
    let mut admin = edge.admin();
    admin.send("HEAD /api/v1/config HTTP/1.1\r\nHost: admin\r\n\r\n");
    assert_eq!(admin.response_to("HEAD").status, 200);
}

#[test]
fn all_places_of_germany_come_page_by_page() {
    let origin = Origin::echo();
    let edge = Edge::new()
        .whole_register()
        .origin(origin.address())
        .start();
    let (mut keys, mut target) = (Vec::new(), "/api/v1/tenants?limit=1000".to_owned());
    loop {
        let page = edge.resource(&target);
        let places = page["tenants"].as_array().unwrap();
        keys.extend(
            places
                .iter()
                .map(|place| place["ars"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        target = format!("/api/v1/tenants?limit=1000&after={next}");
    }
    assert!(keys.is_sorted());
    let count = edge.resource("/api/v1/status")["tenants"].as_u64();
    assert_eq!(Some(keys.len() as u64), count);
    assert_eq!(
        edge.admin()
            .get("admin", "/api/v1/tenants?limit=1001")
            .status,
        400
    );
}

#[test]
fn a_place_is_found_by_ars_and_ags_and_a_region_by_its_key() {
    let origin = Origin::echo();
    let edge = Edge::new().origin(origin.address()).start();
    for key in ["010545459039", "01054039"] {
        let place = edge.resource(&format!("/api/v1/tenants/{key}"));
        assert_eq!(place["name"], "Gröde", "{key}");
        let charge = &place["services"][0];
        assert_eq!(charge["service"], "wohngeld");
        assert_eq!(charge["office"]["ars"], "010545459039");
        assert_eq!(charge["pool"], "wohngeld");
    }
    let kreis = edge.resource("/api/v1/tenants/01054");
    assert_eq!(kreis["inhabitants"], 935);
    assert!(kreis["services"][0]["office"].is_null());
    for key in ["99", "010545459038", "Bund", "x"] {
        let answer = edge.admin().get("admin", &format!("/api/v1/tenants/{key}"));
        assert_eq!(answer.status, 404, "{key}");
    }
}

#[test]
fn the_config_resource_says_what_is_in_force_and_what_was_refused() {
    let origin = Origin::echo();
    let edge = Edge::new().origin(origin.address()).start();
    let before = edge.resource("/api/v1/config");
    let files = before["files"].as_array().unwrap();
    assert!(
        files
            .iter()
            .any(|file| file.as_str().unwrap().ends_with("gemeinden.csv"))
    );
    fs::write(edge.directory().join("schleuse.yaml"), "version: 1\n").unwrap();
    edge.post("/api/v1/reload");
    let after = edge.resource("/api/v1/config");
    assert_eq!(after["hash"], before["hash"]);
    assert_eq!(after["generation"], 1);
    assert!(!after["rejected"]["problems"].as_array().unwrap().is_empty());
}
