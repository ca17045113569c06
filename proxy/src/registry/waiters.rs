//! The requests that wait in one pool: whom to wake, and what was granted to whom.
//!
//! The core decides who is next; here stands only how to reach its task. A grant is laid into the waiting request's own
//! cell before that is woken, so a wake-up is never for nobody, and a request that leaves at that moment finds the seat in
//! its cell and gives it back. A ticket ends with its grant and the core may use its index anew at once, so cells have
//! keys of their own, which live until the request has fetched its seat.

use std::{sync::Arc, task::Waker};

use schleuse_core::{Refused, Slot, Ticket};
use slab::Slab;

use crate::upstream::limit::EndpointConnections;

/// Cells of an empty list that are kept for the next who wait; more are given back.
const KEPT: usize = 1024;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    cells: Slab<Cell>,
    /// Key of the waiting request's cell, by the index of its ticket.
    by_ticket: Vec<usize>,
    waiting: usize,
}

/// A seat and the connections of its endpoint.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) slot: Slot,
    pub(super) connections: Arc<EndpointConnections>,
}

#[derive(Debug)]
enum Cell {
    /// With the task to wake, once that has asked.
    Waiting(Option<Waker>),
    Granted(Granted),
    Refused(Refused),
}

/// How a wait ended.
pub(super) type Ended = Result<Granted, Refused>;

impl Waiters {
    /// Whether nobody waits; who has a grant and has not fetched it does not wait.
    pub(super) fn none_waiting(&self) -> bool {
        self.waiting == 0
    }

    /// A request waits from now on; the key of its cell.
    pub(super) fn enter(&mut self, ticket: Ticket) -> usize {
        let key = self.cells.insert(Cell::Waiting(None));
        let index = ticket.index();
        if index >= self.by_ticket.len() {
            self.by_ticket.resize(index + 1, usize::MAX);
        }
        if let Some(place) = self.by_ticket.get_mut(index) {
            *place = key;
        }
        self.waiting += 1;
        key
    }

    /// A seat for a waiting request, and the task to wake for it.
    ///
    /// # Errors
    ///
    /// The seat, when nobody waits under this ticket.
    pub(super) fn grant(
        &mut self,
        ticket: Ticket,
        granted: Granted,
    ) -> Result<Option<Waker>, Slot> {
        let key = self.by_ticket.get(ticket.index());
        let Some(cell) = key.and_then(|key| self.cells.get_mut(*key)) else {
            return Err(granted.slot);
        };
        match cell {
            Cell::Waiting(waker) => {
                let waker = waker.take();
                *cell = Cell::Granted(granted);
                self.waiting -= 1;
                Ok(waker)
            }
            Cell::Granted(_) | Cell::Refused(_) => Err(granted.slot),
        }
    }

    /// A waiting request waits in vain; the task to wake for it.
    pub(super) fn refuse(&mut self, ticket: Ticket, refused: Refused) -> Option<Waker> {
        let key = self.by_ticket.get(ticket.index())?;
        let cell = self.cells.get_mut(*key)?;
        let Cell::Waiting(waker) = cell else {
            return None;
        };
        let waker = waker.take();
        *cell = Cell::Refused(refused);
        self.waiting -= 1;
        waker
    }

    /// How the wait ended; before that `waker` is woken when it does.
    pub(super) fn fetch(&mut self, key: usize, waker: &Waker) -> Option<Ended> {
        if let Some(Cell::Waiting(known)) = self.cells.get_mut(key) {
            if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *known = Some(waker.clone());
            }
            return None;
        }
        self.leave(key)
    }

    /// The request waits no longer; how its wait had ended meanwhile.
    pub(super) fn leave(&mut self, key: usize) -> Option<Ended> {
        let ended = match self.cells.try_remove(key)? {
            Cell::Waiting(_) => {
                self.waiting -= 1;
                None
            }
            Cell::Granted(granted) => Some(Ok(granted)),
            Cell::Refused(refused) => Some(Err(refused)),
        };
        if self.cells.is_empty() && self.cells.capacity() > KEPT {
            self.cells = Slab::new();
            self.by_ticket = Vec::new();
        }
        ended
    }
}
