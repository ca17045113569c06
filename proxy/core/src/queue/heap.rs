//! A heap that knows where each entry lies: the least key in one look, and a key that moves in O(log n).
//!
//! Four children per node instead of two: half the depth, and the four keys lie in neighbouring cache lines.

/// Children of a node.
const ARITY: usize = 4;
/// The place of an id that is not in the heap.
const ABSENT: u32 = u32::MAX;

/// Keys by id; ids are small numbers that are used again.
#[derive(Clone, Debug)]
pub(crate) struct IndexedHeap<K> {
    entries: Vec<(K, u32)>,
    /// By id: where it lies in `entries`.
    places: Vec<u32>,
}

impl<K> Default for IndexedHeap<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<K: Copy + Ord> IndexedHeap<K> {
    /// The least key and its id.
    pub(crate) fn first(&self) -> Option<(K, u32)> {
        self.entries.first().copied()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry that lies there; every one lies behind one that is not greater.
    pub(crate) fn at(&self, place: usize) -> Option<(K, u32)> {
        self.entries.get(place).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an id in, or moves it to another key.
    pub(crate) fn set(&mut self, id: u32, key: K) {
        if let Some(at) = self.place(id) {
            self.moved(at, (key, id));
            return;
        }
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, ABSENT);
        }
        self.entries.push((key, id));
        self.rise(self.entries.len() - 1, (key, id));
    }

    /// Takes an id out; nothing happens when it is not in.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(at) = self.place(id) else { return };
        if let Some(place) = self.places.get_mut(id as usize) {
            *place = ABSENT;
        }
        let last = self.entries.pop();
        if let Some(last) = last.filter(|_| at < self.entries.len()) {
            self.moved(at, last);
        }
    }

    fn place(&self, id: u32) -> Option<usize> {
        let place = self.places.get(id as usize).copied();
        place.filter(|at| *at != ABSENT).map(|at| at as usize)
    }

    /// Finds the place for an entry that replaces the one at `at`.
    fn moved(&mut self, at: usize, entry: (K, u32)) {
        match self.entries.get(at) {
            Some(replaced) if entry.0 < replaced.0 => self.rise(at, entry),
            _ => self.sink(at, entry),
        }
    }

    fn rise(&mut self, mut at: usize, entry: (K, u32)) {
        while at > 0 {
            let parent = (at - 1) / ARITY;
            match self.entries.get(parent).copied() {
                Some(above) if entry.0 < above.0 => self.put(at, above),
                _ => break,
            }
            at = parent;
        }
        self.put(at, entry);
    }

    fn sink(&mut self, mut at: usize, entry: (K, u32)) {
        while let Some((below, child)) = self.least_child(at)
            && below.0 < entry.0
        {
            self.put(at, below);
            at = child;
        }
        self.put(at, entry);
    }

    fn least_child(&self, at: usize) -> Option<((K, u32), usize)> {
        let first = at * ARITY + 1;
        let children = self.entries.get(first..)?.iter().take(ARITY);
        let (child, entry) = children.enumerate().min_by_key(|(_, entry)| entry.0)?;
        Some((*entry, first + child))
    }

    fn put(&mut self, at: usize, entry: (K, u32)) {
        if let Some(slot) = self.entries.get_mut(at) {
            *slot = entry;
        }
        if let Some(place) = self.places.get_mut(entry.1 as usize) {
            *place = u32::try_from(at).unwrap_or(ABSENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_least_after_any_sequence_of_moves_and_removals(
            steps in vec((0..24_u32, proptest::option::of(0..50_u8)), 1..200)
        ) {
            let (mut heap, mut model) = (IndexedHeap::default(), BTreeMap::new());
            for (id, key) in steps {
                if let Some(key) = key {
                    heap.set(id, key);
                    model.insert(id, key);
                } else {
                    heap.remove(id);
                    model.remove(&id);
                }
                let least = heap.first().map(|(key, _)| key);
                prop_assert_eq!(least, model.values().min().copied());
                prop_assert_eq!(heap.first().map(|(key, id)| model.get(&id) == Some(&key)), least.map(|_| true));
                prop_assert_eq!(heap.is_empty(), model.is_empty());
            }
        }
    }
}
