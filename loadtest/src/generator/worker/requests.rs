//! A citizen's request from its plan to its one end.

use bytes::Bytes;
use http::Request;

use super::{Coming, Entry, Phase, Worker};
use crate::{
    citizen::{Fate, JourneyEnd, Reply, Then},
    clock::nanoseconds,
    generator::{answer::Answer, http2::Upload},
    record::Ending,
    results::Reason,
    workload::{Filling, Workload, Written},
};

/// How often a request is sent again that the target did not begin to work on; Chromium tries three times in all.
const REPEATS_MAX: u8 = 2;

impl Worker<'_> {
    /// The request's time has come: it is sent if a connection is free, and waits otherwise.
    pub(super) fn take_up(&mut self, key: u32) {
        let now = self.clock.now();
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        entry.phase = Phase::Waiting;
        entry.ready = now;
        entry.written = None;
        entry.repeats = 0;
        entry.ticket = entry.ticket.wrapping_add(1);
        self.waiting += 1;
        self.record.take_up(&entry.citizen, now);
        self.set_timer(key);
        let has_own = self.has_own_connection(key);
        let Some(connection) = self.free_connection(key, has_own) else {
            self.wait_for_connection(key, has_own);
            return;
        };
        self.send_on(connection, key);
    }

    /// The timer of a request: whatever ends the wait first.
    fn set_timer(&mut self, key: u32) {
        let limits = self.workload.limits;
        let Some(entry) = self.entries.get(key as usize) else {
            return;
        };
        let due = entry
            .citizen
            .leaves_at()
            .min(entry.deadline(limits.deadline));
        let due = due.min(entry.timeout(limits.timeout));
        if due == u64::MAX {
            self.wheel.cancel(key);
        } else {
            self.wheel.set(key, due);
        }
    }

    /// Writes the request of `key` on a free connection.
    pub(super) fn send_on(&mut self, connection: u32, key: u32) {
        let workload = self.workload;
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        let tenant = workload.key_of(entry.citizen.tenant);
        let Some(prepared) = entry.prepare(tenant, workload, &mut self.request) else {
            // A journey has at least one step, and the scenario's check knows what a request may hold.
            return self.fail(key, Reason::LocalWorker);
        };
        let now = self.clock.now();
        let (body, is_head, plan) = (prepared.body, prepared.is_head, entry.citizen.plan);
        let Some((request, text)) = prepared.stream else {
            let sent = self.write_on(connection, key, body, is_head, plan);
            self.note_sent(key, connection, now, body);
            if let Err(reason) = sent {
                self.drop_connection(connection);
                self.fail(key, reason);
            }
            return;
        };
        let upload = Upload {
            citizen: key,
            plan,
            text,
            filler: body.filler,
        };
        if self.stream_on(connection, request, upload) {
            self.note_sent(key, connection, now, body);
        } else {
            self.try_again(key);
        }
    }

    /// The request of `key` began to be written on a connection at `now`.
    fn note_sent(&mut self, key: u32, connection: u32, now: u64, body: Written) {
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        entry.phase = Phase::Sent(connection);
        if std::mem::take(&mut entry.is_queued) {
            self.queued = self.queued.saturating_sub(1);
        }
        self.waiting = self.waiting.saturating_sub(1);
        self.record.note_sent_bytes(entry.citizen.plan, body.body());
        if entry.written.is_some() {
            return; // sent again: it counts, and its time runs, from the first
        }
        entry.written = Some(now);
        self.record.send(&entry.citizen, entry.ready, now);
        if self.workload.limits.timeout.is_some() {
            self.set_timer(key);
        }
    }

    /// The target did not begin to work on the request of `key`: another connection may, as for a browser.
    pub(super) fn try_again(&mut self, key: u32) {
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        if entry.repeats >= REPEATS_MAX {
            return self.fail(key, Reason::StreamRefused);
        }
        entry.repeats += 1;
        if entry.phase != Phase::Waiting {
            entry.phase = Phase::Waiting;
            self.waiting += 1;
        }
        let has_own = self.has_own_connection(key);
        match self.free_connection(key, has_own) {
            Some(connection) => self.send_on(connection, key),
            None => self.wait_for_connection(key, has_own),
        }
    }

    /// A complete answer came for `key`.
    pub(super) fn receive(&mut self, key: u32, answer: &mut Answer) {
        let now = self.clock.now();
        let workload = self.workload;
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        let written = entry.written.unwrap_or_default();
        let lag = now.saturating_sub(self.events_since.max(written));
        self.record.note_read_lag(entry.citizen.plan, lag);
        let before = entry.citizen.clone();
        let has_location = entry.carry(answer, workload);
        let reply = Reply {
            status: answer.status,
            retry_after_seconds: answer.retry_after_seconds,
            has_location,
        };
        let (fate, then) = entry.citizen.receive(&reply, now, workload);
        let ending = Ending {
            fate,
            written: entry.written,
            at: now,
            taken_up: true,
            status: answer.status,
            received_bytes: answer.body_bytes,
        };
        self.record.end(&before, &ending);
        self.go_on(key, then, now);
    }

    /// The request of `key` failed without an answer.
    pub(super) fn fail(&mut self, key: u32, reason: Reason) {
        let now = self.clock.now();
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        let before = entry.citizen.clone();
        let (written, is_waiting) = (entry.written, entry.phase == Phase::Waiting);
        if std::mem::take(&mut entry.is_queued) {
            self.queued = self.queued.saturating_sub(1);
        }
        self.waiting = self.waiting.saturating_sub(u64::from(is_waiting));
        let (fate, then) = entry.citizen.fail(reason);
        let fate = match reason.blame() {
            crate::results::Blame::Target => fate,
            _ => Fate::NotSent(reason),
        };
        self.end_without_answer(&before, fate, written, now);
        self.go_on(key, then, now);
    }

    /// The timer of `key` fired before its answer came.
    pub(super) fn lose_patience(&mut self, key: u32) {
        let now = self.clock.now();
        let workload = self.workload;
        let Some(entry) = self.entries.get_mut(key as usize) else {
            return;
        };
        let reason = if entry.citizen.leaves_at() <= now {
            None
        } else if entry.deadline(workload.limits.deadline) <= now {
            Some(Reason::Deadline)
        } else if entry.timeout(workload.limits.timeout) <= now {
            Some(Reason::Timeout)
        } else {
            self.set_timer(key); // by a hair too early
            return;
        };
        let before = entry.citizen.clone();
        let written = entry.written;
        let connection = match entry.phase {
            Phase::Sent(connection) => Some(connection),
            Phase::Thinking | Phase::Waiting => None,
        };
        if std::mem::take(&mut entry.is_queued) {
            self.queued = self.queued.saturating_sub(1);
        }
        self.waiting = self.waiting.saturating_sub(u64::from(connection.is_none()));
        let (fate, then) = match reason {
            None => entry.citizen.leave(now, workload),
            Some(reason) => entry.citizen.fail(reason),
        };
        entry.phase = Phase::Thinking;
        if let Some(connection) = connection {
            self.leave_connection(connection, key);
        }
        self.end_without_answer(&before, fate, written, now);
        self.go_on(key, then, now);
    }

    fn end_without_answer(
        &mut self,
        citizen: &crate::citizen::Citizen,
        fate: Fate,
        written: Option<u64>,
        at: u64,
    ) {
        self.record.end(
            citizen,
            &Ending {
                fate,
                written,
                at,
                taken_up: true,
                status: 0,
                received_bytes: 0,
            },
        );
    }

    /// What follows. Even what is due at once goes by the wheel, so that nothing calls itself without end.
    fn go_on(&mut self, key: u32, then: Then, now: u64) {
        match then {
            Then::Request(at) => {
                if let Some(entry) = self.entries.get_mut(key as usize) {
                    entry.phase = Phase::Thinking;
                    self.wheel.set(key, at);
                }
            }
            Then::End(end) => self.leave_table(key, end, now),
        }
    }

    fn leave_table(&mut self, key: u32, end: JourneyEnd, now: u64) {
        self.wheel.cancel(key);
        let Some(entry) = self.entries.try_remove(key as usize) else {
            return;
        };
        self.record.end_journey(&entry.citizen, end, now);
        if let Some((connection, generation)) = entry.own
            && self.is_alive(connection, generation)
        {
            self.drop_connection(connection);
        }
        if let Coming::Closed { left, .. } = &mut self.coming {
            *left += 1;
        }
    }
}

/// A request with nothing left to fill in.
struct Prepared {
    body: Written,
    is_head: bool,
    /// Head and text for HTTP/2.
    stream: Option<(Request<()>, Bytes)>,
}

impl Entry {
    fn deadline(&self, deadline: Option<std::time::Duration>) -> u64 {
        deadline.map_or(u64::MAX, |deadline| {
            self.citizen.plan.saturating_add(nanoseconds(deadline))
        })
    }

    fn timeout(&self, timeout: Option<std::time::Duration>) -> u64 {
        match (timeout, self.written) {
            (Some(timeout), Some(written)) => written.saturating_add(nanoseconds(timeout)),
            _ => u64::MAX,
        }
    }

    /// The request as it goes out: for HTTP/1.1 in `out`, for HTTP/2 in parts.
    fn prepare(&self, tenant: &[u8], workload: &Workload, out: &mut Vec<u8>) -> Option<Prepared> {
        let template = &self.citizen.step_in(workload)?.request;
        let filling = self.filling(tenant);
        if !workload.target.http2 {
            out.clear();
            return Some(Prepared {
                body: template.write(&filling, out),
                is_head: template.is_head(),
                stream: None,
            });
        }
        let url = workload.target.url.as_str();
        let (request, text, body) = template.streamed(&filling, url)?;
        Some(Prepared {
            body,
            is_head: template.is_head(),
            stream: Some((request, text)),
        })
    }

    pub(super) fn filling<'e>(&'e self, tenant: &'e [u8]) -> Filling<'e> {
        let carried = self.carried.as_deref();
        let redirected = self.citizen.is_redirected();
        Filling {
            tenant,
            citizen: self.citizen.number,
            cookies: carried.map_or(&[], |carried| &carried.cookies),
            redirect: carried
                .filter(|_| redirected)
                .map_or(&[], |carried| &carried.redirect),
            keeps_method: carried.is_some_and(|carried| carried.keeps_method),
        }
    }
}
