//! The resources over a real config, without sockets.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{listeners::Listeners, metrics::Metrics, registry::Registry};

const REGISTER: &str = "ars,name,bevoelkerung\n\
    110000000000,\"Berlin, Stadt\",3685265\n\
    010545459039,Gröde,7\n\
    010545453041,Haselund,928\n";

const TOKEN: &str = "0123456789abcdef";

fn write_config(directory: &Path, admin: &str) {
    let config = format!(
        "version: 1\n{admin}listeners: [{{ address: 127.0.0.1:0 }}]\n\
         tenants: {{ register: gemeinden.csv, aliases: {{ \"010545453999\": \"010545453041\" }} }}\n\
         services:\n  \
         meldung: {{ hosts: [meldung.example], responsible: verband, pool: a }}\n  \
         kfz: {{ hosts: [kfz.example], responsible: kreis, pool: a, pools_by_tenant: {{ \"11\": b }} }}\n\
         pools:\n  a: {{ endpoints: [\"10.0.0.1:80\"] }}\n  b: {{ endpoints: [\"10.0.0.2:80\"] }}\n"
    );
    fs::write(directory.join("schleuse.yaml"), config).unwrap();
}

/// An admin listener's state over a config in a directory of its own.
fn admin(section: &str) -> (TempDir, Admin) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("gemeinden.csv"), REGISTER).unwrap();
    fs::write(directory.path().join("admin.token"), TOKEN).unwrap();
    write_config(directory.path(), section);
    let path = directory.path().join("schleuse.yaml");
    let loaded = schleuse_config::load(&path).unwrap();
    let edge = Edge::new(loaded.snapshot, Registry::new(1), Metrics::new().unwrap());
    let edge = Arc::new(edge.unwrap());
    let reloader = Reloader::new(
        &path,
        loaded.files,
        edge.clone(),
        Arc::new(Listeners::default()),
    );
    (directory, Admin::new(edge, Arc::new(reloader)))
}

async fn ask(admin: &Admin, method: &str, target: &str, authorization: Option<&str>) -> Reply {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let authorization = authorization.map(str::as_bytes).into_iter().collect();
    let question = Question {
        method,
        path,
        query,
        authorization,
        from_page: false,
    };
    admin.answer(&question).await
}

async fn resource(admin: &Admin, target: &str) -> Value {
    let reply = ask(admin, "GET", target, None).await;
    assert_eq!(reply.status, 200, "{target}");
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn every_route_answers_with_the_statuses_of_the_table_and_no_other() {
    let (_directory, admin) = admin("");
    let mut asked = Vec::new();
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/api/v1/status", 200),
        ("GET", "/api/v1/config", 200),
        ("POST", "/api/v1/reload", 200),
        ("GET", "/api/v1/tenants", 200),
        ("GET", "/api/v1/tenants?limit=0", 400),
        ("GET", "/api/v1/tenants/11", 200),
        ("GET", "/api/v1/tenants/12", 404),
        ("POST", "/api/v1/tenants/11/lease?ttl=1m", 200),
        ("POST", "/api/v1/tenants/11/lease?ttl=1", 400),
        ("POST", "/api/v1/tenants/12/lease", 404),
        ("GET", "/api/v1/leases", 200),
        ("GET", "/api/v1/top?by=refused&limit=3", 200),
        ("GET", "/api/v1/top?by=age", 400),
        ("DELETE", "/api/v1/tenants/11/lease", 200),
        ("DELETE", "/api/v1/tenants/11/lease", 404),
        ("GET", "/api/v1/pools", 200),
        ("GET", "/api/v1/pools/a", 200),
        ("GET", "/api/v1/pools/c", 404),
        ("POST", "/api/v1/pools/a/endpoints/10.0.0.1:80/drain", 200),
        ("POST", "/api/v1/pools/a/endpoints/10.0.0.1/drain", 400),
        ("POST", "/api/v1/pools/a/endpoints/10.0.0.9:80/drain", 404),
        ("POST", "/api/v1/pools/a/endpoints/10.0.0.1:80/away", 404),
        ("GET", "/api/v1/launches", 200),
        ("GET", "/api/v1/signals", 200),
        ("GET", "/api/v1/signals/a", 503),
        ("GET", "/api/v1/signals/c", 404),
    ] {
        assert_eq!(
            ask(&admin, method, path, None).await.status,
            status,
            "{path}"
        );
        let Found::Route(route, _) = routes::find(method, path.split('?').next().unwrap()) else {
            panic!("{path} has no route");
        };
        assert!(route.statuses.contains(&status), "{path}: {status}");
        asked.push(route.path);
    }
    for route in routes::ROUTES {
        assert!(asked.contains(&route.path), "{} was not asked", route.path);
    }
}

#[tokio::test]
async fn a_known_path_with_another_method_says_which_it_has() {
    let (_directory, admin) = admin("");
    let reply = ask(&admin, "PUT", "/api/v1/pools/a", None).await;
    assert_eq!(
        (reply.status, reply.field),
        (405, Some(("Allow", "GET, HEAD".to_owned())))
    );
    let reply = ask(&admin, "GET", "/api/v1/reload", None).await;
    assert_eq!(
        (reply.status, reply.field),
        (405, Some(("Allow", "POST".to_owned())))
    );
    assert_eq!(
        ask(&admin, "PUT", "/api/v1/nothing", None).await.status,
        404
    );
}

#[tokio::test]
async fn without_the_token_there_is_health_and_nothing_else() {
    let section = "admin: { address: \"127.0.0.1:0\", token: { file: admin.token } }\n";
    let (_directory, admin) = admin(section);
    for route in routes::ROUTES {
        let reply = ask(&admin, route.method, route.path, None).await;
        assert_eq!(reply.status == 401, !route.open, "{}", route.path);
    }
    for (method, path) in [("GET", "/nothing"), ("DELETE", "/metrics")] {
        let reply = ask(&admin, method, path, Some("Bearer wrong")).await;
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.field, Some(("WWW-Authenticate", "Bearer".to_owned())));
        assert_eq!(reply.media_type, "application/problem+json");
    }
    let shown = format!("Bearer {TOKEN}");
    assert_eq!(
        ask(&admin, "GET", "/metrics", Some(&shown)).await.status,
        200
    );
}

#[tokio::test]
async fn a_config_that_loses_its_admin_section_does_not_open_the_listener_that_stays() {
    let section = "admin: { address: \"127.0.0.1:0\", token: { file: admin.token } }\n";
    let (directory, admin) = admin(section);
    write_config(directory.path(), "");
    let loaded = schleuse_config::load(&directory.path().join("schleuse.yaml")).unwrap();
    admin
        .edge
        .replace(admin.edge.prepare(loaded.snapshot).unwrap());
    assert_eq!(ask(&admin, "GET", "/metrics", None).await.status, 401);
}

#[tokio::test]
async fn a_place_says_which_office_and_pool_each_service_has_for_it() {
    let (_directory, admin) = admin("");
    let place = resource(&admin, "/api/v1/tenants/01054039").await;
    assert_eq!(place["ars"], "010545459039");
    assert_eq!(place["name"], "Gröde");
    assert_eq!(place["inhabitants"], 7);
    let office = |number: usize| place["services"][number]["office"]["ars"].clone();
    assert_eq!((office(0), office(1)), ("010545459".into(), "01054".into()));

    let berlin = resource(&admin, "/api/v1/tenants/110000000000").await;
    let pools = [0, 1].map(|number| berlin["services"][number]["pool"].clone());
    assert_eq!(pools, ["a", "b"]);
}

#[tokio::test]
async fn a_region_has_the_sum_of_its_places_and_no_office_below_its_own_level() {
    let (_directory, admin) = admin("");
    let kreis = resource(&admin, "/api/v1/tenants/01054").await;
    assert_eq!(kreis["inhabitants"], 935);
    assert_eq!(kreis["name"], Value::Null);
    assert_eq!(kreis["services"][0]["service"], "meldung");
    assert_eq!(kreis["services"][0]["office"], Value::Null);
    assert_eq!(kreis["services"][0]["pool"], Value::Null);
    assert_eq!(kreis["services"][1]["office"]["inhabitants"], 935);
    let land = resource(&admin, "/api/v1/tenants/01").await;
    assert_eq!(land["name"], "Schleswig-Holstein");
}

#[test]
fn timetables_are_reckoned_on_another_thread_than_the_one_that_answers() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_directory, admin) = admin("");
        // The only other thread is held up.
        let (gate, opens) = std::sync::mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || opens.recv());
        let mut launches = std::pin::pin!(ask(&admin, "GET", "/api/v1/launches", None));
        assert!(futures_util::poll!(&mut launches).is_pending());
        assert_eq!(ask(&admin, "GET", "/livez", None).await.status, 200);
        drop(gate);
        assert_eq!(launches.await.status, 200);
        assert!(held.await.unwrap().is_err());
    });
}

#[tokio::test]
async fn a_key_that_ceased_leads_to_the_living_place() {
    let (_directory, admin) = admin("");
    let place = resource(&admin, "/api/v1/tenants/010545453999").await;
    assert_eq!(place["ars"], "010545453041");
}

#[tokio::test]
async fn the_pages_hold_every_place_once_in_the_order_of_the_keys() {
    let (_directory, admin) = admin("");
    let (mut found, mut target) = (Vec::new(), "/api/v1/tenants?limit=2".to_owned());
    loop {
        let page = resource(&admin, &target).await;
        let places = page["tenants"].as_array().unwrap();
        assert!(places.len() <= 2);
        found.extend(
            places
                .iter()
                .map(|place| place["ars"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        target = format!("/api/v1/tenants?limit=2&after={next}");
    }
    assert_eq!(found, ["010545453041", "010545459039", "110000000000"]);
}

#[tokio::test]
async fn the_config_names_the_files_it_was_read_from() {
    let (directory, admin) = admin("");
    let config = resource(&admin, "/api/v1/config").await;
    let files = config["files"].as_array().unwrap();
    for name in ["schleuse.yaml", "gemeinden.csv"] {
        let path = directory.path().join(name).display().to_string();
        assert!(files.contains(&path.into()), "{name}");
    }
    assert_eq!(
        (&config["generation"], &config["rejected"]),
        (&1.into(), &Value::Null)
    );
    assert_eq!(config["hash"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_lease_is_listed_until_it_is_revoked_and_there_are_never_more_than_the_bound() {
    let (_directory, admin) = admin("");
    let path = |key: &str| format!("/api/v1/tenants/{key}/lease");
    let keys = [
        "110000000000",
        "010545459039",
        "010545453041",
        "11",
        "01",
        "01054",
        "010545459",
        "010545453",
    ];
    for key in keys {
        assert_eq!(
            ask(&admin, "POST", &path(key), None).await.status,
            200,
            "{key}"
        );
    }
    let leases = resource(&admin, "/api/v1/leases").await;
    assert_eq!(leases.as_array().unwrap().len(), keys.len());
    assert_eq!(leases[0]["tenant"], "110000000000");
    assert_eq!(leases[0]["name"], "Berlin, Stadt");
    assert_eq!(ask(&admin, "DELETE", &path("11"), None).await.status, 200);
    let leases = resource(&admin, "/api/v1/leases").await;
    assert_eq!(leases.as_array().unwrap().len(), keys.len() - 1);
}
