//! What a process writes, line by line, to be searched and waited for while it runs.

use std::{
    io::{BufReader, Read},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::PATIENCE;

/// The lines of one output so far. Clones see the same lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Vec<u8>>,
    ended: bool,
    paused: bool,
}

impl Lines {
    /// Reads `output` in a thread of its own until it ends.
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = lines.0.clone();
        thread::spawn(move || shared.read(&mut BufReader::new(output)));
        lines
    }

    /// Stops reading: the process finds its pipe full. What is in the reader's buffer (8 KiB) still comes.
    pub fn pause(&self) {
        self.0.state.lock().unwrap().paused = true;
    }

    /// Reads on.
    pub fn resume(&self) {
        self.0.state.lock().unwrap().paused = false;
        self.0.news.notify_all();
    }

    /// All lines so far, raw.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.0.state.lock().unwrap().lines.clone()
    }

    /// All lines so far as one text.
    pub fn text(&self) -> String {
        let raw = self.raw();
        raw.iter()
            .map(|line| String::from_utf8_lossy(line) + "\n")
            .collect()
    }

    /// All lines so far that are JSON.
    pub fn values(&self) -> Vec<Value> {
        let raw = self.raw();
        raw.iter()
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    /// The events of this name so far.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let mut values = self.values();
        values.retain(|value| value["event"] == event);
        values
    }

    /// The first line that `wanted` takes, whether it came before or comes yet.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or at the output's end, with all that came.
    pub fn wait_for(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.wait_for_more(what, 1, wanted).remove(0)
    }

    /// The first `count` lines that `wanted` takes.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`].
    pub fn wait_for_more(
        &self,
        what: &str,
        count: usize,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock().unwrap();
        let mut seen = 0;
        let mut found = Vec::new();
        loop {
            let fresh = state.lines[seen..].iter();
            let values = fresh.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            found.extend(values.filter(|value| wanted(value)));
            seen = state.lines.len();
            if found.len() >= count {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                drop(state);
                let reason = if left.is_zero() {
                    "in time"
                } else {
                    "before the end"
                };
                panic!("{what} did not come {reason}; what came:\n{}", self.text());
            }
            state = self.0.news.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The first event of this name.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`].
    pub fn wait_event(&self, event: &str) -> Value {
        self.wait_for(&format!("event {event}"), |value| value["event"] == event)
    }

    /// The first `count` events of this name.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`].
    pub fn wait_events(&self, event: &str, count: usize) -> Vec<Value> {
        self.wait_for_more(&format!("{count} × event {event}"), count, |value| {
            value["event"] == event
        })
    }

    /// The access log's line of the request with this reference (`X-Request-Id`).
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`].
    pub fn wait_request(&self, reference: &str) -> Value {
        self.wait_for(&format!("line of request {reference}"), |value| {
            value["reference"] == reference && value.get("event").is_none()
        })
    }

    /// Waits for the output's end.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`].
    pub fn wait_end(&self) {
        let state = self.0.state.lock().unwrap();
        let waited = self
            .0
            .news
            .wait_timeout_while(state, PATIENCE, |state| !state.ended);
        assert!(waited.unwrap().0.ended, "the output did not end");
    }
}

impl Shared {
    fn read(&self, output: &mut impl std::io::BufRead) {
        loop {
            let state = self.state.lock().unwrap();
            drop(self.news.wait_while(state, |state| state.paused).unwrap());
            let mut line = Vec::new();
            let read = output.read_until(b'\n', &mut line);
            let mut state = self.state.lock().unwrap();
            match read {
                Ok(1..) => {
                    line.pop_if(|last| *last == b'\n');
                    state.lines.push(line);
                }
                Ok(0) | Err(_) => state.ended = true,
            }
            self.news.notify_all();
            if state.ended {
                return;
            }
        }
    }
}
