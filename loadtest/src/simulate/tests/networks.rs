//! Limits of client networks, under a declared distribution of citizens over networks.

use super::*;

const LIMITED: &str = "limits: { client: { rate: 10/s, burst: 10 } }";
const POOL: &str = "{ endpoints: [\"127.0.0.1:9\"], concurrency: 100, slow_start: 0s }";

fn failed(networks: Networks) -> f64 {
    let (_directory, config) = configured(POOL, LIMITED);
    let scenario = scenario(100.0, 60, "");
    let model = Model {
        service_time: Distribution::Fixed(Duration::from_millis(10)),
        cold_start: None,
        networks,
        begins: None,
    };
    let results = modelled(&scenario, &config, &model);
    assert_eq!(results.count_of(Reason::Status429), results.counts.failed);
    results.counts.share(results.counts.failed).unwrap()
}

/// A hundred a second come, ten may: by one address nine of ten are refused, by ten of them almost nobody is.
#[test]
fn the_rate_of_a_client_network_holds_for_all_who_share_it() {
    let one = failed(Networks::ONE);
    assert!((one - 0.9).abs() < 0.01, "{one}");
    let half = failed("50% of 1".parse().unwrap());
    assert!((half - 0.4).abs() < 0.03, "{half}");
    assert!(failed(Networks::default()) < 1e-9, "each by their own");
}

/// Ten places wait at most, of which one network may hold one.
#[test]
fn one_network_holds_its_share_of_a_queue_and_no_more() {
    let pool = "{ endpoints: [\"127.0.0.1:9\"], concurrency: 1, slow_start: 0s, \
                queue: { waiting_max: 10, client_share: 10%, wait_max: 30s } }";
    let (_directory, config) = configured(pool, "");
    let waiting = |networks| {
        let model = Model {
            service_time: Distribution::Fixed(Duration::from_millis(100)),
            cold_start: None,
            networks,
            begins: None,
        };
        let results = modelled(&scenario(50.0, 20, ""), &config, &model);
        let waiting = results.seconds.iter().map(|second| second.waiting);
        waiting.max().unwrap()
    };
    assert_eq!(waiting(Networks::ONE), 1);
    assert_eq!(waiting(Networks::default()), 10);
}
