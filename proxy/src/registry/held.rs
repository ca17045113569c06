//! What a request holds of a pool: a place in its queue, a seat, a stream. Each is given back when it is dropped, so that
//! a request that vanishes in any phase leaks none.

use std::{sync::Arc, task::Waker};

use schleuse_core::{
    Arrival, EndpointId, Leave, Outcome, Refusal, Refused, Slot, Stream, Ticket, Timestamp, Waiting,
};

use super::{
    pool::{Guarded, Pool, Requeued},
    tenant::Tenant,
    waiters::Granted,
};
use crate::{clock, upstream::limit::EndpointConnections};

/// A refusal of which only the reason is known.
pub(crate) fn plain(refusal: Refusal) -> Refused {
    Refused {
        refusal,
        retry_after: None,
    }
}

/// A place in the queue, given up when dropped; a seat that came meanwhile goes to the next.
#[derive(Debug)]
pub struct Place<'p> {
    pool: &'p Pool,
    ticket: Ticket,
    key: usize,
    until: Timestamp,
    ended: bool,
}

impl<'p> Place<'p> {
    pub(super) fn new(pool: &'p Pool, waiting: &Waiting, key: usize) -> Self {
        Self {
            pool,
            ticket: waiting.ticket,
            key,
            until: waiting.until,
            ended: false,
        }
    }

    /// When it has waited too long.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The seat, when it was granted, or why there will be none; before that `waker` is woken once it is known.
    pub fn fetch(&mut self, waker: &Waker) -> Option<Result<HeldSlot<'p>, Refused>> {
        let ended = self.pool.guarded.lock().waiters.fetch(self.key, waker)?;
        self.ended = true;
        Some(ended.map(|granted| HeldSlot::new(self.pool, granted)))
    }

    /// It has waited too long: why it gets no seat, or the seat that came at the last moment.
    ///
    /// # Errors
    ///
    /// Why it gets none.
    pub fn expire(mut self) -> Result<HeldSlot<'p>, Refused> {
        let (pool, now) = (self.pool, clock::now());
        self.ended = true;
        pool.event(now, |guarded| {
            if let Some(ended) = guarded.waiters.leave(self.key) {
                return ended.map(|granted| HeldSlot::new(pool, granted));
            }
            let Guarded { state, config, .. } = guarded;
            let refused = state.leave(&config.policy, self.ticket, now, Leave::Expired);
            Err(refused.unwrap_or(plain(Refusal::WaitExpired)))
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = clock::recent();
        self.pool.event(now, |guarded| {
            match guarded.waiters.leave(self.key) {
                Some(Ok(granted)) => return guarded.depart(granted.slot, Outcome::Abandoned, now),
                Some(Err(_)) => return,
                None => {}
            }
            let Guarded { state, config, .. } = guarded;
            let _ = state.leave(&config.policy, self.ticket, now, Leave::Gone);
        });
    }
}

/// A seat that is given back when dropped: a request that vanishes in any phase cannot leak one.
#[derive(Debug)]
pub struct HeldSlot<'p> {
    pool: &'p Pool,
    connections: Arc<EndpointConnections>,
    slot: Option<Slot>,
}

impl<'p> HeldSlot<'p> {
    pub(super) fn new(pool: &'p Pool, granted: Granted) -> Self {
        Self {
            pool,
            connections: granted.connections,
            slot: Some(granted.slot),
        }
    }

    /// Whose seat it is.
    pub fn endpoint(&self) -> Option<EndpointId> {
        self.slot.as_ref().map(|slot| slot.endpoint)
    }

    /// When it was taken.
    pub fn started(&self) -> Timestamp {
        self.slot
            .as_ref()
            .map_or_else(clock::recent, |slot| slot.started)
    }

    /// The endpoint's connections.
    pub fn connections(&self) -> &Arc<EndpointConnections> {
        &self.connections
    }

    /// The session's own endpoint could not take it.
    pub fn affinity_lost(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.affinity_lost)
    }

    /// Whose endpoints they are.
    pub fn pool(&self) -> &'p Pool {
        self.pool
    }

    /// How long its request may wait for another one.
    pub fn until(&self) -> Timestamp {
        let slot = self.slot.as_ref();
        slot.map_or_else(clock::recent, |slot| slot.until)
    }

    /// The endpoint took no connection: another one's seat, or the request's place back. `session` as when it arrived.
    pub fn requeue(mut self, arrival: Arrival<'_, Tenant>, session: Option<u64>) -> Requeued<'p> {
        match self.slot.take() {
            Some(slot) => self.pool.requeue(slot, arrival, session),
            None => Requeued::Stands,
        }
    }

    /// Gives the seat back with what became of the request.
    pub fn depart(mut self, outcome: Outcome) {
        self.give_back(outcome);
    }

    /// The request goes on as a stream, outside the seats.
    ///
    /// # Errors
    ///
    /// The seat, when the endpoint has as many streams as it may.
    pub fn stream(mut self) -> Result<HeldStream<'p>, Self> {
        let (pool, now) = (self.pool, clock::recent());
        let Some(slot) = self.slot.take() else {
            return Err(self);
        };
        let begun = pool.event(now, |guarded| {
            let Guarded { state, config, .. } = guarded;
            state.stream(&config.policy, slot, now)
        });
        match begun {
            Ok(stream) => Ok(HeldStream {
                pool,
                stream: Some(stream),
            }),
            Err(slot) => {
                self.slot = Some(slot);
                Err(self)
            }
        }
    }

    fn give_back(&mut self, outcome: Outcome) {
        if let Some(slot) = self.slot.take() {
            let now = clock::recent();
            self.pool
                .event(now, |guarded| guarded.depart(slot, outcome, now));
        }
    }
}

impl Drop for HeldSlot<'_> {
    fn drop(&mut self) {
        self.give_back(Outcome::Abandoned);
    }
}

/// A stream, counted until it is dropped.
#[derive(Debug)]
pub struct HeldStream<'p> {
    pool: &'p Pool,
    stream: Option<Stream>,
}

impl Drop for HeldStream<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.pool.guarded.lock().state.end_stream(stream);
        }
    }
}
