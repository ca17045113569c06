//! One worker: an event loop of its own on one thread, sharing nothing that changes with the others.
//!
//! It takes up its part of the schedule when it is due, whatever the target does, and stamps plan, ready, write and last
//! byte apart: what lies between plan and ready is our own fault, between ready and write the target's. Arrivals go before
//! answers, because a late request falsifies the load, a late read one figure (which is measured too).
//!
//! | file | holds |
//! |---|---|
//! | here | the loop, arrivals, timers, seconds |
//! | [`requests`] | a citizen's request from its plan to its end |
//! | [`connections`] | opening, choosing, reading, giving back |
//! | [`multiplexed`] | the same over HTTP/2 |
//! | [`carried`], [`redirect`] | cookies and redirects |
//! | [`pace`] | whether to wake for each event |

mod carried;
mod connections;
mod multiplexed;
mod pace;
mod redirect;
mod requests;

use std::{
    collections::VecDeque,
    iter::Peekable,
    mem::MaybeUninit,
    num::NonZeroU64,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::event::{Timespec, epoll};
use slab::Slab;

use self::{carried::Carried, pace::Pace};
use super::{
    Settings, connection::Connection, connection::Scratch, http2::Ended, names::Names,
    processor::Processor, sources::Sources,
};
use crate::{
    citizen::{Citizen, Fate, JourneyEnd},
    clock::{Clock, nanoseconds},
    record::{Ending, Record, SecondRecord},
    results::{Connections, Reason},
    schedule::Arrivals,
    wheel::Wheel,
    workload::{Load, Workload},
};

const SECOND: u64 = 1_000_000_000;
/// Longest sleep, so that an interruption is noticed.
const SLEEP_MAX: u64 = 50_000_000;
/// Events that are fetched at once.
const EVENTS: usize = 128;
/// Arrivals that are taken up at once before answers are looked at, so that a late worker still reads.
const ARRIVALS_AT_ONCE: usize = 64;
/// Below this, waiting for events was no waiting.
const BLOCKED_MIN: u64 = 20_000;

/// What a citizen is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing until the timer fires at the next plan.
    Thinking,
    /// Ready to send, without a connection.
    Waiting,
    /// On this connection.
    Sent(u32),
}

/// A citizen in the table.
#[derive(Debug)]
struct Entry {
    citizen: Citizen,
    phase: Phase,
    /// Waiting for a shared connection.
    is_queued: bool,
    /// Counts requests, so that an old place in the queue is recognised.
    ticket: u32,
    ready: u64,
    /// When its first byte was written; none before.
    written: Option<u64>,
    /// How often it was sent again because the target had not begun to work on it.
    repeats: u8,
    /// The connection of its own, with its generation.
    own: Option<(u32, u32)>,
    carried: Option<Box<Carried>>,
}

/// Where arrivals come from.
enum Coming<'w> {
    Open(Peekable<Arrivals<'w>>),
    /// Citizens still to set out at the start, the next one's number, the step between numbers, and the end.
    Closed {
        left: u64,
        next: u64,
        step: u64,
        until: u64,
    },
}

/// A worker's share in the run and its tools.
pub(super) struct Worker<'w> {
    workload: &'w Workload,
    clock: Clock,
    coming: Coming<'w>,
    entries: Slab<Entry>,
    wheel: Wheel,
    epoll: OwnedFd,
    connections: Slab<Connection>,
    connections_max: usize,
    /// Idle shared connections with their generation, the last used last.
    idle: Vec<(u32, u32)>,
    /// Shared connections that are opening.
    opening: usize,
    /// When connections began to open: for their time-out.
    began: VecDeque<(u64, u32, u32)>,
    generation: u32,
    /// Citizens without a connection, with their tickets; some may have left.
    queue: VecDeque<(u32, u32)>,
    /// HTTP/2 connections with something to write, with their generation.
    touched: Vec<(u32, u32)>,
    ended: Vec<Ended>,
    /// Citizens without a connection.
    waiting: u64,
    /// Those of them who wait for a shared one.
    queued: u64,
    sources: Sources,
    names: Option<&'w Names>,
    /// The version of the addresses that are in use.
    names_version: u64,
    scratch: Scratch,
    request: Vec<u8>,
    record: Record,
    totals: Connections,
    processor: Processor,
    pace: Pace,
    second: u64,
    /// When the events at hand can have happened at the earliest.
    events_since: u64,
    returned: u64,
    /// The last look fetched as many events as it could: there may be more that are as old.
    may_be_more: bool,
}

/// What is left of a worker.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) record: Record,
    pub(super) connections: Connections,
    pub(super) processor: Processor,
    pub(super) wall: u64,
}

impl<'w> Worker<'w> {
    pub(super) fn new(
        number: u32,
        workload: &'w Workload,
        settings: &Settings,
        clock: Clock,
        names: Option<&'w Names>,
    ) -> std::io::Result<Self> {
        let workers = u64::from(settings.workers.max(1));
        let coming = match &workload.load {
            Load::Open(schedule) => {
                Coming::Open(schedule.arrivals(u64::from(number), workers).peekable())
            }
            Load::Closed { citizens, duration } => Coming::Closed {
                left: (citizens + workers - 1 - u64::from(number)) / workers,
                next: u64::from(number),
                step: workers,
                until: nanoseconds(*duration),
            },
        };
        Ok(Self {
            workload,
            clock,
            coming,
            entries: Slab::new(),
            wheel: Wheel::default(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Slab::new(),
            connections_max: settings.connections_per_worker(),
            idle: Vec::new(),
            opening: 0,
            began: VecDeque::new(),
            generation: 0,
            queue: VecDeque::new(),
            touched: Vec::new(),
            ended: Vec::new(),
            waiting: 0,
            queued: 0,
            sources: Sources::new(&workload.target.addresses, &settings.sources, number),
            names,
            names_version: 0,
            scratch: Scratch::default(),
            request: Vec::new(),
            record: Record::new(workload),
            totals: Connections::default(),
            processor: Processor::of_this_thread(),
            pace: Pace::default(),
            second: 0,
            events_since: 0,
            returned: 0,
            may_be_more: false,
        })
    }

    /// Plays its part. `tell` gets each second as it ends; `stop` ends the run early.
    pub(super) fn play(
        mut self,
        stop: &AtomicBool,
        mut tell: impl FnMut(u64, SecondRecord),
    ) -> Finished {
        // A timer may fire 50 µs late by default, to save energy (prctl(2), PR_SET_TIMERSLACK).
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        std::thread::sleep(self.clock.until_start());
        self.processor.begin();
        let last = nanoseconds(self.workload.load.duration());
        let end = last.saturating_add(nanoseconds(self.workload.drain));
        let mut now = self.clock.now();
        while now < end && !stop.load(Ordering::Relaxed) && !self.is_over(now, last) {
            self.turn(now, end);
            now = self.clock.now();
            while now >= (self.second + 1) * SECOND {
                let second = self.close_second(SECOND);
                tell(self.second - 1, second);
            }
        }
        let stopped = stop.load(Ordering::Relaxed);
        self.end_all(now, stopped);
        let length = now.saturating_sub(self.second * SECOND).max(1);
        let second = self.close_second(length);
        tell(self.second - 1, second);
        Finished {
            record: self.record,
            connections: self.totals,
            processor: self.processor,
            wall: now,
        }
    }

    /// Nothing is planned, and nobody is on the way.
    fn is_over(&mut self, now: u64, last: u64) -> bool {
        now >= last && self.entries.is_empty() && self.next_arrival().is_none()
    }

    /// Arrivals first, then answers, then connections for those who still wait: an answer frees a connection, and to open
    /// one costs ten times as much as to read it.
    fn turn(&mut self, now: u64, end: u64) {
        self.fire(now);
        self.take_arrivals(now);
        self.end_slow_openings(now);
        self.flush_sessions();
        let now = self.clock.now();
        let gathers = self.sleep_a_moment(now);
        let sleep = if gathers || self.wants_to_open() {
            0
        } else {
            self.next_due().min(end).saturating_sub(now).min(SLEEP_MAX)
        };
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(sleep).unwrap_or_default(),
        };
        let mut room = [const { MaybeUninit::uninit() }; EVENTS];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, Some(&timeout)) else {
            return; // interrupted by a signal
        };
        self.note_return(now, !gathers, events.len());
        for event in events.iter() {
            let event = *event;
            self.see(event.data.u64(), event.flags);
            let now = self.clock.now();
            if self.next_arrival().is_some_and(|at| at <= now) {
                self.take_arrivals(now);
            }
        }
        self.flush_sessions();
        self.open_for_the_waiting();
    }

    /// Whether it slept, because so much happens that a handful at once is better than one by one.
    fn sleep_a_moment(&mut self, now: u64) -> bool {
        if !matches!(self.coming, Coming::Open(_)) || !self.pace.should_gather(now) {
            return false;
        }
        // Whoever waits for a connection goes on when an answer frees one: to leave it unread would slow the target's work down.
        if self.waiting > 0 {
            return false;
        }
        let due = self.next_arrival().unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_nanos(self.pace.moment(now, due)));
        // Before the answers: a late request falsifies the load.
        self.take_arrivals(self.clock.now());
        true
    }

    /// When the events that were just fetched can have happened at the earliest: since the look before this one, unless
    /// there was nothing then and the wait for the first of them is what just ended.
    fn note_return(&mut self, waited_from: u64, could_wait: bool, events: usize) {
        let returned = self.clock.now();
        if could_wait && returned.saturating_sub(waited_from) > BLOCKED_MIN {
            self.events_since = returned;
        } else if !self.may_be_more {
            self.events_since = self.returned;
        }
        self.returned = returned;
        self.may_be_more = events == EVENTS;
        self.pace.note(events as u64);
    }

    /// When something is to be done next, whether or not the target says anything.
    fn next_due(&mut self) -> u64 {
        let arrival = self.next_arrival().unwrap_or(u64::MAX);
        let timer = self.wheel.next_due().unwrap_or(u64::MAX);
        let opening = self.began.front().map_or(u64::MAX, |began| began.0);
        let opening = opening.saturating_add(nanoseconds(self.workload.limits.connect));
        let second = (self.second + 1) * SECOND;
        arrival.min(timer).min(opening).min(second)
    }

    fn next_arrival(&mut self) -> Option<u64> {
        match &mut self.coming {
            Coming::Open(arrivals) => arrivals.peek().map(|arrival| arrival.at),
            Coming::Closed { left, .. } => (*left > 0).then_some(0),
        }
    }

    fn take_arrivals(&mut self, mut now: u64) {
        for _ in 0..ARRIVALS_AT_ONCE {
            if self.next_arrival().is_none_or(|at| at > now) {
                return;
            }
            let Some((number, at)) = self.arrival(now) else {
                return;
            };
            self.set_out(number, at);
            now = self.clock.now();
        }
    }

    /// The next citizen's number and plan.
    fn arrival(&mut self, now: u64) -> Option<(u64, u64)> {
        match &mut self.coming {
            Coming::Open(arrivals) => arrivals.next().map(|next| (next.citizen, next.at)),
            Coming::Closed {
                left,
                next,
                step,
                until,
            } => {
                *left = left.checked_sub(1)?;
                let number = *next;
                *next += *step;
                (now < *until).then_some((number, now))
            }
        }
    }

    fn set_out(&mut self, number: u64, at: u64) {
        self.pace.note(1);
        let citizen = Citizen::arrive(number, at, self.workload);
        self.record.start_journey(&citizen);
        let key = self.entries.insert(Entry {
            citizen,
            phase: Phase::Thinking,
            is_queued: false,
            ticket: 0,
            ready: 0,
            written: None,
            repeats: 0,
            own: None,
            carried: None,
        });
        if let Ok(key) = u32::try_from(key) {
            self.take_up(key);
        }
    }

    /// Timers that are due: a plan, or the end of someone's patience.
    fn fire(&mut self, now: u64) {
        while let Some(key) = self.wheel.pop(now) {
            match self.entries.get(key as usize).map(|entry| entry.phase) {
                Some(Phase::Thinking) => self.take_up(key),
                Some(_) => self.lose_patience(key),
                None => {}
            }
        }
    }

    fn close_second(&mut self, length: u64) -> SecondRecord {
        let newer = self
            .names
            .and_then(|names| names.newer(&mut self.names_version));
        if let Some(addresses) = newer {
            self.sources.aim_at(addresses);
        }
        let from = self.second * SECOND;
        self.second += 1;
        let load = self.processor.since_last();
        self.record.seconds.close(from, self.waiting, load, length)
    }

    /// Everyone's end: the drain is over, or somebody stopped the run.
    fn end_all(&mut self, now: u64, stopped: bool) {
        let keys: Vec<usize> = self.entries.iter().map(|(key, _)| key).collect();
        for key in keys {
            let entry = self.entries.remove(key);
            if entry.phase != Phase::Thinking {
                self.record.end(
                    &entry.citizen,
                    &Ending {
                        fate: Fate::Unanswered,
                        written: entry.written,
                        at: now,
                        taken_up: true,
                        status: 0,
                        received_bytes: 0,
                    },
                );
            }
            self.record
                .end_journey(&entry.citizen, JourneyEnd::Unfinished, now);
        }
        let reason = if stopped {
            Reason::RunEnded
        } else {
            Reason::LocalBehind
        };
        while self.next_arrival().is_some_and(|at| at <= now)
            && let Some((number, at)) = self.arrival(now)
        {
            let citizen = Citizen::arrive(number, at, self.workload);
            self.record.never_set_out(&citizen, reason, now);
        }
        self.note_remainders();
        self.totals.open_max = self.totals.open_max.max(self.connections.len() as u64);
    }
}
