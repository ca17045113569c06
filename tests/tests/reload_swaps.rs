//! Config from a `ConfigMap`: kubelet's swap of `..data`, a hundred times, under load, and twice in a moment.

use schleuse_tests::{
    Client, Edge, Load, Origin, RunningEdge, Volume, edge::REGISTER, eventually, load,
};
use tempfile::TempDir;

fn config(origin: &Origin, number: usize) -> Edge {
    let header = format!("request: {{ headers: {{ set: {{ X-Number: \"{number}\" }} }} }}");
    Edge::new()
        .top("access_log: { enabled: false }")
        .service("wohngeld", &header)
        .pool("wohngeld", &[origin.address()], "")
}

fn broken(origin: &Origin, number: usize) -> Edge {
    config(origin, number).top(&format!("unknown_{number}: 1"))
}

fn swap(volume: &mut Volume, config: &Edge) {
    volume.write(&[
        ("schleuse.yaml", &config.yaml()),
        ("gemeinden.csv", REGISTER),
    ]);
}

fn start(origin: &Origin) -> (TempDir, Volume, RunningEdge) {
    let directory = TempDir::new().unwrap();
    let mut volume = Volume::new(directory.path());
    let first = config(origin, 0);
    swap(&mut volume, &first);
    let edge = RunningEdge::start_in(first, directory.path());
    (directory, volume, edge)
}

/// The number of the config that a new request meets.
fn number(edge: &RunningEdge, origin: &Origin) -> usize {
    edge.get("110000000000.wohngeld.example", "/");
    let requests = origin.requests();
    let last = requests.last().unwrap();
    last.field("X-Number").unwrap().parse().unwrap()
}

#[test]
fn p24_the_hundredth_symlink_swap_acts_like_the_first() {
    const HOST: &str = "110000000000.wohngeld.example";
    let origin = Origin::ok("fine").forgetful();
    let (_directory, mut volume, edge) = start(&origin);
    let address = edge.http();
    let kept = Load::plain(2, address, HOST);
    let new = Load::new(
        1,
        move || Client::connect(address),
        move |client| {
            *client = Client::connect(address);
            load::expect_ok(client, HOST)
        },
    );
    for number in 1..=100 {
        if number % 5 == 0 {
            swap(&mut volume, &broken(&origin, number));
            edge.log()
                .wait_event_with("config_rejected", &format!("unknown_{number}"));
        } else {
            let before = edge.log().events("config_loaded").len();
            swap(&mut volume, &config(&origin, number));
            edge.log().wait_events("config_loaded", before + 1);
        }
    }
    kept.wait_answers(10);
    new.wait_answers(10);
    for load in [kept, new] {
        let (answered, failures) = load.stop();
        assert!(
            failures.is_empty(),
            "{} of {answered}: {failures:?}",
            failures.len()
        );
    }
    assert_eq!(edge.count("schleuse_config_loaded_total"), 81);
    assert_eq!(edge.count("schleuse_config_rejected_total"), 20);
    let rejected = &edge.resource("/api/v1/status")["config"]["rejected"];
    let problem = rejected["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("schleuse.yaml:4:") && problem.contains("unknown_100"),
        "{problem}"
    );
}

#[test]
fn p24_two_swaps_at_once_end_at_the_last() {
    let origin = Origin::ok("fine");
    let (_directory, mut volume, edge) = start(&origin);
    for round in 0..10 {
        let (first, second) = (2 * round + 1, 2 * round + 2);
        swap(&mut volume, &config(&origin, first));
        swap(&mut volume, &config(&origin, second));
        eventually("the second config is in force", || {
            number(&edge, &origin) == second
        });
    }
}

#[test]
fn a_volume_without_a_file_that_the_config_names_is_refused_and_the_next_one_comes_into_force() {
    let origin = Origin::ok("fine");
    let (_directory, mut volume, edge) = start(&origin);
    volume.write(&[("schleuse.yaml", &config(&origin, 1).yaml())]);
    let refused = edge.log().wait_event("config_rejected");
    assert!(
        refused["problems"].to_string().contains("gemeinden.csv"),
        "{refused}"
    );
    assert_eq!(number(&edge, &origin), 0);
    swap(&mut volume, &config(&origin, 2));
    eventually("the mended config is in force", || {
        number(&edge, &origin) == 2
    });
}
