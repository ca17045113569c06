//! Load that notices every request that goes wrong: keep-alive clients that ask one thing after another.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Client, Response, eventually};

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(1);

/// Clients that are at work until [`Load::stop`].
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// This many clients; each calls `connect` once and then `ask` again and again, which says what went wrong.
    pub fn new(
        clients: usize,
        connect: impl Fn() -> Client + Send + Sync + 'static,
        ask: impl Fn(&mut Client) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let task = Arc::new((connect, ask));
        let start = |_| {
            let (shared, task) = (shared.clone(), task.clone());
            thread::spawn(move || shared.run(&task.0, &task.1))
        };
        let clients = (0..clients).map(start).collect();
        Self { shared, clients }
    }

    /// Clients that get `/` of `host` in plain text and expect 200, over one connection each.
    pub fn plain(clients: usize, address: SocketAddr, host: &str) -> Self {
        let host = host.to_owned();
        Self::new(
            clients,
            move || Client::connect(address),
            move |client| expect_ok(client, &host),
        )
    }

    /// Requests that were answered as they should so far.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(SeqCst)
    }

    /// Waits for this many more good answers.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub fn wait_answers(&self, more: usize) {
        let goal = self.answered() + more;
        eventually("the load goes on", || self.answered() >= goal);
    }

    /// Ends the load: how many requests were answered, and what went wrong with others.
    ///
    /// # Panics
    ///
    /// When a client did.
    pub fn stop(mut self) -> (usize, Vec<String>) {
        self.shared.stopped.store(true, SeqCst);
        for client in self.clients.drain(..) {
            client.join().expect("a client that ends");
        }
        let failures = std::mem::take(&mut *self.shared.failures.lock().unwrap());
        (self.answered(), failures)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
    }
}

impl Shared {
    fn run(&self, connect: &impl Fn() -> Client, ask: &impl Fn(&mut Client) -> Result<(), String>) {
        let mut client = connect();
        while !self.stopped.load(SeqCst) {
            match ask(&mut client) {
                Ok(()) => {
                    self.answered.fetch_add(1, SeqCst);
                    thread::park_timeout(PAUSE); // load, not a contest for the test's two cores
                }
                Err(failure) => {
                    self.failures.lock().unwrap().push(failure);
                    client = connect();
                }
            }
        }
    }
}

/// One request over an open connection: 200, or what else happened.
///
/// # Errors
///
/// What else happened.
pub fn expect_ok(client: &mut Client, host: &str) -> Result<(), String> {
    match ask(client, host) {
        Ok(Some(Response { status: 200, .. })) => Ok(()),
        Ok(Some(answer)) => Err(format!(
            "{} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )),
        Ok(None) => Err("closed before the answer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// One request over an open connection. `None`: it ended before the answer.
///
/// # Errors
///
/// The connection's.
pub fn ask(client: &mut Client, host: &str) -> std::io::Result<Option<Response>> {
    client.try_send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
    client.try_response_to("GET")
}
