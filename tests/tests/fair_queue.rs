//! No tenant can hurt another: whose turn it is when several wait for the same seats.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use schleuse_tests::{Client, Edge, Origin, RunningEdge, Turnstile, eventually, origin::ok};

use crate::fair_line::{BERLIN, COLOGNE, GROEDE, HAMBURG, Line, WAITING, config};

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
#[derive(Debug, Clone, Copy, Default)]
struct Had {
    count: usize,
    seconds: f64,
    /// The longest of one request.
    longest_seconds: f64,
}

/// A pool of two seats whose backend takes as long as it is said of a tenant, with what each tenant had.
struct Timed {
    edge: RunningEdge,
    had: Arc<Mutex<BTreeMap<String, Had>>>,
    held: Turnstile,
    clients: Vec<Client>,
    origin: Origin,
}

const SEATS: usize = 2;

impl Timed {
    /// Cologne takes the seats, and keeps them until `race`.
    fn start(
        queue: &str,
        time: impl Fn(&str) -> Duration + Send + Sync + 'static,
        change: impl Fn(Edge) -> Edge,
    ) -> Self {
        let (had, held) = (
            Arc::<Mutex<BTreeMap<String, Had>>>::default(),
            Turnstile::default(),
        );
        let (counted, waited) = (had.clone(), held.clone());
        let origin = Origin::serve(move |request, conversation| {
            let tenant = request.target.split('/').nth(1).unwrap_or_default();
            if tenant == COLOGNE && !waited.pass() {
                return;
            }
            let start = Instant::now();
            std::thread::sleep(time(tenant)); // the service time of this backend
            let seconds = start.elapsed().as_secs_f64();
            let mut tenants = counted.lock().unwrap();
            let had = tenants.entry(tenant.to_owned()).or_default();
            had.count += 1;
            had.seconds += seconds;
            had.longest_seconds = had.longest_seconds.max(seconds);
            drop(tenants);
            conversation.send(ok("served"));
        });
        let edge = change(config(SEATS, queue, &[origin.address()])).start();
        let mut timed = Self {
            edge,
            had,
            held,
            clients: Vec::new(),
            origin,
        };
        for _ in 0..SEATS {
            timed.ask(COLOGNE);
        }
        timed.origin.wait_requests(SEATS);
        timed
    }

    fn ask(&mut self, path: &str) {
        let mut client = self.edge.connect();
        client.send(format!(
            "GET /{path}/ HTTP/1.1\r\nHost: wohngeld.example\r\n\r\n"
        ));
        self.clients.push(client);
    }

    /// So many requests of each of two wait before the first of them is served; ends when one of them had enough.
    fn race(&mut self, each: usize, paths: [&str; 2], enough: (&str, usize)) {
        for _ in 0..each {
            for path in paths {
                self.ask(path);
            }
        }
        let waiting = u64::try_from(2 * each).unwrap();
        eventually("all of them wait", || self.edge.count(WAITING) == waiting);
        self.held.let_pass(SEATS);
        eventually("enough are served", || self.of(enough.0).count >= enough.1);
    }

    fn of(&self, tenant: &str) -> Had {
        let tenants = self.had.lock().unwrap();
        tenants.get(tenant).copied().unwrap_or_default()
    }

    /// That two tenants which both went on waiting had the same, each counted so many times: as far as the bound of
    /// start-time fair queueing allows, twice the largest charge, and as much again for what a busy machine adds
    /// between the proxy's clock and the backend's.
    fn assert_equal_shares(&self, one: (&str, f64), other: (&str, f64)) {
        let (first, second) = (self.of(one.0), self.of(other.0));
        let largest = (first.longest_seconds * one.1).max(second.longest_seconds * other.1);
        let difference = (first.seconds * one.1 - second.seconds * other.1).abs();
        assert!(
            difference <= 6.0 * largest,
            "{one:?} {first:?}, {other:?} {second:?}: {difference} s apart"
        );
    }
}

#[test]
fn tenants_that_all_wait_share_seat_time_by_weight() {
    let overrides = format!(
        "overrides: {{ \"{BERLIN}\": {{ weight: 3000 }}, \"{HAMBURG}\": {{ weight: 1000 }} }}"
    );
    let time = |_: &str| Duration::from_millis(5);
    let mut timed = Timed::start("fair_by: population", time, |edge| edge.tenants(&overrides));
    timed.race(100, [BERLIN, HAMBURG], (BERLIN, 90));
    timed.assert_equal_shares((BERLIN, 1.0), (HAMBURG, 3.0));
}

#[test]
fn a_tenant_whose_requests_take_forty_times_as_long_gets_no_more_seat_time_than_another() {
    let time = |tenant: &str| Duration::from_millis(if tenant == BERLIN { 80 } else { 2 });
    let mut timed = Timed::start("fair_by: equal", time, |edge| edge);
    timed.race(60, [BERLIN, HAMBURG], (HAMBURG, 60));
    timed.assert_equal_shares((BERLIN, 1.0), (HAMBURG, 1.0));
}

#[test]
fn a_tenant_on_a_route_of_cost_four_gets_a_quarter_of_the_seat_time() {
    let time = |_: &str| Duration::from_millis(5);
    let mut timed = Timed::start("fair_by: equal", time, |edge| {
        edge.service("wohngeld", "costs: [{ path: /heavy/, cost: 4 }]")
    });
    timed.race(100, [&format!("{BERLIN}/heavy"), HAMBURG], (HAMBURG, 90));
    timed.assert_equal_shares((BERLIN, 4.0), (HAMBURG, 1.0));
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
