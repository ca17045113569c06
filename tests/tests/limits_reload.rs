//! What a limit admits is bounded by burst + rate × time, and a reload gives no token away and none back.

use std::time::Instant;

use schleuse_tests::{Edge, Origin};

use crate::fair_line::{BERLIN, HAMBURG, config};

const RATE: f64 = 20.0;
const BURST: f64 = 10.0;

fn limited(origin: &Origin, rate: f64, change: usize) -> Edge {
    let limits =
        format!("limits: {{ tenant: {{ rate: {rate}/s, burst: {BURST}, over: refuse }} }}");
    let header = format!("request: {{ headers: {{ set: {{ X-Change: \"{change}\" }} }} }}");
    config(10, "fair_by: equal", &[origin.address()])
        .service("wohngeld", &format!("{limits}\n{header}"))
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn reload_after_reload_a_tenant_gets_no_more_than_burst_and_rate_and_no_less() {
    let origin = Origin::ok("served").forgetful();
    let mut edge = limited(&origin, RATE, 0).start();
    let mut clients = [BERLIN, HAMBURG].map(|tenant| (tenant, edge.connect(), 0));
    let start = Instant::now();
    for change in 1..=20 {
        for _ in 0..10 {
            for (tenant, client, admitted) in &mut clients {
                let answer = client.get("wohngeld.example", &format!("/{tenant}/"));
                match answer.status {
                    200 => *admitted += 1,
                    status => assert_eq!(status, 429, "{}", answer.text()),
                }
            }
        }
        edge.reload(limited(&origin, RATE, change));
    }
    let most = BURST + RATE * start.elapsed().as_secs_f64();
    let total: usize = clients.iter().map(|(.., admitted)| admitted).sum();
    for (tenant, _, admitted) in clients {
        let admitted = admitted as f64;
        assert!(
            (BURST..=most).contains(&admitted),
            "{tenant}: {admitted} of {most}"
        );
    }
    assert_eq!(origin.request_count(), total);
}

#[test]
fn a_reload_that_lowers_a_limit_gives_no_fresh_burst() {
    let origin = Origin::ok("served");
    // So slow that no token comes back while the test runs.
    let (rate, lower) = (0.02, 0.01);
    let mut edge = limited(&origin, rate, 0).start();
    let mut client = edge.connect();
    let mut ask = || {
        client
            .get("wohngeld.example", &format!("/{BERLIN}/"))
            .status
    };
    while ask() == 200 {}
    edge.reload(limited(&origin, lower, 1));
    assert_eq!(ask(), 429);
    edge.reload(limited(&origin, rate, 2));
    assert_eq!(ask(), 429);
}
