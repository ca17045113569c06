//! What happened in each second, counted from the start of the warm-up: events by when they happened, plans by when they
//! were due.

use super::{Ending, Spread, is_too_late};
use crate::{citizen::Fate, results::Latencies};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// What a thread did with its time, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessorTime {
    /// On a processor.
    pub(crate) busy: u64,
    /// Runnable without one; none where the kernel does not tell.
    pub(crate) run_delay: Option<u64>,
}

/// One second of one worker, or of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecondRecord {
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) abandoned: u64,
    pub(crate) not_sent: u64,
    /// At its end.
    pub(crate) in_flight: u64,
    /// At its end.
    pub(crate) waiting: u64,
    pub(crate) response: Latencies,
    /// Of those who left or were too late.
    pub(crate) gave_up: Latencies,
    pub(crate) own_lag_max: u64,
    pub(crate) processor: ProcessorTime,
    /// How long it was; the last may be shorter.
    pub(crate) length: u64,
}

impl SecondRecord {
    /// Adds the same second of another worker.
    pub(crate) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.not_sent += other.not_sent;
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
        self.response.merge(&other.response);
        self.gave_up.merge(&other.gave_up);
        self.own_lag_max = self.own_lag_max.max(other.own_lag_max);
    }
}

/// All seconds so far.
#[derive(Debug)]
pub(crate) struct Seconds {
    list: Vec<SecondRecord>,
    /// Of the second that is running.
    response: Spread,
    gave_up: Spread,
    /// Plan of each request without an end when the run was over, and how long after it that was.
    unanswered: Vec<(u64, u64)>,
    /// Taken up and not ended.
    in_flight: u64,
}

impl Default for Seconds {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            response: Spread::coarse(),
            gave_up: Spread::coarse(),
            unanswered: Vec::new(),
            in_flight: 0,
        }
    }
}

impl Seconds {
    pub(crate) fn list(&self) -> &[SecondRecord] {
        &self.list
    }

    fn at(&mut self, time: u64) -> Option<&mut SecondRecord> {
        let second = usize::try_from(time / SECOND).ok()?;
        if second >= self.list.len() {
            self.list.resize_with(second + 1, SecondRecord::default);
        }
        self.list.get_mut(second)
    }

    pub(super) fn take_up(&mut self, plan: u64, ready: u64, lag: u64) {
        self.in_flight += 1;
        if let Some(second) = self.at(plan) {
            second.offered += 1;
        }
        if let Some(second) = self.at(ready) {
            second.own_lag_max = second.own_lag_max.max(lag);
        }
    }

    pub(super) fn send(&mut self, written: u64) {
        if let Some(second) = self.at(written) {
            second.sent += 1;
        }
    }

    pub(super) fn end(&mut self, plan: u64, ending: &Ending) {
        if ending.taken_up {
            self.in_flight = self.in_flight.saturating_sub(1);
        } else if let Some(second) = self.at(plan) {
            second.offered += 1;
        }
        if let Some(second) = self.at(ending.at) {
            match ending.fate {
                Fate::Answered => second.answered += 1,
                Fate::Failed(_) => second.failed += 1,
                Fate::Abandoned => second.abandoned += 1,
                Fate::NotSent(_) => second.not_sent += 1,
                Fate::Unanswered => {}
            }
        }
        let after = ending.at.saturating_sub(plan);
        match ending.fate {
            Fate::Answered => self.response.record(after),
            Fate::Abandoned => self.gave_up.record(after),
            Fate::Failed(reason) if is_too_late(reason) => self.gave_up.record(after),
            Fate::Unanswered => self.unanswered.push((plan, after)),
            Fate::Failed(_) | Fate::NotSent(_) => {}
        }
    }

    /// Ends the second that began at `from`; returns a copy of it.
    pub(crate) fn close(
        &mut self,
        from: u64,
        waiting: u64,
        processor: ProcessorTime,
        length: u64,
    ) -> SecondRecord {
        let Some(second) = self.end_of(from) else {
            return SecondRecord::default();
        };
        second.waiting = waiting;
        second.processor = processor;
        second.length = length;
        second.clone()
    }

    /// Ends the second that began at `from` and gives it away, for whom nobody merges with others: a day of seconds is not
    /// kept twice.
    pub(crate) fn hand_over(&mut self, from: u64) -> SecondRecord {
        self.end_of(from).map(std::mem::take).unwrap_or_default()
    }

    fn end_of(&mut self, from: u64) -> Option<&mut SecondRecord> {
        let response = self.response.latencies();
        self.response.clear();
        let gave_up = self.gave_up.latencies();
        self.gave_up.clear();
        let in_flight = self.in_flight;
        let second = self.at(from)?;
        second.response.merge(&response);
        second.gave_up.merge(&gave_up);
        second.in_flight = in_flight;
        Some(second)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.list.len() < other.list.len() {
            self.list
                .resize_with(other.list.len(), SecondRecord::default);
        }
        for (mine, theirs) in self.list.iter_mut().zip(&other.list) {
            mine.add(theirs);
        }
        self.unanswered.extend(&other.unanswered);
    }

    /// By the second of their plan, how long those waited who were never answered; known when the run is over.
    pub(crate) fn unanswered_by_plan(&self) -> Vec<(usize, Latencies)> {
        let mut all = self.unanswered.clone();
        all.sort_unstable();
        let mut spread = Spread::coarse();
        let same_second =
            |left: &(u64, u64), right: &(u64, u64)| left.0 / SECOND == right.0 / SECOND;
        all.chunk_by(same_second)
            .filter_map(|planned| {
                spread.clear();
                for (_, after) in planned {
                    spread.record(*after);
                }
                let second = usize::try_from(planned.first()?.0 / SECOND).ok()?;
                Some((second, spread.latencies()))
            })
            .collect()
    }
}
