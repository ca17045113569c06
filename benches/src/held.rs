//! Requests that wait: what each costs in memory, over sockets and in memory alone, and what is left when all leave.
//!
//! Over sockets as many as the file handles of one process allow. The same pipeline is then given a hundred thousand
//! exchanges without sockets, in a process of its own: memory that earlier measurements gave back would hide them.

use std::{
    env,
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::{DelayBackend, host, target},
    figure::{Figure, Unit},
    haproxy::Job,
    http,
    inputs::Place,
    machine::{self, PROXY_CORE},
    mixed_load::household,
    neighbour_run::quiet,
    neighbours::{SEATS, key},
    peer::Peer,
    procfs::anonymous_bytes,
    shared_pool::{Policy, SharedPool},
};

/// KiB per held request, its connection included.
const GOAL: f64 = 6.0;
/// Milliseconds until all places are free.
const FREE_GOAL: f64 = 100.0;
/// Share of the memory that may stay after all have left.
const LEFT_GOAL: f64 = 0.1;
/// Held first and throughout: memory that the process had allocated anyway must be used up.
const BALLAST: usize = 2_000;
/// Tenants that ask, fewer than the ballast holds: what is kept of a tenant that was seen once is another figure.
pub(crate) const TENANTS: usize = 1_000;
/// Handles that neither side has left for a connection of this measurement.
const HANDLES_SPARED: usize = 1_500;
/// For a proxy to do what it does when nothing more comes.
const SETTLE: Duration = Duration::from_millis(500);
/// An allocator gives back what it holds when it is asked for something, some time after.
const GIVE_BACK: Duration = Duration::from_millis(500);
/// Whatever is awaited here takes less.
const PATIENCE: Duration = Duration::from_secs(30);
/// Held for as long as the measurement takes.
pub(crate) const HOLD: &str = "hold=1";

/// Over sockets and in memory.
///
/// # Errors
///
/// When a request is not held, or the other process fails.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let wanted = context.sizes.held_connections;
    let number = wanted.min(machine::descriptors_max().saturating_sub(BALLAST + HANDLES_SPARED));
    let mut figures = over_sockets(context, number)?;
    figures.extend(in_memory(context.sizes.held_in_memory)?);
    Ok(figures)
}

/// The head that a browser sends for a form.
pub(crate) fn browser_fields() -> [(&'static str, &'static str); 9] {
    [
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("Accept-Language", "de,en-US;q=0.7,en;q=0.3"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Connection", "keep-alive"),
        ("Upgrade-Insecure-Requests", "1"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "none"),
    ]
}

fn browser_request(tenant: u64) -> String {
    let mut text = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n",
        target(tenant, HOLD),
        host()
    );
    for (name, value) in browser_fields() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}

/// A pool in which everybody may wait for as long as the measurement takes.
pub(crate) const POOL: &str = "queue: { waiting_max: 1000000, waiting_per_tenant_max: 1000000, \
     bytes_max: 4GiB, bytes_per_tenant_max: 4GiB, wait_max: 1h }";

fn over_sockets(context: &Context, number: usize) -> Outcome<Vec<Figure>> {
    let backend = DelayBackend::start()?;
    let policy = Policy {
        pool: format!("concurrency: {SEATS}, {POOL}"),
        limits: String::new(),
    };
    let schleuse = SharedPool::start(context, "held", backend.address(), &policy)?;
    let places = &context.places;
    let seats = usize::try_from(SEATS)?;
    let ballast = hold(&schleuse.peer, places, 0, seats + BALLAST)?;
    wait_until(|| Ok(schleuse.waiting()? == BALLAST), "the ballast waits")?;
    stir(&schleuse, places, number)?;
    thread::sleep(SETTLE);
    let before = anonymous_bytes(schleuse.peer.pid())?;
    let held = hold(&schleuse.peer, places, ballast.len(), number)?;
    wait_until(
        || Ok(schleuse.waiting()? == BALLAST + number),
        "everybody waits",
    )?;
    thread::sleep(SETTLE);
    let full = anonymous_bytes(schleuse.peer.pid())?;

    let leaving = Instant::now();
    drop(held);
    let left = Instant::now();
    wait_until(|| Ok(schleuse.waiting()? == BALLAST), "all places are free")?;
    let free = left.elapsed().as_secs_f64() * 1e3;
    let closing = (left - leaving).as_secs_f64() * 1e3;

    stir(&schleuse, places, number)?;
    thread::sleep(SETTLE);
    let after = anonymous_bytes(schleuse.peer.pid())?;
    let dispatched = served_for_the_left(&backend, ballast)?;
    let rival = rival(context, &backend, number / 4)?;
    let taken = count(full.saturating_sub(before));
    let kibibytes = taken / count(number as u64) / 1024.0;
    Ok(vec![
        Figure::value(
            format!("Held request over a socket, {number} of them"),
            Unit::Kibibytes,
            kibibytes,
        )
        .at_most(GOAL)
        .beside(format!("connection included; HAProxy {rival:.2} KiB")),
        Figure::value(
            format!("{number} waiting clients leave at once: all places free"),
            Unit::Milliseconds,
            free,
        )
        .at_most(FREE_GOAL)
        .beside(format!(
            "after the last was closed, which took {closing:.0} ms for all"
        )),
        Figure::value(
            "Requests sent to the backend for clients that had left",
            Unit::Count,
            dispatched,
        )
        .at_most(0.0),
        Figure::value(
            "Share of the memory of held requests that stays after they left",
            Unit::Index,
            count(after.saturating_sub(before)) / taken,
        )
        .at_most(LEFT_GOAL)
        .beside(format!(
            "{} before, {} with all, {} after 3 s in which a twentieth as many came and left six times",
            mebibytes(before),
            mebibytes(full),
            mebibytes(after)
        )),
    ])
}

/// Others come, wait and leave, a twentieth as many.
fn stir(schleuse: &SharedPool, places: &[Place], number: usize) -> Outcome<()> {
    for _ in 0..6 {
        let held = hold(&schleuse.peer, places, 0, number / 20)?;
        thread::sleep(GIVE_BACK);
        drop(held);
        wait_until(
            || Ok(schleuse.waiting()? == BALLAST),
            "they have left again",
        )?;
    }
    Ok(())
}

/// Opens the gate; whoever is served beyond those that had a seat and those that still wait was not there any more.
fn served_for_the_left(backend: &DelayBackend, ballast: Vec<TcpStream>) -> Outcome<f64> {
    let expected = ballast.len();
    backend.set_gate(true);
    wait_until(
        || Ok(backend.served().len() >= expected),
        "those who waited on are served",
    )?;
    quiet(backend)?;
    backend.set_gate(false);
    let served = backend.served().len();
    backend.forget();
    drop(ballast);
    Ok(count((served - expected) as u64))
}

/// KiB per request in HAProxy's queue.
fn rival(context: &Context, backend: &DelayBackend, number: usize) -> Outcome<f64> {
    let haproxy = context.haproxy(Job::Queue {
        backend: backend.address(),
        seats: SEATS,
    })?;
    let ballast = hold(&haproxy, &context.places, 0, BALLAST)?;
    thread::sleep(SETTLE);
    let before = anonymous_bytes(haproxy.pid())?;
    let held = hold(&haproxy, &context.places, BALLAST, number)?;
    thread::sleep(SETTLE);
    let after = anonymous_bytes(haproxy.pid())?;
    drop((ballast, held));
    // HAProxy waits for the answers of those that have a seat.
    backend.set_gate(true);
    quiet(backend)?;
    Ok(count(after.saturating_sub(before)) / count(number as u64) / 1024.0)
}

/// Opens connections with one request each that nobody answers; households count from `first`.
fn hold(peer: &Peer, places: &[Place], first: usize, number: usize) -> Outcome<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(number);
    let mut places = places.iter().take(TENANTS).cycle();
    for at in first..first + number {
        let from = IpAddr::V4(household(at));
        let mut stream = http::connect_from(Some(from), peer.address)?;
        let place = places.next().ok_or("the register is empty")?;
        stream.write_all(browser_request(key(place)?).as_bytes())?;
        held.push(stream);
    }
    Ok(held)
}

fn wait_until(mut condition: impl FnMut() -> Outcome<bool>, what: &str) -> Outcome<()> {
    let end = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > end {
            return Err(format!("does not come true: {what}").into());
        }
        // Each look costs the proxy a scrape.
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn in_memory(number: usize) -> Outcome<Vec<Figure>> {
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "--cpu-list"])
        .arg(PROXY_CORE.to_string())
        .arg(env::current_exe()?)
        .args(["hold-in-memory", &number.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[kibibytes, milliseconds] = &*numbers else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("hold-in-memory says {text}{errors}").into());
    };
    Ok(vec![
        Figure::value(
            format!("Held request through the exchange in memory, {number} of them"),
            Unit::Kibibytes,
            kibibytes,
        )
        .at_most(GOAL),
        Figure::value(
            format!("{number} of them leave at once: all places free"),
            Unit::Milliseconds,
            milliseconds,
        )
        .beside("on one core, their exchanges ended as well"),
    ])
}

fn mebibytes(bytes: u64) -> String {
    Unit::Mebibytes.text(count(bytes) / 1_048_576.0)
}
