//! Connections: which one serves a request, opening more, reading answers, giving back.
//!
//! Shared ones are used like a browser's pool for one host: the last used first, a new one when none is free and the limit
//! allows it. Whoever waits takes the first that becomes free, old or new. A connection that fails to open fails one who
//! waits, as many as connections were tried: a dead target fails every request and none twice.

use rustix::event::epoll::{self, EventData, EventFlags};

use super::Worker;
use crate::{
    clock::nanoseconds,
    generator::{
        connection::{Arrived, Connection, Outgoing, Stage},
        socket,
    },
    results::Reason,
    workload::Written,
};

/// Connections that one turn of the loop opens at most, some 30 µs each.
const OPENED_AT_ONCE: usize = 16;

impl Worker<'_> {
    /// Whether the citizen's journey has its own connection.
    pub(super) fn has_own_connection(&self, key: u32) -> bool {
        self.entries
            .get(key as usize)
            .and_then(|entry| entry.citizen.journey_in(self.workload))
            .is_some_and(|journey| journey.own_connection)
    }

    pub(super) fn is_alive(&self, connection: u32, generation: u32) -> bool {
        self.connections
            .get(connection as usize)
            .is_some_and(|found| found.generation == generation)
    }

    fn is_leaving(&self, connection: u32) -> bool {
        self.connections
            .get(connection as usize)
            .is_some_and(Connection::is_leaving)
    }

    fn is_idle(&self, connection: u32, generation: u32) -> bool {
        self.connections
            .get(connection as usize)
            .is_some_and(|found| found.generation == generation && found.is_free())
    }

    /// A connection that can serve this citizen now.
    pub(super) fn free_connection(&mut self, key: u32, has_own: bool) -> Option<u32> {
        if has_own {
            let own = self.entries.get(key as usize)?.own;
            return own
                .filter(|(connection, generation)| self.is_idle(*connection, *generation))
                .map(|(connection, _)| connection);
        }
        if self.workload.target.http2 {
            return self.session_with_room();
        }
        while let Some((connection, generation)) = self.idle.pop() {
            if self.is_idle(connection, generation) {
                return Some(connection);
            }
        }
        None
    }

    /// No connection is free: wait for one, opening it if there may be more.
    pub(super) fn wait_for_connection(&mut self, key: u32, has_own: bool) {
        if has_own {
            let own = self.entries.get(key as usize).and_then(|entry| entry.own);
            let own =
                own.filter(|(connection, generation)| self.is_alive(*connection, *generation));
            let is_leaving = own.is_some_and(|(connection, _)| self.is_leaving(connection));
            if let Some((connection, _)) = own.filter(|_| is_leaving) {
                self.drop_connection(connection);
            }
            if own.is_none() || is_leaving {
                self.open(Some(key));
            }
            return;
        }
        // Opened at the end of the turn, if no answer that is there already has freed one until then.
        if let Some(entry) = self.entries.get_mut(key as usize) {
            self.queue.push_back((key, entry.ticket));
            // Who was sent to a connection that took nothing still counts as queued.
            self.queued += u64::from(!entry.is_queued);
            entry.is_queued = true;
        }
    }

    /// Whether more shared connections are needed than are opening, and allowed.
    pub(super) fn wants_to_open(&self) -> bool {
        self.needs_to_open() && self.connections.len() < self.connections_max
    }

    fn needs_to_open(&self) -> bool {
        // A second HTTP/2 connection only when the first is full.
        let opening_max = if self.workload.target.http2 {
            self.queued.min(1)
        } else {
            self.queued
        };
        (self.opening as u64) < opening_max
    }

    /// Notes how many of those who wait are sent for because others were answered, and not on connections of their own, which
    /// our limit forbids. Who waits for a target that answers nobody is not among them: it would not answer more connections.
    pub(super) fn note_held_back(&mut self, answers: usize) {
        if self.needs_to_open() && self.connections.len() >= self.connections_max {
            self.totals.held_back += self.queued.min(answers as u64);
        }
    }

    /// Opens shared connections for the citizens who wait for one, a few in each turn: a crowd must not keep us from
    /// reading the answers that free others.
    pub(super) fn open_for_the_waiting(&mut self) {
        for _ in 0..OPENED_AT_ONCE {
            if !self.wants_to_open() {
                return;
            }
            self.open(None);
        }
    }

    fn open(&mut self, owner: Option<u32>) {
        let (target, source) = self.sources.next();
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let tls = self.workload.target.tls.as_ref();
        let made = socket::open(target, source)
            .and_then(|socket| Connection::new(socket, generation, owner, tls));
        let made = match made {
            Ok(made) => made,
            Err(reason) => return self.fail_one(owner, reason),
        };
        let key = u32::try_from(self.connections.insert(made)).unwrap_or(u32::MAX);
        let data = EventData::new_u64(u64::from(generation) << 32 | u64::from(key));
        // Edge-triggered for both directions: one call for the connection's whole life.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let added = self
            .connections
            .get(key as usize)
            .map(|made| epoll::add(&self.epoll, made.socket(), data, flags));
        if let Some(Err(errno)) = added {
            self.connections.try_remove(key as usize);
            return self.fail_one(owner, socket::reason_of(errno));
        }
        self.totals.open_max = self.totals.open_max.max(self.connections.len() as u64);
        self.began.push_back((self.clock.now(), key, generation));
        match owner.and_then(|owner| self.entries.get_mut(owner as usize)) {
            Some(entry) => entry.own = Some((key, generation)),
            None => self.opening += 1,
        }
    }

    /// A connection could not be had: that fails its owner, or the first who waits for any.
    fn fail_one(&mut self, owner: Option<u32>, reason: Reason) {
        let failed = match owner {
            Some(owner) => Some(owner).filter(|owner| self.is_waiting(*owner)),
            None => self.next_waiting(),
        };
        if let Some(key) = failed {
            self.fail(key, reason);
        }
    }

    pub(super) fn is_waiting(&self, key: u32) -> bool {
        self.entries
            .get(key as usize)
            .is_some_and(|entry| entry.phase == super::Phase::Waiting)
    }

    /// Takes the first out of the queue who is still waiting.
    pub(super) fn next_waiting(&mut self) -> Option<u32> {
        while let Some((key, ticket)) = self.queue.pop_front() {
            let is_current = self
                .entries
                .get(key as usize)
                .is_some_and(|entry| entry.ticket == ticket);
            if is_current && self.is_waiting(key) && !self.has_own_connection(key) {
                return Some(key);
            }
        }
        None
    }

    /// Something happened on a connection.
    pub(super) fn see(&mut self, data: u64, flags: EventFlags) {
        #[expect(clippy::cast_possible_truncation, reason = "two halves")]
        let (key, generation) = (data as u32, (data >> 32) as u32);
        if !self.is_alive(key, generation) {
            return; // closed earlier in the same batch
        }
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        if connection.session.is_some() {
            return self.drive_session(key);
        }
        if connection.stage == Stage::Opening {
            return self.see_opening(key, flags);
        }
        let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        // Whoever refuses an upload at its head may answer and close at once: the answer counts, not that writing on failed.
        let broken = if flags.contains(EventFlags::OUT) {
            connection.flush().err()
        } else {
            None
        };
        if broken.is_none() && !flags.intersects(EventFlags::IN | ends) {
            return;
        }
        let mut arrived = connection.receive(&mut self.scratch);
        if arrived == Arrived::Nothing && flags.intersects(ends) {
            arrived = connection.receive(&mut self.scratch); // the end behind the last bytes
        }
        match (arrived, broken) {
            (Arrived::Nothing, None) => {}
            (Arrived::Answer, _) => {
                self.answered(key, broken.is_some() || flags.intersects(ends));
            }
            (_, Some(reason)) | (Arrived::End(reason), None) => self.end_connection(key, reason),
        }
    }

    fn see_opening(&mut self, key: u32, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            let reason = connection.connect_error().unwrap_or(Reason::Reset);
            return self.end_connection(key, reason);
        }
        match connection.handshake() {
            Ok(true) if self.workload.target.http2 => match connection.begin_session() {
                Ok(()) => self.drive_session(key),
                Err(reason) => self.end_connection(key, reason),
            },
            Ok(true) => self.opened(key, Stage::Idle),
            Ok(false) => {}
            Err(reason) => self.end_connection(key, reason),
        }
    }

    pub(super) fn opened(&mut self, key: u32, stage: Stage) {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        connection.stage = stage;
        self.totals.opened += 1;
        match connection.resumed {
            Some(true) => self.totals.tls_resumed += 1,
            Some(false) => self.totals.tls_full += 1,
            None => {}
        }
        if connection.owner.is_none() {
            self.opening = self.opening.saturating_sub(1);
        }
        self.give_back(key);
    }

    /// The answer on a busy connection is complete; on an idle one nobody asked for it.
    fn answered(&mut self, key: u32, ends: bool) {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        let Stage::Busy(citizen) = connection.stage else {
            return self.drop_connection(key);
        };
        connection.stage = Stage::Idle;
        let mut answer = std::mem::take(&mut connection.reader.answer);
        let closes = ends || answer.closes || connection.is_writing();
        self.note_held_back(1);
        self.receive(citizen, &mut answer);
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.reader.answer = answer;
        }
        if closes {
            self.drop_connection(key);
        } else {
            self.give_back(key);
        }
    }

    /// A free connection goes to the next who waits for it.
    pub(super) fn give_back(&mut self, key: u32) {
        let Some(connection) = self.connections.get(key as usize) else {
            return;
        };
        let generation = connection.generation;
        if let Some(owner) = connection.owner {
            if self.is_waiting(owner) {
                self.send_on(key, owner);
            }
            return;
        }
        if connection.session.is_some() {
            return self.fill_session(key);
        }
        match self.next_waiting() {
            Some(waiting) => self.send_on(key, waiting),
            None => self.idle.push((key, generation)),
        }
        // The target may have closed idle ones that were never taken out.
        if self.idle.len() > 64 + 2 * self.connections.len() {
            let mut idle = std::mem::take(&mut self.idle);
            idle.retain(|(key, generation)| self.is_idle(*key, *generation));
            self.idle = idle;
        }
    }

    pub(super) fn write_on(
        &mut self,
        connection: u32,
        citizen: u32,
        body: Written,
        is_head: bool,
        plan: u64,
    ) -> Result<(), Reason> {
        let Some(connection) = self.connections.get_mut(connection as usize) else {
            return Err(Reason::Reset);
        };
        self.totals.reused += u64::from(connection.used > 0);
        connection.stage = Stage::Busy(citizen);
        connection.send(Outgoing {
            bytes: &self.request,
            body,
            is_head,
            plan,
        })
    }

    /// The connection is over, and with it whatever it carried.
    pub(super) fn end_connection(&mut self, key: u32, reason: Reason) {
        let Some(connection) = self.connections.get(key as usize) else {
            return;
        };
        let (stage, owner) = (connection.stage, connection.owner);
        self.drop_connection(key);
        match stage {
            Stage::Busy(citizen) => self.fail(citizen, reason),
            Stage::Opening => self.fail_one(owner, reason),
            Stage::Idle | Stage::Multiplexed => {}
        }
    }

    /// Closes it; whoever waits may open another.
    pub(super) fn drop_connection(&mut self, key: u32) {
        let Some(connection) = self.connections.try_remove(key as usize) else {
            return;
        };
        if connection.stage == Stage::Opening && connection.owner.is_none() {
            self.opening = self.opening.saturating_sub(1);
        }
        self.record.note_remainder(connection.remainder());
    }

    /// What requests leave that are still on their way at the run's end.
    pub(super) fn note_remainders(&mut self) {
        for (_, connection) in &self.connections {
            let sessions = connection.session.iter();
            let streams = sessions.flat_map(|session| session.remainders());
            for remainder in streams.chain([connection.remainder()]) {
                self.record.note_remainder(remainder);
            }
        }
    }

    /// Connections that have been opening for too long.
    pub(super) fn end_slow_openings(&mut self, now: u64) {
        let limit = nanoseconds(self.workload.limits.connect);
        while let Some((began, key, generation)) = self.began.front().copied() {
            let is_opening = self.is_alive(key, generation)
                && self
                    .connections
                    .get(key as usize)
                    .is_some_and(|connection| connection.stage == Stage::Opening);
            if is_opening && began.saturating_add(limit) > now {
                return;
            }
            self.began.pop_front();
            if is_opening {
                self.end_connection(key, Reason::ConnectTimeout);
            }
        }
    }
}
