//! Where buckets lie: sets of eight cells, 16 bytes each, found by a hash. A cell that counts is never pushed out.

use super::bucket::{Bucket, Forgiven};

/// Cells of a set: two cache lines. At twice as many cells as clients, 1 % of the clients find their set full (Poisson).
const WAYS: usize = 8;

/// `[tag << 32 | interval, full_at]`, the interval negative where a part of the debt is forgiven, and not a struct: only memory of plain zeros is had without touching it, and a table
/// for a million clients should take its 36 MB when they come.
type Cell = [u64; 2];

/// `[debt, fill]` of what was forgiven.
type Aside = [u64; 2];

/// Cells in sets.
#[derive(Debug)]
pub(super) struct Sets {
    cells: Vec<[Cell; WAYS]>,
    /// Of each cell. Apart, because it is written and read only after a reload that made bursts smaller: until then it
    /// takes neither memory nor a look.
    forgiven: Vec<[Aside; WAYS]>,
}

/// What a look into a set found. The number names the cell until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The hash's own cell, and it counts.
    Live(usize),
    /// None, and this one counts no more.
    Free(usize),
    /// None, and all others count.
    Full,
}

impl Sets {
    /// For at least this many cells.
    pub(super) fn new(cells: usize) -> Self {
        let sets = cells.div_ceil(WAYS).max(1);
        Self {
            cells: vec![[[0; 2]; WAYS]; sets],
            forgiven: vec![[[0; 2]; WAYS]; sets],
        }
    }

    /// Bytes of all cells, without what is kept apart.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// Bytes of what is kept apart.
    #[cfg(test)]
    pub(super) fn bytes_apart(&self) -> usize {
        size_of_val(&*self.forgiven)
    }

    pub(super) fn find(&self, hash: u64, now: u64) -> Found {
        let set = self.set_of(hash);
        let mut found = Found::Full;
        for (way, [head, full_at]) in self.cells[set].iter().enumerate() {
            if *full_at <= now {
                // The first free one, so that most lookups end in the set's first cache line.
                if found == Found::Full {
                    found = Found::Free(set * WAYS + way);
                }
            } else if head >> 32 == u64::from(tag_of(hash)) {
                return Found::Live(set * WAYS + way);
            }
        }
        if found == Found::Full {
            self.forgivable(set, now)
        } else {
            found
        }
    }

    /// In a full set, a cell of which nothing counts but what was forgiven. Others need it more: a reload from a large
    /// burst to a slow rate would otherwise fill the table for months.
    fn forgivable(&self, set: usize, now: u64) -> Found {
        let mut cells = set * WAYS..(set + 1) * WAYS;
        let cell = cells.find(|cell| self.bucket(*cell).counts_until() <= now);
        cell.map_or(Found::Full, Found::Free)
    }

    /// The cell of a hash when there is one for each set and way, shared by whoever meets there.
    pub(super) fn direct(&self, hash: u64) -> usize {
        let way = usize::try_from(tag_of(hash)).unwrap_or_default() % WAYS;
        self.set_of(hash) * WAYS + way
    }

    pub(super) fn bucket(&self, cell: usize) -> Bucket {
        let (set, way) = (cell / WAYS, cell % WAYS);
        let [head, full_at] = self.cells[set][way];
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let interval = f32::from_bits(head as u32);
        let forgiven = if interval.is_sign_negative() {
            let [debt, fill] = self.forgiven[set][way];
            Forgiven { debt, fill }
        } else {
            Forgiven::default()
        };
        Bucket {
            full_at,
            interval: interval.abs(),
            forgiven,
        }
    }

    pub(super) fn put(&mut self, cell: usize, hash: u64, bucket: Bucket) {
        let (set, way) = (cell / WAYS, cell % WAYS);
        let mut interval = bucket.interval;
        if bucket.forgiven.debt > 0 {
            interval = -interval;
            self.forgiven[set][way] = [bucket.forgiven.debt, bucket.forgiven.fill];
        }
        let head = u64::from(tag_of(hash)) << 32 | u64::from(interval.to_bits());
        self.cells[set][way] = [head, bucket.full_at];
    }

    pub(super) fn clear(&mut self, cell: usize) {
        self.cells[cell / WAYS][cell % WAYS] = [0; 2];
    }

    /// The upper half of the hash chooses the set; scaled, not divided.
    fn set_of(&self, hash: u64) -> usize {
        scaled(hash, self.cells.len())
    }
}

/// A hash's upper half as a number below `length`; 0 for a length of 0 or above 2³².
pub(super) fn scaled(hash: u64, length: usize) -> usize {
    let length = u32::try_from(length).unwrap_or_default();
    usize::try_from(((hash >> 32) * u64::from(length)) >> 32).unwrap_or_default()
}

/// The lower half tells a set's clients apart. Two of the eight share theirs once in half a billion.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn tag_of(hash: u64) -> u32 {
    hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(full_at: u64) -> Bucket {
        Bucket {
            full_at,
            interval: 1.5,
            forgiven: Forgiven::default(),
        }
    }

    fn forgiven(full_at: u64, debt: u64) -> Bucket {
        Bucket {
            forgiven: Forgiven { debt, fill: 3 },
            ..live(full_at)
        }
    }

    #[test]
    fn what_was_put_is_found_until_it_ceases_to_count() {
        let mut sets = Sets::new(100);
        let Found::Free(cell) = sets.find(7, 0) else {
            unreachable!("an empty table has room");
        };
        sets.put(cell, 7, live(10));
        assert_eq!(sets.find(7, 9), Found::Live(cell));
        assert_eq!(sets.bucket(cell), live(10));
        assert!(matches!(sets.find(7, 10), Found::Free(_)));
    }

    #[test]
    fn a_full_set_gives_no_cell_away_before_one_ceases_to_count() {
        let mut sets = Sets::new(1);
        for hash in 0..WAYS as u64 {
            let Found::Free(cell) = sets.find(hash, 0) else {
                unreachable!("there is room");
            };
            sets.put(cell, hash, live(10 + hash));
        }
        assert_eq!(sets.find(99, 9), Found::Full);
        assert!(matches!(sets.find(99, 10), Found::Free(_)));
    }

    #[test]
    fn a_forgiven_debt_is_kept_until_its_cell_is_needed_by_one_that_counts() {
        let mut sets = Sets::new(1);
        sets.put(0, 0, forgiven(100, 80));
        assert_eq!(sets.find(0, 30), Found::Live(0));
        assert_eq!(sets.bucket(0), forgiven(100, 80));
        for hash in 1..WAYS as u64 {
            sets.put(usize::try_from(hash).unwrap(), hash, live(100));
        }
        assert_eq!(sets.find(99, 19), Found::Full);
        assert_eq!(sets.find(99, 20), Found::Free(0));
        sets.put(0, 99, live(100));
        assert_eq!(sets.bucket(0), live(100));
    }

    #[test]
    fn every_hash_has_its_place_in_a_table_of_any_size() {
        for cells in [1, 8, 9, 100, 12_345] {
            let sets = Sets::new(cells);
            for hash in [0, 1, u64::MAX, 0x8000_0000_0000_0000] {
                assert!(sets.direct(hash) * size_of::<Cell>() < sets.bytes());
            }
        }
    }
}
