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
    /// Those lines that are events, parsed: a load writes thousands of others between two of them.
    events: Vec<Value>,
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
        let state = self.0.state.lock().unwrap();
        let named = state.events.iter().filter(|value| value["event"] == event);
        named.cloned().collect()
    }

    /// The first event of this name, whether it came before or comes yet.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or at the output's end, with all that came.
    pub fn wait_event(&self, event: &str) -> Value {
        self.wait_event_with(event, "")
    }

    /// The first event of this name that has `text` somewhere.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_event`].
    pub fn wait_event_with(&self, event: &str, text: &str) -> Value {
        self.wait(&format!("event {event} {text}"), |state, _| {
            let mut named = state.events.iter().filter(|value| value["event"] == event);
            named
                .find(|value| value.to_string().contains(text))
                .cloned()
        })
    }

    /// The first `count` events of this name.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_event`].
    pub fn wait_events(&self, event: &str, count: usize) -> Vec<Value> {
        self.wait(&format!("{count} × event {event}"), |state, _| {
            let named = state.events.iter().filter(|value| value["event"] == event);
            let named: Vec<_> = named.cloned().collect();
            (named.len() >= count).then_some(named)
        })
    }

    /// The access log's line of the request with this reference (`X-Request-Id`).
    ///
    /// # Panics
    ///
    /// As [`Self::wait_event`].
    pub fn wait_request(&self, reference: &str) -> Value {
        self.wait_line(&format!("\"reference\":\"{reference}\""))
    }

    /// The first line that has `text` somewhere.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_event`], and when that line is no JSON.
    pub fn wait_line(&self, text: &str) -> Value {
        let line = self.wait(&format!("a line with {text}"), |state, seen| {
            let mut fresh = state.lines.get(seen..).unwrap_or_default().iter();
            fresh.find(|line| contains(line, text)).cloned()
        });
        serde_json::from_slice(&line)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line)))
    }

    /// Looks again after each line; `look` is told how many lines it has seen before.
    fn wait<T>(&self, what: &str, mut look: impl FnMut(&State, usize) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(found) = look(&state, seen) {
                return found;
            }
            seen = state.lines.len();
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
                    if contains(&line, "\"event\":") {
                        state.events.extend(serde_json::from_slice(&line));
                    }
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

fn contains(line: &[u8], text: &str) -> bool {
    let mut windows = line.windows(text.len().max(1));
    text.is_empty() || windows.any(|window| window == text.as_bytes())
}
