//! What an origin received and sent, counted by itself: the truth that a generator's counts are compared with.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::results::Latencies;

/// Rows beyond it are counted as one, so that foreign keys cannot fill the memory: ten steps of every Gemeinde.
const ROWS_MAX: usize = 120_000;

/// Longest time that is told apart.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// What a row counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Key of the tenant; empty: unknown. `(others)` beyond the rows that are kept.
    pub tenant: String,
    /// Name or number of the step.
    pub step: String,
    /// Status of the answer; 0: the request ended before there was one.
    pub status: u16,
}

/// Counts of one tenant, step and status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Of these, answered to the last byte.
    pub answered: u64,
    /// Bytes of requests' bodies that arrived.
    pub received_bytes: u64,
    /// Bytes of answers' bodies that were handed to the connection.
    pub sent_bytes: u64,
}

/// One row of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// How much.
    #[serde(flatten)]
    pub counts: Counts,
}

/// All that was counted so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In order of tenant, step and status.
    pub rows: Vec<Row>,
    /// Service times as drawn, of the requests that were worked on.
    pub service: Latencies,
    /// From the head of the request to the last byte of the answer, of the answered.
    pub response: Latencies,
}

impl Report {
    /// The sum of all rows.
    pub fn total(&self) -> Counts {
        self.rows.iter().fold(Counts::default(), |mut sum, row| {
            sum.add(row.counts);
            sum
        })
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
    }
}

/// Collects the counts.
#[derive(Debug)]
pub(super) struct Tally(Mutex<State>);

#[derive(Debug)]
struct State {
    rows: HashMap<Key, Counts>,
    service: Histogram<u64>,
    response: Histogram<u64>,
    service_sum_ns: u64,
    response_sum_ns: u64,
}

impl Tally {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Mutex::new(State {
            rows: HashMap::new(),
            service: histogram()?,
            response: histogram()?,
            service_sum_ns: 0,
            response_sum_ns: 0,
        })))
    }

    /// A service time was drawn.
    pub(super) fn drawn(&self, service: Duration) {
        let mut state = self.lock();
        let nanoseconds = record(&mut state.service, service);
        state.service_sum_ns = state.service_sum_ns.saturating_add(nanoseconds);
    }

    /// A request ended; `took`, when it was answered to the last byte.
    pub(super) fn ended(&self, key: Key, counts: Counts, took: Option<Duration>) {
        let mut state = self.lock();
        if let Some(took) = took {
            let nanoseconds = record(&mut state.response, took);
            state.response_sum_ns = state.response_sum_ns.saturating_add(nanoseconds);
        }
        state.row(key).add(counts);
    }

    pub(super) fn report(&self) -> Report {
        let state = self.lock();
        let mut rows: Vec<Row> = state
            .rows
            .iter()
            .map(|(key, counts)| Row {
                key: key.clone(),
                counts: *counts,
            })
            .collect();
        rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Report {
            rows,
            service: Latencies::from_histogram(&state.service, Some(state.service_sum_ns)),
            response: Latencies::from_histogram(&state.response, Some(state.response_sum_ns)),
        }
    }

    pub(super) fn reset(&self) {
        let mut state = self.lock();
        state.rows.clear();
        state.service.reset();
        state.response.reset();
        state.service_sum_ns = 0;
        state.response_sum_ns = 0;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn row(&mut self, key: Key) -> &mut Counts {
        let key = if self.rows.len() < ROWS_MAX || self.rows.contains_key(&key) {
            key
        } else {
            Key {
                tenant: "(others)".to_owned(),
                step: String::new(),
                status: key.status,
            }
        };
        self.rows.entry(key).or_default()
    }
}

/// Three digits up to an hour; nanoseconds.
fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1_000, LONGEST_NS, 3).map_err(io::Error::other)
}

fn record(histogram: &mut Histogram<u64>, time: Duration) -> u64 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record(nanoseconds);
    nanoseconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str) -> Key {
        Key {
            tenant: tenant.to_owned(),
            step: "0".to_owned(),
            status: 200,
        }
    }

    const ONE: Counts = Counts {
        requests: 1,
        answered: 1,
        received_bytes: 3,
        sent_bytes: 5,
    };

    #[test]
    fn rows_add_up_and_a_reset_forgets_them() {
        let tally = Tally::new().unwrap();
        tally.drawn(Duration::from_millis(2));
        for tenant in ["b", "a", "b"] {
            tally.ended(key(tenant), ONE, Some(Duration::from_millis(3)));
        }
        let report = tally.report();
        let tenants: Vec<&str> = report.rows.iter().map(|row| &*row.key.tenant).collect();
        assert_eq!(tenants, ["a", "b"]);
        assert_eq!(report.rows[1].counts.requests, 2);
        assert_eq!(report.total().sent_bytes, 15);
        assert_eq!((report.service.count, report.response.count), (1, 3));
        assert_eq!(report.response.sum_ns, 9_000_000);
        tally.reset();
        assert_eq!(tally.report().total(), Counts::default());
    }

    #[test]
    fn keys_without_end_do_not_take_memory_without_end() {
        let tally = Tally::new().unwrap();
        for number in 0..ROWS_MAX + 10 {
            tally.ended(key(&number.to_string()), ONE, None);
        }
        let report = tally.report();
        assert_eq!(report.rows.len(), ROWS_MAX + 1);
        assert_eq!(report.total().requests, ROWS_MAX as u64 + 10);
    }
}
