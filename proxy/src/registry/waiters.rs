//! The requests that wait in one pool: whom to wake, and what was granted to whom.
//!
//! The core decides who is next; here stands only how to reach its task. A grant is laid into the waiting request's own
//! cell before that is woken, so a wake-up is never for nobody, and a request that leaves at that moment finds the seat in
//! its cell and gives it back. A ticket ends with its grant and the core may use its index anew at once, so cells have
//! keys of their own, which live until the request has fetched its seat.

use std::task::Waker;

use schleuse_core::{Slot, Ticket};
use slab::Slab;

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

#[derive(Debug)]
enum Cell {
    /// With the task to wake, once that has asked.
    Waiting(Option<Waker>),
    Granted(Slot),
}

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
    pub(super) fn grant(&mut self, ticket: Ticket, slot: Slot) -> Result<Option<Waker>, Slot> {
        let key = self.by_ticket.get(ticket.index());
        let Some(cell) = key.and_then(|key| self.cells.get_mut(*key)) else {
            return Err(slot);
        };
        match cell {
            Cell::Waiting(waker) => {
                let waker = waker.take();
                *cell = Cell::Granted(slot);
                self.waiting -= 1;
                Ok(waker)
            }
            Cell::Granted(_) => Err(slot),
        }
    }

    /// The seat that was granted; without one `waker` is woken when it comes.
    pub(super) fn fetch(&mut self, key: usize, waker: &Waker) -> Option<Slot> {
        if let Some(Cell::Waiting(known)) = self.cells.get_mut(key) {
            if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *known = Some(waker.clone());
            }
            return None;
        }
        self.leave(key)
    }

    /// The request waits no longer; the seat that it had been granted meanwhile.
    pub(super) fn leave(&mut self, key: usize) -> Option<Slot> {
        let slot = match self.cells.try_remove(key)? {
            Cell::Waiting(_) => {
                self.waiting -= 1;
                None
            }
            Cell::Granted(slot) => Some(slot),
        };
        if self.cells.is_empty() && self.cells.capacity() > KEPT {
            self.cells = Slab::new();
            self.by_ticket = Vec::new();
        }
        slot
    }
}
