//! All flows of a pool: found by key with one cheap hash, named by a small number otherwise.
//!
//! A flow that is idle and owes nothing is forgotten by a hand that moves on over the slab with every arrival, a few
//! places at a time: memory follows the tenants that are there, without a sweep that would stop everybody.

use std::{collections::hash_map::Entry, ops::Range};

use rustc_hash::FxHashMap;

use super::{
    flow::{Flow, FlowKey},
    virtual_time::Virtual,
};
use crate::rate::SharedRate;

/// The slab and its index.
#[derive(Clone, Debug)]
pub(crate) struct Flows<R> {
    /// Keys are places of the register, so nobody outside can choose them to collide.
    by_key: FxHashMap<FlowKey, u32>,
    places: Vec<Option<Flow<R>>>,
    vacant: Vec<u32>,
    /// Where forgetting goes on.
    hand: usize,
}

impl<R> Default for Flows<R> {
    fn default() -> Self {
        Self {
            by_key: FxHashMap::default(),
            places: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
        }
    }
}

impl<R: SharedRate> Flows<R> {
    /// The number of the flow with this key; a new one when there is none.
    pub(crate) fn find_or_insert(&mut self, key: FlowKey) -> u32 {
        match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let index = self.vacant.pop().unwrap_or_else(|| {
                    self.places.push(None);
                    u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
                });
                if let Some(place) = self.places.get_mut(index as usize) {
                    *place = Some(Flow::new(key));
                }
                *unknown.insert(index)
            }
        }
    }

    /// The number of the flow with this key, if it is remembered.
    pub(crate) fn index(&self, key: FlowKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    pub(crate) fn find(&self, key: FlowKey) -> Option<&Flow<R>> {
        self.get(*self.by_key.get(&key)?)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Flow<R>> {
        self.places.get(index as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Flow<R>> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Numbers that flows have or had.
    pub(crate) fn indices(&self) -> Range<u32> {
        0..u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// The flows at these places; those beyond the end are none.
    pub(crate) fn at(&self, places: Range<usize>) -> impl Iterator<Item = &Flow<R>> {
        let from = places.start.min(self.places.len());
        let to = places.end.clamp(from, self.places.len());
        self.places.get(from..to).into_iter().flatten().flatten()
    }

    /// Places, with and without a flow.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Looks at the next `count` places and forgets flows that are idle and had no more than their share until
    /// `virtual_time`: coming back, they would begin there anyway.
    pub(crate) fn forget(&mut self, count: usize, virtual_time: Virtual) {
        for _ in 0..count.min(self.places.len()) {
            self.hand = (self.hand + 1) % self.places.len();
            let Some(place) = self.places.get_mut(self.hand) else {
                return;
            };
            if let Some(flow) = place.take_if(|flow| !flow.active() && flow.finish <= virtual_time)
            {
                self.by_key.remove(&flow.key);
                self.vacant
                    .push(u32::try_from(self.hand).unwrap_or(u32::MAX));
            }
        }
    }
}
