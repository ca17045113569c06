//! Load of several sources at fixed rates, whatever the answers do: citizens do not wait for each other.
//!
//! wrk sends the next request when the last one is answered, so a proxy that stalls is asked less and looks better
//! (coordinated omission). Here the requests of each source fall due as a Poisson process; each goes out on the source's
//! connection that was idle longest, waits when none is, and its latency counts from when it was due. One thread with
//! epoll drives all of them: it shares its core with the backend.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    num::NonZeroU64,
    ops::Range,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rustix::{
    event::{Timespec, epoll},
    thread::set_current_timer_slack,
};

use crate::{Outcome, http, inputs::generator};

/// Events taken at once.
const EVENTS_MAX: usize = 1_024;

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct MixedLoad<'l> {
    pub(crate) address: SocketAddr,
    pub(crate) sources: Vec<Source<'l>>,
    /// Requests fall due this long.
    pub(crate) time: Duration,
    /// Afterwards, answers are awaited this long.
    pub(crate) drain_max: Duration,
    /// Each connection comes from an address of its own in 127.0.0.0/8, as if it were another household.
    pub(crate) spread: bool,
}

/// Requests of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Source<'l> {
    /// Sent in turn.
    pub(crate) requests: &'l [String],
    /// Of each request, taken off its latency: what is left is waiting. Empty: nothing is taken off.
    pub(crate) service_times: &'l [Duration],
    pub(crate) per_second: f64,
    /// Opened before the load begins.
    pub(crate) connections: usize,
    /// Opened at most, further ones when a request finds none idle.
    pub(crate) connections_max: usize,
    /// Part of the load's time in which its requests fall due.
    pub(crate) active: Range<Duration>,
    /// The load is over when every awaited source has its answers; whoever else waits then leaves.
    pub(crate) awaited: bool,
}

/// What came of a source.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answers {
    /// From due to answered, less the service time, microseconds, of answers below 400.
    pub(crate) microseconds: Vec<f64>,
    /// Answers of 400 and above.
    pub(crate) refused: u64,
    /// Connections that broke under a request.
    pub(crate) broken: u64,
    /// Requests without an answer at the end.
    pub(crate) unanswered: u64,
    /// Connections that the server ended or announced to end, with a request in flight or without.
    pub(crate) closed: u64,
}

impl Answers {
    /// Requests that did not get what they asked for.
    pub(crate) fn failed(&self) -> u64 {
        self.refused + self.broken + self.unanswered
    }
}

impl MixedLoad<'_> {
    /// Runs it in this thread; answers in the order of the sources.
    ///
    /// # Errors
    ///
    /// When connections cannot be opened.
    pub(crate) fn run(&self) -> Outcome<Vec<Answers>> {
        // Timers may otherwise be 50 µs late, as long as a request takes.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let mut driver = Driver::connect(self)?;
        driver.run()?;
        Ok(driver.lanes.into_iter().map(|lane| lane.answers).collect())
    }
}

/// A client's address by number: another household each, 16 million of them.
pub(crate) fn household(number: usize) -> Ipv4Addr {
    // 127.0.0.1 is left to the proxies.
    let number = u32::try_from(number % 0x00f0_0000).unwrap_or(0);
    Ipv4Addr::from_bits(0x7f01_0001 + number)
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the request in flight fell due, its service time added.
    due: Option<Instant>,
    lane: usize,
}

/// A source at work.
struct Lane {
    /// When its next request falls due; none: it is through.
    next: Option<Instant>,
    end: Instant,
    /// Connections without a request in flight.
    idle: VecDeque<usize>,
    opened: usize,
    /// Due and not yet sent.
    waiting: VecDeque<Instant>,
    sent: usize,
    in_flight: usize,
    answers: Answers,
}

struct Driver<'l> {
    load: &'l MixedLoad<'l>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    lanes: Vec<Lane>,
    rng: Rng,
    households: usize,
}

impl<'l> Driver<'l> {
    fn connect(load: &'l MixedLoad<'l>) -> Outcome<Self> {
        let mut driver = Self {
            load,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            lanes: Vec::new(),
            rng: generator(),
            households: 0,
        };
        for (at, source) in load.sources.iter().enumerate() {
            driver.lanes.push(Lane {
                next: None,
                end: Instant::now(),
                idle: VecDeque::new(),
                opened: 0,
                waiting: VecDeque::new(),
                sent: 0,
                in_flight: 0,
                answers: Answers::default(),
            });
            for _ in 0..source.connections {
                driver.add_connection(at)?;
            }
        }
        Ok(driver)
    }

    /// Opens one more for a lane; it is idle.
    fn add_connection(&mut self, lane: usize) -> Outcome<()> {
        let at = self.connections.len();
        let connection = self.open(at, lane)?;
        self.connections.push(connection);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.opened += 1;
            lane.idle.push_back(at);
        }
        Ok(())
    }

    fn open(&mut self, at: usize, lane: usize) -> Outcome<Connection> {
        let from = self.load.spread.then(|| household(self.households));
        self.households += 1;
        let stream = http::connect_from(from.map(IpAddr::V4), self.load.address)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(u64::try_from(at)?);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(Connection {
            stream,
            received: Vec::new(),
            due: None,
            lane,
        })
    }

    fn run(&mut self) -> Outcome<()> {
        let start = Instant::now();
        let end = start + self.load.time + self.load.drain_max;
        self.schedule(start);
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            let now = Instant::now();
            for lane in 0..self.lanes.len() {
                self.fall_due(lane, now);
                self.send(lane)?;
            }
            if now >= end || !self.awaited() {
                break;
            }
            let wake = self.lanes.iter().filter_map(|lane| lane.next).min();
            let wake = wake.unwrap_or(end).min(end);
            let timeout = Timespec::try_from(wake.saturating_duration_since(now))?;
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, Some(&timeout))?;
            for event in events.drain(..) {
                self.receive(usize::try_from(event.data.u64())?)?;
            }
        }
        for lane in &mut self.lanes {
            lane.answers.unanswered = u64::try_from(lane.waiting.len() + lane.in_flight)?;
        }
        Ok(())
    }

    fn schedule(&mut self, start: Instant) {
        for (lane, source) in self.lanes.iter_mut().zip(&self.load.sources) {
            lane.end = start + source.active.end.min(self.load.time);
            let first = start + source.active.start + gap(&mut self.rng, source.per_second);
            lane.next = (first < lane.end).then_some(first);
        }
    }

    /// Somebody whose answers count is still to be served.
    fn awaited(&self) -> bool {
        let mut lanes = self.lanes.iter().zip(&self.load.sources);
        lanes.any(|(lane, source)| {
            source.awaited
                && (lane.next.is_some() || !lane.waiting.is_empty() || lane.in_flight > 0)
        })
    }

    fn fall_due(&mut self, at: usize, now: Instant) {
        let (Some(lane), Some(source)) = (self.lanes.get_mut(at), self.load.sources.get(at)) else {
            return;
        };
        while let Some(next) = lane.next.filter(|&next| next <= now) {
            lane.waiting.push_back(next);
            let next = next + gap(&mut self.rng, source.per_second);
            lane.next = (next < lane.end).then_some(next);
        }
    }

    fn send(&mut self, at: usize) -> Outcome<()> {
        let source = self.load.sources.get(at).ok_or("no such source")?;
        loop {
            let lane = self.lanes.get_mut(at).ok_or("no such lane")?;
            if lane.waiting.is_empty() {
                return Ok(());
            }
            let Some(connection) = lane.idle.pop_front() else {
                if lane.opened >= source.connections_max {
                    return Ok(());
                }
                self.add_connection(at)?;
                continue;
            };
            let number = lane.sent % source.requests.len().max(1);
            let request = source.requests.get(number);
            let service = source.service_times.get(number).copied();
            let due = lane.waiting.pop_front();
            let due = due.map(|due| due + service.unwrap_or_default());
            lane.sent += 1;
            lane.in_flight += 1;
            let request = request.ok_or("a load without requests")?;
            self.write(connection, due, request)?;
        }
    }

    fn write(&mut self, at: usize, due: Option<Instant>, request: &str) -> Outcome<()> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        connection.due = due;
        // A request is smaller than any socket's buffer: a partial write means a broken connection.
        if matches!(connection.stream.write(request.as_bytes()), Ok(count) if count == request.len())
        {
            return Ok(());
        }
        self.broken(at)
    }

    fn receive(&mut self, at: usize) -> Outcome<()> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let mut chunk = [0; 4096];
        match connection.stream.read(&mut chunk) {
            Ok(0) => return self.broken(at),
            Ok(count) => {
                connection
                    .received
                    .extend_from_slice(chunk.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return self.broken(at),
        }
        match http::frame(&connection.received) {
            Ok(Some(frame)) if connection.received.len() >= frame.bytes() => {
                self.answered(at, frame)
            }
            Ok(_) => Ok(()),
            Err(_) => self.broken(at),
        }
    }

    fn answered(&mut self, at: usize, frame: http::Frame) -> Outcome<()> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        connection.received.clear();
        let due = connection.due.take();
        let Some(lane) = self.lanes.get_mut(connection.lane) else {
            return Ok(());
        };
        let Some(due) = due else {
            // An answer that nobody asked for.
            lane.answers.broken += 1;
            lane.answers.closed += 1;
            return self.replace(at);
        };
        lane.in_flight -= 1;
        if frame.status < 400 {
            let elapsed = due.elapsed().as_secs_f64() * 1e6;
            lane.answers.microseconds.push(elapsed);
        } else {
            lane.answers.refused += 1;
        }
        lane.idle.push_back(at);
        if frame.keep_alive {
            return Ok(());
        }
        lane.answers.closed += 1;
        self.replace(at)
    }

    /// The connection ended: a failure when a request was in flight, every server's right when not.
    fn broken(&mut self, at: usize) -> Outcome<()> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let due = connection.due.take();
        if let Some(lane) = self.lanes.get_mut(connection.lane) {
            lane.answers.closed += 1;
            if due.is_some() {
                lane.answers.broken += 1;
                lane.in_flight -= 1;
                lane.idle.push_back(at);
            }
        }
        self.replace(at)
    }

    fn replace(&mut self, at: usize) -> Outcome<()> {
        let lane = self.connections.get(at).map_or(0, |before| before.lane);
        let fresh = self.open(at, lane)?;
        if let Some(connection) = self.connections.get_mut(at) {
            *connection = fresh;
        }
        Ok(())
    }
}

/// Between arrivals of a Poisson process: exponential.
fn gap(rng: &mut Rng, per_second: f64) -> Duration {
    let share = 1.0 - rng.f64();
    Duration::from_secs_f64(-share.ln() / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay_backend::{DelayBackend, request};

    const TIME: Duration = Duration::from_millis(300);

    fn source(requests: &[String]) -> Source<'_> {
        Source {
            requests,
            service_times: &[],
            per_second: 400.0,
            connections: 1,
            connections_max: 200,
            active: Duration::ZERO..TIME,
            awaited: true,
        }
    }

    fn load<'l>(backend: &DelayBackend, sources: Vec<Source<'l>>) -> MixedLoad<'l> {
        MixedLoad {
            address: backend.address(),
            sources,
            time: TIME,
            drain_max: Duration::from_secs(10),
            spread: true,
        }
    }

    #[test]
    fn each_source_gets_its_own_answers_and_opens_connections_as_it_needs_them() {
        let backend = DelayBackend::start().unwrap();
        let (quick, slow) = ([request(1, "delay_ms=0")], [request(2, "delay_ms=100")]);
        let sources = vec![source(&quick), source(&slow)];
        let answers = load(&backend, sources).run().unwrap();
        for answers in &answers {
            assert_eq!((answers.failed(), answers.closed), (0, 0));
            assert!(answers.microseconds.len() > 40, "{answers:?}");
        }
        let slowest = &answers.last().unwrap().microseconds;
        assert!(slowest.iter().all(|&time| time >= 100_000.0));
        assert_eq!(
            backend
                .served()
                .iter()
                .filter(|one| one.tenant == 2)
                .count(),
            slowest.len()
        );
    }

    #[test]
    fn a_source_that_is_not_awaited_leaves_its_requests_behind() {
        let backend = DelayBackend::start().unwrap();
        let (quick, held) = ([request(1, "delay_ms=0")], [request(2, "hold=1")]);
        let mut noisy = source(&held);
        noisy.awaited = false;
        let answers = load(&backend, vec![source(&quick), noisy]).run().unwrap();
        assert!(answers.first().unwrap().unanswered == 0);
        assert!(answers.last().unwrap().unanswered > 40);
    }

    #[test]
    fn what_is_left_without_the_service_time_is_waiting() {
        let backend = DelayBackend::start().unwrap();
        let requests = [request(1, "delay_ms=0"), request(1, "delay_ms=90")];
        let times = [0, 90].map(Duration::from_millis);
        let mut source = source(&requests);
        source.service_times = &times;
        let answers = load(&backend, vec![source]).run().unwrap();
        let mut waits = answers.last().unwrap().microseconds.clone();
        assert!(crate::statistics::quantile(&mut waits, 0.5) < 80_000.0);
    }

    #[test]
    fn households_differ_and_stay_on_loopback() {
        assert_ne!(household(0), household(1));
        assert!(household(0xffff_ffff).is_loopback());
    }
}
