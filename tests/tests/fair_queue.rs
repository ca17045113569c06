//! No tenant can hurt another: whose turn it is when several wait for the same seats.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use schleuse_tests::{Client, Origin, eventually, origin::ok};

use crate::fair_line::{BERLIN, COLOGNE, GROEDE, HAMBURG, Line, config};

/// Far more than the others ask.
const FLOOD: usize = 60;

#[test]
fn behind_a_flood_of_one_tenant_every_other_is_next() {
    for fair_by in ["population", "square_root", "equal"] {
        let mut line = Line::new(1, &format!("fair_by: {fair_by}"));
        line.ask(BERLIN, FLOOD);
        for tenant in [HAMBURG, COLOGNE, GROEDE] {
            line.ask(tenant, 1);
        }
        line.let_through(4);
        let order = line.order();
        for tenant in [HAMBURG, COLOGNE, GROEDE] {
            assert!(order.contains(&tenant.to_owned()), "{fair_by}: {order:?}");
        }
    }
}

#[test]
fn without_fairness_whoever_came_first_is_served_first() {
    let mut line = Line::new(1, "fair_by: none");
    line.ask(BERLIN, 10);
    line.ask(GROEDE, 1);
    line.let_through(10);
    assert_eq!(line.order().last().map(String::as_str), Some(GROEDE));
    assert_eq!(line.count_behind(0, BERLIN), 10);
}

#[test]
fn a_flood_is_held_and_served_in_the_end_and_nobody_is_refused() {
    let mut line = Line::new(2, "fair_by: equal");
    line.ask(BERLIN, FLOOD);
    line.ask(GROEDE, 2);
    line.let_through(FLOOD + 2);
    let refused = line.edge.metrics().sum("schleuse_refused_total");
    assert!(refused.abs() < f64::EPSILON, "{refused} refused");
    assert_eq!(line.order().len(), FLOOD + 2);
}

/// Seat time that a tenant had, counted at the backend.
#[derive(Default)]
struct SeatTime(Mutex<BTreeMap<String, (usize, Duration)>>);

impl SeatTime {
    fn add(&self, tenant: &str, time: Duration) {
        let mut tenants = self.0.lock().unwrap();
        let (count, sum) = tenants.entry(tenant.to_owned()).or_default();
        *count += 1;
        *sum += time;
    }

    fn of(&self, tenant: &str) -> (usize, f64) {
        let tenants = self.0.lock().unwrap();
        let (count, time) = tenants.get(tenant).copied().unwrap_or_default();
        (count, time.as_secs_f64())
    }
}

/// A backend whose requests take as long as `time` says of their tenant, with what each tenant had.
fn timed(
    time: impl Fn(&str) -> Duration + Send + Sync + 'static,
) -> (Origin, std::sync::Arc<SeatTime>) {
    let had = std::sync::Arc::<SeatTime>::default();
    let counted = had.clone();
    let origin = Origin::serve(move |request, conversation| {
        let start = Instant::now();
        let tenant = request.target.split('/').nth(1).unwrap_or_default();
        std::thread::sleep(time(tenant)); // the service time of this backend
        counted.add(tenant, start.elapsed());
        conversation.send(ok("served"));
    });
    (origin, had)
}

/// Sends requests of several tenants at once, so many of each.
fn ask_all(edge: &schleuse_tests::RunningEdge, each: usize, tenants: &[&str]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..each {
        for tenant in tenants {
            let mut client = edge.connect();
            client.send(format!(
                "GET /{tenant}/ HTTP/1.1\r\nHost: wohngeld.example\r\n\r\n"
            ));
            clients.push(client);
        }
    }
    clients
}

#[test]
fn tenants_that_all_wait_share_seat_time_by_weight() {
    let (origin, had) = timed(|_| Duration::from_millis(5));
    let overrides = format!(
        "overrides: {{ \"{BERLIN}\": {{ weight: 3000 }}, \"{HAMBURG}\": {{ weight: 1000 }} }}"
    );
    let edge = config(2, "fair_by: population", &[origin.address()])
        .tenants(&overrides)
        .start();
    let _clients = ask_all(&edge, 100, &[BERLIN, HAMBURG]);
    eventually("the larger has most of what it asked for", || {
        had.of(BERLIN).0 >= 90
    });
    let ((_, larger), (_, smaller)) = (had.of(BERLIN), had.of(HAMBURG));
    let ratio = larger / smaller;
    assert!((2.0..4.5).contains(&ratio), "{larger} s to {smaller} s");
}

#[test]
fn a_tenant_whose_requests_take_forty_times_as_long_gets_no_more_seat_time_than_another() {
    let (origin, had) =
        timed(|tenant| Duration::from_millis(if tenant == BERLIN { 80 } else { 2 }));
    let edge = config(1, "fair_by: equal", &[origin.address()]).start();
    let _clients = ask_all(&edge, 60, &[BERLIN, HAMBURG]);
    eventually("the quick one is served", || had.of(HAMBURG).0 == 60);
    let ((slow, slow_time), (_, quick_time)) = (had.of(BERLIN), had.of(HAMBURG));
    // Turn by turn it would have been sixty.
    assert!(
        slow <= 15,
        "{slow} slow ones in {slow_time} s beside {quick_time} s"
    );
}

#[test]
fn a_tenant_on_a_route_of_cost_four_gets_a_quarter_of_the_dispatches() {
    let (origin, had) = timed(|_| Duration::from_millis(5));
    let edge = config(2, "fair_by: equal", &[origin.address()])
        .service("wohngeld", "costs: [{ path: /heavy/, cost: 4 }]")
        .start();
    let heavy = format!("{BERLIN}/heavy");
    let _clients = ask_all(&edge, 100, &[&heavy, HAMBURG]);
    eventually("the light one has most of what it asked for", || {
        had.of(HAMBURG).0 >= 90
    });
    let ((heavy, _), (light, _)) = (had.of(BERLIN), had.of(HAMBURG));
    assert!(
        (light / 6..=light * 2 / 5).contains(&heavy),
        "{heavy} to {light}"
    );
}

#[test]
fn p34_a_tenant_that_asked_for_little_has_saved_up_nothing() {
    let mut line = Line::new(1, "fair_by: equal");
    line.ask(HAMBURG, 1);
    line.ask(BERLIN, FLOOD);
    line.let_through(FLOOD + 1);
    // The third has the seat while the others come, and is charged for the time that they take to come.
    line.ask(COLOGNE, 1);
    line.ask(HAMBURG, FLOOD);
    line.ask(BERLIN, 5);
    let before = FLOOD + 2;
    line.let_through(FLOOD - 5);
    // With as many turns of credit as Berlin had, Hamburg would have had all of these.
    assert!(line.count_behind(before, BERLIN) >= 1, "{:?}", line.order());
}
