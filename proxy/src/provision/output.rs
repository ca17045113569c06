//! What a replica writes, line by line into the log, bounded: a replica that floods its output must neither fill the
//! disk nor push the access log out, and one that nobody reads from would stop at its next line.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use schleuse_core::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    clock,
    log::{self, Level},
};

/// The rest of a longer line is left out.
const LINE_BYTES_MAX: usize = 4096;
/// Lines of all replicas of a pool.
const LINES_PER_SECOND: u64 = 100;
/// A stack trace comes at once.
const LINES_AT_ONCE: u64 = 500;

/// How much the replicas of a pool may still write.
#[derive(Debug, Default)]
pub struct Allowance(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the lines written so far would all be paid for at the steady rate; the generic cell rate algorithm.
    paid: Timestamp,
    left_out: u64,
}

impl Allowance {
    /// Whether a line may be written now, and how many were left out before it.
    fn take(&self, now: Timestamp) -> Option<u64> {
        const SECOND: Duration = Duration::from_secs(1);
        let mut state = self.0.lock();
        let paid = state.paid.max(now);
        if paid - now > SECOND * u32::try_from(LINES_AT_ONCE / LINES_PER_SECOND).unwrap_or(1) {
            state.left_out += 1;
            return None;
        }
        state.paid = paid + SECOND / u32::try_from(LINES_PER_SECOND).unwrap_or(1);
        Some(std::mem::take(&mut state.left_out))
    }
}

/// One of the two streams of a replica.
#[derive(Debug)]
pub struct Output {
    /// The pool's name.
    pub pool: Arc<str>,
    /// The replica's number.
    pub replica: u32,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Shared by the pool.
    pub allowance: Arc<Allowance>,
}

impl Output {
    /// Reads to the end; whoever holds the other side may write as much as it likes.
    pub async fn copy(self, mut from: impl AsyncRead + Unpin) {
        let mut lines = Lines::default();
        let mut bytes = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            lines.take(bytes.get(..count).unwrap_or_default(), |line| {
                self.write(line);
            });
        }
        lines.end(|line| self.write(line));
    }

    fn write(&self, line: &[u8]) {
        let Some(left_out) = self.allowance.take(clock::now()) else {
            return;
        };
        let replica = self.replica.to_string();
        let who = [("pool", &*self.pool), ("replica", &*replica)];
        if left_out > 0 {
            let lines = left_out.to_string();
            let fields = [who[0], who[1], ("lines", &*lines)];
            log::event(Level::Warn, "replica_output_dropped", &fields);
        }
        let line = String::from_utf8_lossy(line);
        let fields = [who[0], who[1], ("stream", self.stream), ("line", &*line)];
        log::event(Level::Info, "replica_output", &fields);
    }
}

/// Bytes to lines.
#[derive(Debug, Default)]
struct Lines {
    /// The start of a line, at most [`LINE_BYTES_MAX`].
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8], mut write: impl FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.keep(line);
            self.end(&mut write);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.begun.len());
        self.begun
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end(&mut self, mut write: impl FnMut(&[u8])) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        if !line.is_empty() {
            write(line);
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.take(chunk, |line| found.push(line.to_vec()));
        }
        lines.end(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn lines_are_cut_where_they_end_however_they_arrive() {
        let expected = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        assert_eq!(lines(&[b"one\ntwo\r\n\nthree"]), expected);
        assert_eq!(
            lines(&[b"o", b"ne", b"\ntwo\r", b"\n\nth", b"ree"]),
            expected
        );
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory_and_its_rest_is_no_line_of_its_own() {
        let flood = vec![b'x'; 3 * LINE_BYTES_MAX];
        let found = lines(&[&flood, &flood, b"\nnext\n"]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].len(), LINE_BYTES_MAX);
        assert_eq!(found[1], b"next");
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_quiet_pays_it_back() {
        let allowance = Allowance::default();
        let start = Timestamp::default() + Duration::from_mins(1);
        let written = (0..10_000)
            .filter(|_| allowance.take(start).is_some())
            .count() as u64;
        assert!(
            (LINES_AT_ONCE..=LINES_AT_ONCE + 1).contains(&written),
            "{written}"
        );
        assert_eq!(
            allowance.take(start + Duration::from_secs(1)),
            Some(10_000 - written)
        );
        assert_eq!(allowance.take(start + Duration::from_secs(1)), Some(0));
    }
}
