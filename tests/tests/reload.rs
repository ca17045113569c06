//! A changed config comes into force whatever way it was written, whole or not at all, and nobody is lost over it.

use std::{fs, net::TcpListener};

use nix::sys::signal::Signal;
use schleuse_tests::{Client, Edge, Origin, RunningEdge, eventually};

/// A config whose backends are told `mark`.
fn marked(origin: &Origin, mark: &str) -> Edge {
    let header = format!("request: {{ headers: {{ set: {{ X-Mark: \"{mark}\" }} }} }}");
    Edge::new()
        .service("wohngeld", &header)
        .pool("wohngeld", &[origin.address()], "")
}

/// The mark of the config that a new request meets.
fn mark(edge: &RunningEdge) -> String {
    let answer = edge.get("110000000000.wohngeld.example", "/").json();
    let fields = answer["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field[0] == "X-Mark").unwrap();
    field[1].as_str().unwrap().to_owned()
}

fn wait_mark(edge: &RunningEdge, wanted: &str) {
    eventually(&format!("mark {wanted}"), || mark(edge) == wanted);
}

#[test]
fn a_file_that_is_written_again_in_place_comes_into_force() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    assert_eq!(mark(&edge), "one");
    for new in ["two", "three"] {
        fs::write(
            edge.directory().join("schleuse.yaml"),
            marked(&origin, new).yaml(),
        )
        .unwrap();
        wait_mark(&edge, new);
    }
}

#[test]
fn a_file_that_an_editor_renames_into_place_comes_into_force_each_time() {
    let origin = Origin::echo();
    let edge = marked(&origin, "0").start();
    for new in ["1", "2", "3"] {
        edge.write_config(&marked(&origin, new));
        wait_mark(&edge, new);
    }
}

#[test]
fn a_file_that_is_removed_is_refused_and_its_return_comes_into_force() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    fs::remove_file(edge.directory().join("schleuse.yaml")).unwrap();
    edge.log().wait_event("config_rejected");
    assert_eq!(mark(&edge), "one");
    edge.write_config(&marked(&origin, "two"));
    wait_mark(&edge, "two");
}

#[test]
fn a_changed_register_comes_into_force_without_a_change_of_the_config() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    assert_eq!(edge.get("010510011011.wohngeld.example", "/").status, 404);
    let path = edge.directory().join("gemeinden.csv");
    let more = fs::read_to_string(&path).unwrap() + "010510011011,\"Brunsbüttel, Stadt\",12345\n";
    fs::write(&path, more).unwrap();
    eventually("the new municipality is known", || {
        edge.get("010510011011.wohngeld.example", "/").status == 200
    });
}

#[test]
fn sighup_reads_the_config_again() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    edge.write_config(&marked(&origin, "two").top("unknown: 1"));
    edge.signal(Signal::SIGHUP);
    edge.log().wait_event_with("config_rejected", "SIGHUP");
    edge.write_config(&marked(&origin, "three"));
    edge.signal(Signal::SIGHUP);
    wait_mark(&edge, "three");
}

#[test]
fn the_admin_api_reloads_and_tells_the_generation_or_every_problem() {
    let origin = Origin::echo();
    let mut edge = marked(&origin, "one").start();
    let generation = edge.reload(marked(&origin, "two"));
    assert_eq!(generation, 2);
    assert_eq!(mark(&edge), "two");
    assert_eq!(edge.post("/api/v1/reload").json()["result"], "unchanged");

    edge.write_config(&marked(&origin, "three").top("unknown: 1\ndrain_max: 30"));
    let refused = edge.post("/api/v1/reload");
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["generation"], 2);
    assert_eq!(refused.json()["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn a_broken_config_is_shown_with_line_and_reason_while_the_old_one_serves() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    edge.write_config(&marked(&origin, "two").top("drain_maks: 30s"));
    edge.log().wait_event("config_rejected");

    assert_eq!(mark(&edge), "one");
    assert_eq!(edge.admin().get("admin", "/readyz").status, 200);
    let config = &edge.resource("/api/v1/status")["config"];
    assert_eq!(config["generation"], 1);
    let problem = config["rejected"]["problems"][0].as_str().unwrap();
    assert!(problem.contains("schleuse.yaml:3:"), "{problem}");
    assert!(problem.contains("drain_max"), "{problem}");
    assert!(edge.metric("schleuse_config_rejected_total") >= 1.0);

    edge.write_config(&marked(&origin, "three"));
    wait_mark(&edge, "three");
    assert!(edge.resource("/api/v1/status")["config"]["rejected"].is_null());
}

#[test]
fn a_config_that_stays_broken_is_counted_and_logged_once() {
    let origin = Origin::echo();
    let edge = marked(&origin, "one").start();
    edge.write_config(&marked(&origin, "two").top("unknown: 1"));
    edge.log().wait_event("config_rejected");
    // Another file of the directory changes: the watch looks again, and finds what it knows.
    for number in 0..3 {
        fs::write(edge.directory().join("notes"), number.to_string()).unwrap();
    }
    edge.write_config(&marked(&origin, "three"));
    wait_mark(&edge, "three");
    assert_eq!(edge.count("schleuse_config_rejected_total"), 1);
    assert_eq!(edge.log().events("config_rejected").len(), 1);
}

#[test]
fn all_of_a_config_comes_into_force_or_nothing() {
    let origin = Origin::echo();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = format!("address: {}", taken.local_addr().unwrap());
    let mut edge = marked(&origin, "one").start();

    // The config itself is good; only when it is put in force does the port turn out to be taken.
    let wanted = marked(&origin, "two")
        .service("bafoeg", "pool: wohngeld")
        .listener(&listener);
    wanted.write_into(edge.directory());
    let refused = edge.post("/api/v1/reload");

    assert_eq!(refused.status, 422);
    assert!(
        refused.text().contains("cannot listen on"),
        "{}",
        refused.text()
    );
    assert_eq!(mark(&edge), "one");
    assert_eq!(edge.get("110000000000.bafoeg.example", "/").status, 404);
    assert_eq!(
        edge.resource("/api/v1/status")["listeners"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    drop(taken);
    assert_eq!(edge.reload(wanted), 2);
    assert_eq!(edge.get("110000000000.bafoeg.example", "/").status, 200);
}

#[test]
fn listeners_are_added_and_removed_by_a_reload_and_their_connections_live_on() {
    let origin = Origin::echo();
    let mut edge = marked(&origin, "one").start();
    edge.reload(marked(&origin, "two").listener("address: 127.0.0.3:0"));
    let opened = edge.log().wait_event_with("listening", "127.0.0.3:0");
    let added = opened["address"].as_str().unwrap().parse().unwrap();
    let mut kept = Client::connect(added);
    assert_eq!(kept.get("110000000000.wohngeld.example", "/").status, 200);

    edge.reload(marked(&origin, "three"));
    eventually("the removed listener is closed", || {
        Client::try_connect(added).is_err()
    });
    assert_eq!(kept.get("110000000000.wohngeld.example", "/").status, 200);
    assert_eq!(edge.get("110000000000.wohngeld.example", "/").status, 200);
}

#[test]
fn one_listener_on_all_ipv6_addresses_takes_ipv4_as_well() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // a machine without IPv6
    }
    let origin = Origin::echo();
    let edge = marked(&origin, "one")
        .only_listener("address: \"[::]:0\"")
        .start();
    let port = edge.http().port();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let mut client = Client::connect(address.parse().unwrap());
        let answer = client.get("110000000000.wohngeld.example", "/");
        assert_eq!(answer.status, 200, "{address}");
        // The backend is told of IPv4 as IPv4, not as `::ffff:127.0.0.1`.
        let peer = if address.starts_with('[') {
            "::1"
        } else {
            "127.0.0.1"
        };
        let told = format!("[\"X-Forwarded-For\",\"{peer}\"]");
        assert!(answer.text().contains(&told), "{}", answer.text());
    }
}
