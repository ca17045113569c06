//! How many requests each client network may send: a table of buckets that is bounded whatever comes.
//!
//! An attacker has more networks than any table has cells (a /40 holds 16 million /64s), so the question is what happens
//! when it is full. Here a bucket that counts is never pushed out, because pushing out would fill it again; a client that
//! finds no cell shares the bucket of its /48 (IPv4: /24), and when those are all taken too, that of its /40 (/16), whose
//! cells are fixed and never run out. A shard holds whole /40s: one of them fills 1/64 of the table and no more.
//!
//! A client that moves from a shared bucket to its own takes the shared one's debt along. What it was let through is
//! therefore never more than one burst and one rate, wherever it was counted.

use std::time::Duration;

use parking_lot::Mutex;
use schleuse_core::Timestamp;

use super::{
    bucket::{Bucket, Quota},
    cells::{Found, Sets, scaled},
    prefix::ClientNetwork,
    salt::{Fold, RENEWAL, Salt, Salts, folded},
};

/// Locks, and parts of the table that an attacker from one /40 stays in.
const SHARDS: usize = 64;
/// Cells of a shard for the widest networks.
const WIDEST: usize = 64;

/// Level of the client's own network.
const OWN: usize = 0;
/// Level of the /48 or /24.
const WIDE: usize = 1;
/// Level of the /40 or /16.
const WIDEST_LEVEL: usize = 2;

/// The buckets of all clients of all services. Outlives every reload.
#[derive(Debug)]
pub(super) struct Clients {
    shards: Vec<Shard>,
    /// Chooses shards and the widest networks' cells; never renewed, because 12 bits name nobody.
    placement: Fold,
}

/// On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Mutex<Buckets>);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'n> {
    /// `registry::ServiceRuntime::number`.
    pub(super) service: u32,
    pub(super) network: &'n ClientNetwork,
}

/// An answer, and where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Else how long until a request passes.
    pub(super) passes: Result<(), Duration>,
    /// The bucket was not the client's own.
    pub(super) shared: bool,
}

impl Clients {
    /// For this many clients at once; almost all of them have their own bucket then.
    pub(super) fn new(clients_max: u32) -> Self {
        let cells = usize::try_from(clients_max).unwrap_or(usize::MAX);
        let cells = cells.saturating_mul(2).div_ceil(SHARDS);
        let shard = || Shard(Mutex::new(Buckets::new(cells)));
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            placement: Salt::draw().fold(),
        }
    }

    /// Takes one request out of the client's bucket.
    pub(super) fn take(&self, client: Client<'_>, quota: &Quota, now: Timestamp) -> Decision {
        let placed = self.placed(client.network.widest);
        let now = now.as_micros().saturating_mul(1000);
        let shard = &self.shards[scaled(placed, SHARDS)];
        shard.0.lock().take(client, quota, now, placed)
    }

    /// The widest network's hash; an attacker sees no result of it.
    fn placed(&self, widest: u128) -> u64 {
        self.placement.of_network(widest)
    }
}

/// One shard's buckets.
#[derive(Debug)]
struct Buckets {
    levels: [Sets; 3],
    salts: Salts,
    /// The latest time seen: a time that runs back is taken for it (boinkor-net/governor#299).
    latest: u64,
    /// From then on nothing that lies here counts.
    written_until: u64,
    /// From then on nothing was forgiven that could count again.
    forgiven_until: u64,
    /// From then on no shared bucket counts.
    shared_until: u64,
}

/// The cell that answers, and what it holds.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
    cell: usize,
    hash: u64,
    bucket: Bucket,
}

impl Buckets {
    fn new(cells: usize) -> Self {
        Self {
            levels: [Sets::new(cells), Sets::new(cells / 8), Sets::new(WIDEST)],
            salts: Salts::new(0),
            latest: 0,
            written_until: 0,
            forgiven_until: 0,
            shared_until: 0,
        }
    }

    fn take(&mut self, client: Client<'_>, quota: &Quota, now: u64, placed: u64) -> Decision {
        let now = now.max(self.latest);
        self.latest = now;
        // What was forgiven may take months to be paid back; it keeps a salt for one more day and no longer.
        let forgiven_until = self.forgiven_until.min(now.saturating_add(RENEWAL));
        self.salts
            .advance(now, self.written_until.max(forgiven_until));
        let mut place = self.place(client, quota, now, placed);
        let passes = place.bucket.take(quota, now);
        let full_at = place.bucket.full_at;
        self.levels[place.level].put(place.cell, place.hash, place.bucket);
        self.written_until = self.written_until.max(place.bucket.counts_until());
        self.forgiven_until = self.forgiven_until.max(full_at);
        let shared = place.level != OWN;
        if shared {
            self.shared_until = self.shared_until.max(full_at);
        }
        Decision { passes, shared }
    }

    fn place(&mut self, client: Client<'_>, quota: &Quota, now: u64, placed: u64) -> Place {
        let widest = folded(placed ^ u64::from(client.service), placed);
        let mut level = OWN;
        let (mut found, mut hash) = self.look(level, client, quota, now);
        if found == Found::Full {
            level = WIDE;
            (found, hash) = self.look(level, client, quota, now);
        }
        match found {
            Found::Live(cell) => self.at(level, cell, hash),
            Found::Free(cell) => Place {
                level,
                cell,
                hash,
                bucket: self.shared_debt(level, client, quota, now, widest),
            },
            Found::Full => {
                let cell = self.levels[WIDEST_LEVEL].direct(widest);
                self.at(WIDEST_LEVEL, cell, widest)
            }
        }
    }

    fn at(&self, level: usize, cell: usize, hash: u64) -> Place {
        Place {
            level,
            cell,
            hash,
            bucket: self.levels[level].bucket(cell),
        }
    }

    /// Looks a network up, under the salt before the present one too: what is found there moves to the present one, or,
    /// where that has no room, stays. A renewal fills no bucket.
    fn look(&mut self, level: usize, client: Client<'_>, quota: &Quota, now: u64) -> (Found, u64) {
        let network = if level == OWN {
            client.network.own
        } else {
            client.network.wide
        };
        let hash = self.salts.current.hash(client.service, network);
        let sets = &mut self.levels[level];
        let found = sets.find(hash, now);
        let Some(previous) = self.salts.previous() else {
            return (found, hash);
        };
        let old = previous.hash(client.service, network);
        match (found, sets.find(old, now)) {
            (Found::Free(cell), Found::Live(old)) => {
                let bucket = sets.bucket(old);
                sets.clear(old);
                sets.put(cell, hash, bucket);
                (Found::Live(cell), hash)
            }
            (Found::Full, Found::Live(cell)) => {
                self.salts.keep_previous(now.saturating_add(quota.fill()));
                (Found::Live(cell), old)
            }
            _ => (found, hash),
        }
    }

    /// What a bucket that is new at `level` begins with: the emptier of the wider ones that its client was counted in.
    fn shared_debt(
        &mut self,
        level: usize,
        client: Client<'_>,
        quota: &Quota,
        now: u64,
        widest: u64,
    ) -> Bucket {
        if self.shared_until <= now {
            return Bucket::default();
        }
        let cell = self.levels[WIDEST_LEVEL].direct(widest);
        let mut debt = self.levels[WIDEST_LEVEL].bucket(cell).carried(quota, now);
        if level == OWN
            && let (Found::Live(cell), _) = self.look(WIDE, client, quota, now)
        {
            let wide = self.levels[WIDE].bucket(cell).carried(quota, now);
            debt = debt.emptier(&wide, quota);
        }
        debt
    }
}

#[cfg(test)]
mod tests;
