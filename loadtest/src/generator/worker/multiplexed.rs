//! HTTP/2 connections among the others: many citizens share one, a second is opened only when the first is full.
//!
//! What several citizens send in one turn of the loop goes out in one write at its end.

use http::Request;

use super::Worker;
use crate::{
    generator::{
        connection::Stage,
        http2::{Ended, Outcome, Upload},
    },
    results::Reason,
};

impl Worker<'_> {
    /// A shared connection that takes another stream; they are used in turn.
    pub(super) fn session_with_room(&mut self) -> Option<u32> {
        while let Some((key, generation)) = self.idle.pop() {
            let Some(connection) = self
                .connections
                .get_mut(key as usize)
                .filter(|connection| connection.generation == generation)
            else {
                continue;
            };
            if connection.is_free() {
                self.idle.insert(0, (key, generation));
                return Some(key);
            }
            connection.is_listed = false;
        }
        None
    }

    /// Begins a stream on a connection; false if that took nothing of it.
    pub(super) fn stream_on(&mut self, key: u32, request: Request<()>, upload: Upload) -> bool {
        let entry = self.entries.get(upload.citizen as usize);
        let is_first = entry.is_some_and(|entry| entry.written.is_none());
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return false;
        };
        let Some(session) = &mut connection.session else {
            return false;
        };
        let is_reused = session.served() > 0;
        self.touched.push((key, connection.generation));
        let is_sent = session.send(request, upload);
        // A request counts once, however often it is sent.
        self.totals.reused += u64::from(is_first && is_reused && is_sent);
        is_sent
    }

    /// Writes what was begun since the last time, and takes what came.
    pub(super) fn flush_sessions(&mut self) {
        while let Some((key, generation)) = self.touched.pop() {
            if self.is_alive(key, generation) {
                self.drive_session(key);
            }
        }
    }

    /// Something happened on a connection, or is to be written on it.
    pub(super) fn drive_session(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        let Some(session) = &mut connection.session else {
            return;
        };
        let mut ended = std::mem::take(&mut self.ended);
        session.drive(&mut ended);
        let (is_over, has_room) = (session.is_over(), session.has_room());
        let is_opening = connection.stage == Stage::Opening;
        let generation = connection.generation;
        let is_answer = |end: &&Ended| matches!(end.outcome, Outcome::Answer(_));
        self.note_held_back(ended.iter().filter(is_answer).count());
        for end in ended.drain(..) {
            self.record.note_remainder(end.remainder);
            match end.outcome {
                Outcome::Answer(mut answer) => self.receive(end.citizen, &mut answer),
                Outcome::Failed(reason) => self.fail(end.citizen, reason),
                Outcome::Untouched => self.try_again(end.citizen),
            }
        }
        self.ended = ended;
        if !self.is_alive(key, generation) {
            return; // its citizen went on to another, which may have its place
        }
        if is_over {
            self.end_connection(key, Reason::StreamRefused);
        } else if is_opening && has_room {
            self.opened(key, Stage::Multiplexed);
        } else if !is_opening {
            self.give_back(key);
        }
    }

    /// Streams for those who wait, as many as there is room for.
    pub(super) fn fill_session(&mut self, key: u32) {
        while self.is_free(key)
            && let Some(waiting) = self.next_waiting()
        {
            self.send_on(key, waiting);
        }
        let is_free = self.is_free(key);
        if let Some(connection) = self.connections.get_mut(key as usize)
            && is_free
            && !connection.is_listed
        {
            connection.is_listed = true;
            self.idle.push((key, connection.generation));
        }
    }

    fn is_free(&self, key: u32) -> bool {
        self.connections
            .get(key as usize)
            .is_some_and(super::Connection::is_free)
    }

    /// The citizen gave up: the answer may still come, and must not be taken for another's.
    pub(super) fn leave_connection(&mut self, key: u32, citizen: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return;
        };
        match &mut connection.session {
            Some(session) => {
                let remainder = session.cancel(citizen);
                self.touched.push((key, connection.generation));
                if let Some(remainder) = remainder {
                    self.record.note_remainder(remainder);
                }
            }
            None => self.drop_connection(key),
        }
    }
}
