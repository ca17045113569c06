//! Tickets: the places of those who wait, in one slab, strung into lists.
//!
//! A ticket is an index and a generation, so that one that has ended names nobody even when its place is taken again.
//! Lists are links inside the places: waiting, leaving and being dispatched allocate nothing once the slab has grown.

use crate::{EndpointId, Timestamp};

/// A place in a pool's queue; given out by an arrival that waits, ends by being granted or by leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    index: u32,
    generation: u32,
}

impl Ticket {
    /// A small number that no other waiting ticket of the pool has; used again after this one ended.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// Who is let through first inside a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// In the middle of something, with a session that we signed.
    Signed,
    /// Everybody else.
    #[default]
    New,
}

/// What is known of one who waits.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts of one request, each of which can be true without the others"
)]
pub(crate) struct Waiter {
    pub(crate) flow: u32,
    pub(crate) class: Class,
    /// Salted hash of the client's network.
    pub(crate) client: u64,
    pub(crate) cost: u32,
    pub(crate) bytes: u64,
    /// Seat-microseconds that it is expected to need.
    pub(crate) work: u64,
    pub(crate) preferred: Option<EndpointId>,
    pub(crate) until: Timestamp,
    /// Order of arrival in the pool.
    pub(crate) sequence: u64,
    /// It had a seat already, of an endpoint that nobody reached: it goes before all others of its flow, and its rate let
    /// it through then.
    pub(crate) readmitted: bool,
    /// It was counted as lost to its session's endpoint.
    pub(crate) affinity_lost: bool,
    /// False: dispatch found it too late; it holds nothing but its place until it leaves.
    pub(crate) linked: bool,
    /// It counts as demand already; else a limit of its own held it when it came.
    pub(crate) counted: bool,
}

/// The lists that a ticket can be in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    /// Of its flow and class.
    Flow = 0,
    /// Of those whose session is on the same endpoint.
    Session = 1,
}

const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
}

const UNLINKED: Link = Link {
    previous: NOBODY,
    next: NOBODY,
};

/// The two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NOBODY,
            last: NOBODY,
        }
    }
}

impl List {
    pub(crate) fn first(self) -> Option<u32> {
        (self.first != NOBODY).then_some(self.first)
    }
}

#[derive(Clone, Debug)]
struct Place {
    generation: u32,
    links: [Link; 2],
    waiter: Option<Waiter>,
}

/// All tickets of a pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tickets {
    places: Vec<Place>,
    vacant: Vec<u32>,
}

impl Tickets {
    pub(crate) fn insert(&mut self, waiter: Waiter) -> Ticket {
        if let Some(index) = self.vacant.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            place.generation = place.generation.wrapping_add(1);
            place.waiter = Some(waiter);
            return Ticket {
                index,
                generation: place.generation,
            };
        }
        let index = u32::try_from(self.places.len()).unwrap_or(NOBODY);
        self.places.push(Place {
            generation: 0,
            links: [UNLINKED; 2],
            waiter: Some(waiter),
        });
        Ticket {
            index,
            generation: 0,
        }
    }

    /// Ends a ticket; its place is free.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Waiter> {
        let waiter = self.places.get_mut(index as usize)?.waiter.take()?;
        self.vacant.push(index);
        Some(waiter)
    }

    /// Places, with and without a ticket.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(NOBODY)
    }

    /// The index of a ticket that has not ended.
    pub(crate) fn index(&self, ticket: Ticket) -> Option<u32> {
        let place = self.places.get(ticket.index())?;
        (place.waiter.is_some() && place.generation == ticket.generation).then_some(ticket.index)
    }

    /// The ticket at an index.
    pub(crate) fn ticket(&self, index: u32) -> Option<Ticket> {
        let generation = self.places.get(index as usize)?.generation;
        Some(Ticket { index, generation })
    }

    pub(crate) fn waiter(&self, index: u32) -> Option<&Waiter> {
        self.places.get(index as usize)?.waiter.as_ref()
    }

    pub(crate) fn waiter_mut(&mut self, index: u32) -> Option<&mut Waiter> {
        self.places.get_mut(index as usize)?.waiter.as_mut()
    }

    /// The next one in line.
    pub(crate) fn next(&self, line: Line, index: u32) -> Option<u32> {
        let next = self.link(line, index)?.next;
        (next != NOBODY).then_some(next)
    }

    pub(crate) fn append(&mut self, line: Line, list: &mut List, index: u32) {
        self.insert_behind(line, list, list.last, index);
    }

    /// Puts one where it belongs in a list by order of arrival; looks from its end, where that nearly always is.
    pub(crate) fn insert_in_order(&mut self, line: Line, list: &mut List, index: u32) {
        let sequence = |tickets: &Self, index| tickets.waiter(index).map(|each| each.sequence);
        let own = sequence(self, index);
        let mut previous = list.last;
        while sequence(self, previous) > own {
            previous = self
                .link(line, previous)
                .map_or(NOBODY, |link| link.previous);
        }
        self.insert_behind(line, list, previous, index);
    }

    fn insert_behind(&mut self, line: Line, list: &mut List, previous: u32, index: u32) {
        let next = match self.link_mut(line, previous) {
            Some(before) => std::mem::replace(&mut before.next, index),
            None => std::mem::replace(&mut list.first, index),
        };
        match self.link_mut(line, next) {
            Some(after) => after.previous = index,
            None => list.last = index,
        }
        if let Some(link) = self.link_mut(line, index) {
            *link = Link { previous, next };
        }
    }

    pub(crate) fn unlink(&mut self, line: Line, list: &mut List, index: u32) {
        let Some(Link { previous, next }) = self.link(line, index) else {
            return;
        };
        match self.link_mut(line, previous) {
            Some(before) => before.next = next,
            None => list.first = next,
        }
        match self.link_mut(line, next) {
            Some(after) => after.previous = previous,
            None => list.last = previous,
        }
        if let Some(link) = self.link_mut(line, index) {
            *link = UNLINKED;
        }
    }

    fn link(&self, line: Line, index: u32) -> Option<Link> {
        let place = self.places.get(index as usize)?;
        place.links.get(line as usize).copied()
    }

    fn link_mut(&mut self, line: Line, index: u32) -> Option<&mut Link> {
        let place = self.places.get_mut(index as usize)?;
        place.links.get_mut(line as usize)
    }
}
