//! What tests of fairness stand on: a pool of few seats that several tenants wait for, and a backend that ends each
//! request when the test says so. Who was let through in which order is counted there, never timed.

use schleuse_tests::{Client, Edge, Origin, RunningEdge, Turnstile, eventually, origin::ok};

/// Four tenants of the tests' register.
pub(crate) const BERLIN: &str = "110000000000";
pub(crate) const HAMBURG: &str = "020000000000";
pub(crate) const COLOGNE: &str = "053150000000";
pub(crate) const GROEDE: &str = "010545459039";

pub(crate) const WAITING: &str = "schleuse_pool_waiting{pool=\"wohngeld\"}";

/// A pool, its backend and everybody who asked.
pub(crate) struct Line {
    pub(crate) edge: RunningEdge,
    pub(crate) origin: Origin,
    turnstile: Turnstile,
    seats: usize,
    asked: usize,
    let_through: usize,
    /// Open as long as the line, so that nobody leaves it.
    clients: Vec<Client>,
}

impl Line {
    /// With lines for its queue.
    pub(crate) fn new(seats: usize, queue: &str) -> Self {
        let turnstile = Turnstile::default();
        let waited = turnstile.clone();
        let origin = Origin::serve(move |_, conversation| {
            if waited.pass() {
                conversation.send(ok("served"));
            }
        });
        Self {
            edge: config(seats, queue, &[origin.address()]).start(),
            origin,
            turnstile,
            seats,
            asked: 0,
            let_through: 0,
            clients: Vec::new(),
        }
    }

    /// So many requests of a tenant, each on a connection of its own; returns when all of them have a seat or wait.
    pub(crate) fn ask(&mut self, tenant: &str, count: usize) {
        for _ in 0..count {
            let mut client = self.edge.connect();
            client.send(format!(
                "GET /{tenant}/ HTTP/1.1\r\nHost: wohngeld.example\r\n\r\n"
            ));
            self.clients.push(client);
        }
        self.asked += count;
        let waiting = self.waiting();
        eventually("those without a seat wait", || {
            self.edge.count(WAITING) == waiting
        });
        self.origin.wait_requests(self.at_backend());
    }

    /// Ends so many requests, one after the other; returns when their seats are taken by the next.
    pub(crate) fn let_through(&mut self, count: usize) {
        for _ in 0..count {
            self.turnstile.let_pass(1);
            self.let_through += 1;
            self.origin.wait_requests(self.at_backend());
        }
    }

    fn at_backend(&self) -> usize {
        self.asked.min(self.let_through + self.seats)
    }

    fn waiting(&self) -> u64 {
        u64::try_from(self.asked - self.at_backend()).unwrap()
    }

    /// Tenants in the order in which they came to the backend.
    pub(crate) fn order(&self) -> Vec<String> {
        let requests = self.origin.requests();
        let tenant = |target: &str| target.split('/').nth(1).unwrap_or_default().to_owned();
        requests
            .iter()
            .map(|request| tenant(&request.target))
            .collect()
    }

    /// How many of a tenant came to the backend behind the first `skipped` of all.
    pub(crate) fn count_behind(&self, skipped: usize, tenant: &str) -> usize {
        let order = self.order();
        order
            .iter()
            .skip(skipped)
            .filter(|one| *one == tenant)
            .count()
    }
}

/// One service, one pool with so many seats at each of these.
pub(crate) fn config(seats: usize, queue: &str, endpoints: &[std::net::SocketAddr]) -> Edge {
    // All clients are one network here; elsewhere it may not hold all places.
    let queue = format!("queue: {{ client_share: 100%, {queue} }}");
    Edge::new().service("wohngeld", "").pool(
        "wohngeld",
        endpoints,
        &format!("concurrency: {seats}\nslow_start: 0s\n{queue}"),
    )
}
