//! One source of load at a fixed rate over connections that are open beforehand: what most measurements need.

use std::{net::SocketAddr, time::Duration};

use crate::{
    Outcome,
    mixed_load::{Answers, MixedLoad, Source},
};

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

impl OpenLoop<'_> {
    /// Runs it in this thread.
    ///
    /// # Errors
    ///
    /// When connections cannot be opened.
    pub(crate) fn run(&self) -> Outcome<Answers> {
        let source = Source {
            requests: self.requests,
            service_times: &[],
            per_second: self.per_second,
            connections: self.connections,
            connections_max: self.connections,
            active: Duration::ZERO..self.time,
            awaited: true,
        };
        let load = MixedLoad {
            address: self.address,
            sources: vec![source],
            time: self.time,
            drain_max: DRAIN_MAX,
            spread: false,
        };
        load.run()?.pop().ok_or_else(|| "no source".into())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, Write as _},
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;
    use crate::http;

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
        let answers = load(server(usize::MAX), &requests).run().unwrap();
        assert_eq!((answers.failed(), answers.closed), (0, 0));
        assert!((100..300).contains(&answers.microseconds.len()));
        assert!(answers.microseconds.iter().all(|&time| time > 0.0));
    }

    #[test]
    fn a_connection_that_breaks_under_a_request_is_a_failure_and_is_replaced() {
        let requests = [http::get("a", "/")];
        let answers = load(server(5), &requests).run().unwrap();
        assert!(answers.broken > 0 && answers.closed >= answers.broken);
        assert!(answers.microseconds.len() > 50);
    }
}
