//! A hundred thousand requests wait for a thousand pools that sleep: what each weighs, whom the first endpoints wake, and
//! how soon after an endpoint has answered its probe the first of those who waited is there.
//!
//! They wait in a process of their own (`hold_process`): as many over sockets as the file handles of two processes allow,
//! the others with exchanges in memory, in the same queues. The endpoints and the clients with sockets are here. All
//! endpoints come at once; they take what they get and answer nobody until all that was woken was counted. Then everybody
//! is served.

use std::{
    env,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    http::{connect_from, read_answer},
    inputs::Place,
    machine::{PROXY_CORE, descriptors_max},
    mixed_load::household,
    statistics::quantile,
};

use super::{
    endpoints::{Background, Endpoints},
    hold_process::{BALLAST, POOLS, SEATS, asked, fields},
};

/// Of a hundred that wait.
const OVER_SOCKETS: usize = 15;
/// Besides those of clients: each endpoint's listener and its connections, and what a process has anyway.
const HANDLES_SPARED: usize = POOLS * (1 + SEATS as usize) + 500;
/// KiB per request, as for any other that waits.
const HELD_GOAL: f64 = 6.0;
/// Tasks woken per request that went.
const WOKEN_GOAL: f64 = 1.1;
/// Milliseconds from the answered probe to the request that waited.
const FORWARD_GOAL: f64 = 10.0;
/// For whoever was woken in vain to show.
const SETTLE: Duration = Duration::from_secs(1);
/// Whatever is awaited here takes less.
const PATIENCE: Duration = Duration::from_mins(2);

/// Holds `context.sizes.held_in_memory` requests and lets all of them go.
///
/// # Errors
///
/// When the other process fails, or a request does not wait.
pub(super) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let number = context.sizes.held_in_memory;
    let room = descriptors_max().saturating_sub(HANDLES_SPARED);
    let sockets = (number * OVER_SOCKETS / 100).min(room);
    let (background, endpoints) = (Background::start()?, Endpoints::new()?);
    endpoints.set_gate(false);
    let mut holder = Holder::start(endpoints.port(), sockets, number)?;
    let mut held = hold(holder.number::<SocketAddr>()?, &context.places, sockets)?;
    let over_sockets: f64 = holder.number()?;
    let in_memory: f64 = holder.number()?;
    for pool in 0..POOLS {
        background.handle().spawn(endpoints.clone().serve(pool));
    }
    let wave = POOLS * usize::try_from(SEATS)?;
    let end = Instant::now() + PATIENCE;
    while endpoints.reached() < wave && Instant::now() < end {
        thread::sleep(SETTLE / 10);
    }
    thread::sleep(SETTLE);
    let released = endpoints.reached();
    let mut waits = endpoints.after_probe();
    holder.say("count")?;
    let woken: f64 = holder.number()?;
    endpoints.set_gate(true);
    let served = held.iter_mut().map(is_served);
    let lost_sockets = served.filter(|served| !served).count();
    let lost: usize = holder.number()?;
    Ok(figures(&Seen {
        number,
        sockets,
        kibibytes: [over_sockets, in_memory],
        released: count(u64::try_from(released)?),
        woken,
        lost: lost + lost_sockets,
        peak: endpoints.peak(),
        first_within: [0.5, 0.99, 1.0].map(|share| quantile(&mut waits, share)),
        pools: waits.len(),
    }))
}

struct Seen {
    number: usize,
    sockets: usize,
    /// Of each over a socket, and in memory.
    kibibytes: [f64; 2],
    released: f64,
    woken: f64,
    lost: usize,
    peak: u32,
    /// Milliseconds, of this many pools.
    first_within: [f64; 3],
    pools: usize,
}

fn figures(seen: &Seen) -> Vec<Figure> {
    let Seen {
        number, sockets, ..
    } = seen;
    let [over_sockets, in_memory] = seen.kibibytes;
    let [p50, p99, worst] = seen.first_within;
    let waiting = format!("{number} requests wait for {POOLS} cold pools");
    let shares = format!(
        "{sockets} of them; the others through the exchange in memory; two tenants per pool"
    );
    vec![
        Figure::value(
            format!("{waiting}: each over a socket"),
            Unit::Kibibytes,
            over_sockets,
        )
        .at_most(HELD_GOAL)
        .beside(format!("connection included; {shares}")),
        Figure::value("The same: each in memory", Unit::Kibibytes, in_memory).at_most(HELD_GOAL),
        Figure::value(
            "The same, endpoints come: tasks woken per request that went",
            Unit::Times,
            seen.woken / seen.released,
        )
        .at_most(WOKEN_GOAL)
        .beside(format!(
            "{} woken, {} at the endpoints, which have {} seats",
            seen.woken,
            seen.released,
            POOLS * SEATS as usize
        )),
        Figure::value(
            "The same: probe answered until the endpoint has the first of them, p99",
            Unit::Milliseconds,
            p99,
        )
        .at_most(FORWARD_GOAL)
        .beside(format!(
            "median {p50:.1}, worst {worst:.1} ms of {} pools, whose endpoints all come at once",
            seen.pools
        )),
        Figure::value(
            "The same: requests lost",
            Unit::Count,
            count(seen.lost as u64),
        )
        .at_most(0.0)
        .beside(format!("of {}, all served in the end", number + BALLAST)),
        Figure::value(
            "The same: most requests at an endpoint at once",
            Unit::Count,
            f64::from(seen.peak),
        )
        .at_most(f64::from(SEATS)),
    ]
}

/// Opens connections with one request each.
fn hold(address: SocketAddr, places: &[Place], number: usize) -> Outcome<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(number);
    for at in BALLAST..BALLAST + number {
        let mut stream = connect_from(Some(IpAddr::V4(household(at))), address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (host, target) = asked(at, places)?;
        let mut text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in fields() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes())?;
        held.push(stream);
    }
    Ok(held)
}

fn is_served(stream: &mut TcpStream) -> bool {
    read_answer(stream).is_ok_and(|answer| answer.status == 200)
}

/// The process in which they wait; killed when dropped.
struct Holder {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    fn start(port: u16, sockets: usize, number: usize) -> Outcome<Self> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list"])
            .arg(PROXY_CORE.to_string())
            .arg(env::current_exe()?)
            .arg("hold-cold")
            .args([port.to_string(), sockets.to_string(), number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let output = child.stdout.take().ok_or("no stdout")?;
        Ok(Self {
            child,
            input,
            lines: BufReader::new(output).lines(),
        })
    }

    fn say(&mut self, word: &str) -> Outcome<()> {
        Ok(writeln!(self.input, "{word}")?)
    }

    /// What it says next.
    fn number<T: std::str::FromStr>(&mut self) -> Outcome<T> {
        let line = self.lines.next().ok_or("hold-cold has ended")??;
        line.parse()
            .map_err(|_| format!("hold-cold says {line}").into())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
