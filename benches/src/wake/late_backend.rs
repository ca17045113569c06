//! A backend that takes its time to start, as a process of its own that Schleuse starts: it tells in each answer when it
//! began, when it listened, when it answered its first probe, and when this request reached it.
//!
//! All times are those of the clock that all processes of the machine share, so nothing has to be guessed from outside.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// What is probed.
pub(super) const PROBE_PATH: &str = "/healthz";

/// Microseconds of the machine's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) began: u64,
    pub(super) listened: u64,
    /// 0: it was not probed.
    pub(super) probed: u64,
    /// When this request was there.
    pub(super) reached: u64,
}

impl Times {
    /// Reads an answer's body.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub(super) fn parse(body: &str) -> Outcome<Self> {
        let words = body.split(' ').map(str::parse);
        let numbers = words.collect::<Result<Vec<u64>, _>>()?;
        let &[began, listened, probed, reached] = &*numbers else {
            return Err(format!("no times: {body}").into());
        };
        Ok(Self {
            began,
            listened,
            probed,
            reached,
        })
    }

    fn text(self) -> String {
        let Self {
            began,
            listened,
            probed,
            reached,
        } = self;
        format!("{began} {listened} {probed} {reached}")
    }
}

/// Microseconds since the machine started, the same in all processes.
pub(super) fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let whole = u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000;
    whole + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000
}

/// Starts for `delay`, then answers on this port of loopback until it is ended.
///
/// # Errors
///
/// When the port is taken.
pub fn serve(port: u16, delay: Duration) -> Outcome<()> {
    let began = micros();
    thread::sleep(delay); // what a real one does meanwhile is its own business
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let listened = micros();
    let probed = Arc::new(AtomicU64::new(0));
    for stream in socket.incoming() {
        let (stream, probed) = (stream?, probed.clone());
        thread::spawn(move || {
            // A peer that breaks off is the peer's business; the run sees it in its own answers.
            let _ = converse(stream, began, listened, &probed);
        });
    }
    Ok(())
}

/// Requests without a body, one after another.
fn converse(mut stream: TcpStream, began: u64, listened: u64, probed: &AtomicU64) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let taken = stream.read(&mut chunk)?;
        if taken == 0 {
            return Ok(());
        }
        received.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        if !received.ends_with(b"\r\n\r\n") {
            continue;
        }
        let times = Times {
            began,
            listened,
            probed: probed.load(SeqCst),
            reached: micros(),
        };
        let body = times.text();
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        let is_probe = received.starts_with(format!("GET {PROBE_PATH} ").as_bytes());
        if is_probe {
            // Before it is written: the answer may be read before this thread runs again.
            let _ = probed.compare_exchange(0, micros(), SeqCst, SeqCst);
        }
        stream.write_all(answer.as_bytes())?;
        received.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http, peer::free_address};

    #[test]
    fn it_says_when_it_was_probed_before_it_was_asked() {
        let address = free_address().unwrap();
        thread::spawn(move || serve(address.port(), Duration::ZERO));
        let mut stream = loop {
            match http::connect(address) {
                Ok(stream) => break stream,
                Err(_) => thread::yield_now(),
            }
        };
        let mut ask = |path| http::ask(&mut stream, &http::get("x", path)).unwrap().body;
        assert_eq!(Times::parse(&ask("/first")).unwrap().probed, 0);
        ask(PROBE_PATH);
        let times = Times::parse(&ask("/then")).unwrap();
        assert!(times.began <= times.listened && times.listened <= times.probed);
        assert!(times.probed <= times.reached);
    }

    #[test]
    fn an_answer_of_somebody_else_is_no_answer_of_this_backend() {
        assert!(Times::parse("hello").is_err());
        assert!(Times::parse("1 2 3").is_err());
    }
}
