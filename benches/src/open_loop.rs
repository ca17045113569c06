//! Load at a fixed rate, whatever the answers do: citizens do not wait for each other.
//!
//! wrk sends the next request when the last one is answered, so a proxy that stalls is asked less and looks better
//! (coordinated omission). Here requests fall due as a Poisson process; each goes out on the connection that was idle
//! longest, waits when none is, and its latency counts from when it was due.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    num::NonZeroU64,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rustix::{
    event::{Timespec, epoll},
    thread::set_current_timer_slack,
};

use crate::{Outcome, http, inputs::generator};

/// After the end of the load, answers are awaited this long.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct OpenLoop<'l> {
    pub(crate) address: SocketAddr,
    /// Sent in turn.
    pub(crate) requests: &'l [String],
    pub(crate) per_second: f64,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies {
    /// From due to answered, microseconds, of answers below 400.
    pub(crate) microseconds: Vec<f64>,
    /// Other answers, broken connections, and requests without an answer.
    pub(crate) failed: u64,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Of the request in flight.
    due: Option<Instant>,
}

impl OpenLoop<'_> {
    /// Runs it in this thread.
    ///
    /// # Errors
    ///
    /// When connections cannot be opened.
    pub(crate) fn run(&self) -> Outcome<Latencies> {
        // Timers may otherwise be 50 µs late, as long as a request takes.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let mut driver = Driver::connect(self)?;
        driver.run()?;
        Ok(driver.latencies)
    }
}

struct Driver<'l> {
    load: &'l OpenLoop<'l>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Connections without a request in flight.
    idle: VecDeque<usize>,
    /// Due and not yet sent.
    waiting: VecDeque<Instant>,
    sent: usize,
    rng: Rng,
    latencies: Latencies,
}

impl<'l> Driver<'l> {
    fn connect(load: &'l OpenLoop<'l>) -> Outcome<Self> {
        let mut driver = Self {
            load,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            idle: (0..load.connections).collect(),
            waiting: VecDeque::new(),
            sent: 0,
            rng: generator(),
            latencies: Latencies::default(),
        };
        for at in 0..load.connections {
            let connection = driver.open(at)?;
            driver.connections.push(connection);
        }
        Ok(driver)
    }

    fn open(&self, at: usize) -> Outcome<Connection> {
        let stream = http::connect(self.load.address)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(u64::try_from(at)?);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(Connection {
            stream,
            received: Vec::new(),
            due: None,
        })
    }

    fn run(&mut self) -> Outcome<()> {
        let start = Instant::now();
        let end = start + self.load.time;
        let mut next = start + self.gap();
        let mut events = Vec::with_capacity(self.load.connections);
        loop {
            let now = Instant::now();
            while next <= now && next < end {
                self.waiting.push_back(next);
                next += self.gap();
            }
            self.send()?;
            let outstanding = self.waiting.len() + self.load.connections - self.idle.len();
            if next >= end && outstanding == 0 {
                return Ok(());
            }
            if now >= end + DRAIN_MAX {
                self.latencies.failed += u64::try_from(outstanding)?;
                return Ok(());
            }
            let wake = if next < end { next } else { end + DRAIN_MAX };
            let timeout = Timespec::try_from(wake.saturating_duration_since(now))?;
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, buffer, Some(&timeout))?;
            for event in events.drain(..) {
                self.receive(usize::try_from(event.data.u64())?)?;
            }
        }
    }

    /// Between arrivals of a Poisson process: exponential.
    fn gap(&mut self) -> Duration {
        let share = 1.0 - self.rng.f64();
        Duration::from_secs_f64(-share.ln() / self.load.per_second)
    }

    fn send(&mut self) -> Outcome<()> {
        while !self.waiting.is_empty()
            && let Some(at) = self.idle.pop_front()
        {
            let due = self.waiting.pop_front();
            let request = self
                .load
                .requests
                .get(self.sent % self.load.requests.len().max(1));
            self.sent += 1;
            let Some((connection, request)) = self.connections.get_mut(at).zip(request) else {
                return Err("a load without connections or requests".into());
            };
            connection.due = due;
            // A request is smaller than any socket's buffer: a partial write means a broken connection.
            if !matches!(connection.stream.write(request.as_bytes()), Ok(count) if count == request.len())
            {
                self.broken(at)?;
            }
        }
        Ok(())
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
        let Some(due) = connection.due.take() else {
            // An answer that nobody asked for.
            self.latencies.failed += 1;
            return self.replace(at);
        };
        if frame.status < 400 {
            self.latencies
                .microseconds
                .push(due.elapsed().as_secs_f64() * 1e6);
        } else {
            self.latencies.failed += 1;
        }
        if !frame.keep_alive {
            self.replace(at)?;
        }
        self.idle.push_back(at);
        Ok(())
    }

    /// The connection ended: a failure when a request was in flight, every server's right when not.
    fn broken(&mut self, at: usize) -> Outcome<()> {
        let due = self
            .connections
            .get_mut(at)
            .and_then(|connection| connection.due.take());
        if due.is_some() {
            self.latencies.failed += 1;
            self.idle.push_back(at);
        }
        self.replace(at)
    }

    fn replace(&mut self, at: usize) -> Outcome<()> {
        let fresh = self.open(at)?;
        if let Some(connection) = self.connections.get_mut(at) {
            *connection = fresh;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::BufRead as _, net::TcpListener, thread};

    use super::*;

    /// Answers every request, and closes without an answer after `answers_max` on a connection.
    fn server(answers_max: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || serve(&stream, answers_max));
            }
        });
        address
    }

    fn serve(stream: &TcpStream, answers_max: usize) {
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
        let mut answers = 0;
        while let Some(Ok(line)) = lines.next() {
            if !line.is_empty() {
                continue;
            }
            if answers == answers_max {
                return;
            }
            answers += 1;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let mut writer = stream;
            if writer.write_all(answer).is_err() {
                return;
            }
        }
    }

    fn load(address: SocketAddr, requests: &[String]) -> OpenLoop<'_> {
        OpenLoop {
            address,
            requests,
            per_second: 1_000.0,
            connections: 4,
            time: Duration::from_millis(200),
        }
    }

    #[test]
    fn every_request_that_falls_due_is_answered_and_timed() {
        let requests = [http::get("a", "/")];
        let latencies = load(server(usize::MAX), &requests).run().unwrap();
        assert_eq!(latencies.failed, 0);
        assert!((100..300).contains(&latencies.microseconds.len()));
        assert!(latencies.microseconds.iter().all(|&time| time > 0.0));
    }

    #[test]
    fn a_connection_that_breaks_under_a_request_is_a_failure_and_is_replaced() {
        let requests = [http::get("a", "/")];
        let latencies = load(server(5), &requests).run().unwrap();
        assert!(latencies.failed > 0);
        assert!(latencies.microseconds.len() > 50);
    }
}
