//! Places for probes: how many may be under way at once over all pools, and who gets the next one that is free.
//!
//! An endpoint that answers, or refuses, has its place for less than a millisecond; one that hangs, for seconds, again and
//! again. In one line of all, a few hundred of those would be ahead of whoever wakes a pool. So those go first whose pool
//! somebody waits for, and among them those that have held places for the least time, which is what is known of whether
//! they hang; and those that have held them for long never have all places at once.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Probes under way at once.
const PROBES_MAX: usize = 64;
/// Of them those of endpoints that are [`Rank::is_slow`].
const SLOW_PROBES_MAX: usize = 48;
/// Ten probes of the least length.
const SLOW_AFTER: Duration = Duration::from_secs(2);
/// Beyond this time all are alike: otherwise who hung yesterday would wait until all new ones have hung for as long.
const HELD_MAX: Duration = Duration::from_secs(30);

/// Who goes first: the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_unawaited: bool,
    held: Duration,
}

impl Rank {
    /// Of an endpoint whose probes have `held` places for so long without an answer.
    pub(super) fn new(is_awaited: bool, held: Duration) -> Self {
        Self {
            is_unawaited: !is_awaited,
            held: held.min(HELD_MAX),
        }
    }

    fn is_slow(self) -> bool {
        self.held >= SLOW_AFTER
    }
}

/// A place in the line: by rank, then in order of arrival.
type Turn = (Rank, u64);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    free_for_slow: usize,
    quick: BTreeMap<Turn, oneshot::Sender<()>>,
    slow: BTreeMap<Turn, oneshot::Sender<()>>,
    arrivals: u64,
}

/// A place, or a turn in the line for one; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'p> {
    places: &'p Places,
    turn: Turn,
}

impl Places {
    /// All free.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            free: PROBES_MAX,
            free_for_slow: SLOW_PROBES_MAX,
            quick: BTreeMap::new(),
            slow: BTreeMap::new(),
            arrivals: 0,
        }))
    }

    /// Waits for a place. Who is dropped meanwhile leaves the line.
    pub(super) async fn enter(&self, rank: Rank) -> Place<'_> {
        let (place, granted) = self.line_up(rank);
        // The other end is in the line until it is told.
        let _ = granted.await;
        place
    }

    fn line_up(&self, rank: Rank) -> (Place<'_>, oneshot::Receiver<()>) {
        let (grant, granted) = oneshot::channel();
        let mut state = self.0.lock();
        let turn = (rank, state.arrivals);
        state.arrivals += 1;
        state.line(rank).insert(turn, grant);
        state.grant_all();
        let places = self;
        (Place { places, turn }, granted)
    }
}

impl State {
    fn line(&mut self, rank: Rank) -> &mut BTreeMap<Turn, oneshot::Sender<()>> {
        if rank.is_slow() {
            &mut self.slow
        } else {
            &mut self.quick
        }
    }

    fn grant_all(&mut self) {
        while let Some(grant) = self.next() {
            let _ = grant.send(()); // who has left gives the place back
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<()>> {
        if self.free == 0 {
            return None;
        }
        let quick = self.quick.keys().next();
        let slow = self.slow.keys().next().filter(|_| self.free_for_slow > 0);
        let turn = *quick.into_iter().chain(slow).min()?;
        self.free -= 1;
        self.free_for_slow -= usize::from(turn.0.is_slow());
        self.line(turn.0).remove(&turn)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.places.0.lock();
        let (rank, _) = self.turn;
        if state.line(rank).remove(&self.turn).is_some() {
            return; // it had none yet
        }
        state.free += 1;
        state.free_for_slow += usize::from(rank.is_slow());
        state.grant_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn unawaited(held: Duration) -> Rank {
        Rank::new(false, held)
    }

    /// Whether a place was granted by now.
    fn has(granted: &mut oneshot::Receiver<()>) -> bool {
        granted.try_recv().is_ok()
    }

    #[test]
    fn many_that_hang_leave_places_to_those_that_have_just_come() {
        let places = Places::new();
        let mut hanging: Vec<_> = (0..300)
            .map(|_| places.line_up(unawaited(9 * SECOND)))
            .collect();
        let began = hanging.iter_mut().map(|(_, granted)| has(granted));
        assert_eq!(began.filter(|began| *began).count(), SLOW_PROBES_MAX);
        let (_place, mut granted) = places.line_up(unawaited(Duration::ZERO));
        assert!(has(&mut granted));
    }

    #[test]
    fn a_place_that_is_free_goes_to_whom_somebody_waits_for_and_then_to_who_had_the_least() {
        let places = Places::new();
        let mut taken: Vec<_> = (0..PROBES_MAX)
            .map(|_| places.line_up(unawaited(Duration::ZERO)))
            .collect();
        let ranks = [
            unawaited(3 * SECOND),
            unawaited(SECOND),
            unawaited(SECOND),
            Rank::new(true, 3 * SECOND),
            Rank::new(true, SECOND),
        ];
        let mut waiting: Vec<_> = ranks.map(|rank| places.line_up(rank)).into();
        let mut order = Vec::new();
        while let Some(place) = taken.pop() {
            drop(place);
            let served = waiting.iter_mut().map(|(_, granted)| has(granted));
            order.extend(
                served
                    .enumerate()
                    .filter_map(|(number, is)| is.then_some(number)),
            );
        }
        assert_eq!(order, [4, 3, 1, 2, 0]);
    }

    #[test]
    fn those_that_have_hung_for_long_have_their_turns_one_after_the_other() {
        let [long, longer] = [HELD_MAX, 100 * HELD_MAX].map(unawaited);
        assert_eq!(long, longer);
        assert!(unawaited(29 * SECOND) < long);
    }

    #[test]
    fn who_leaves_the_line_takes_no_place_and_who_leaves_with_one_gives_it_back() {
        let places = Places::new();
        let taken: Vec<_> = (0..PROBES_MAX)
            .map(|_| places.line_up(unawaited(Duration::ZERO)))
            .collect();
        let gone = places.line_up(Rank::new(true, Duration::ZERO));
        let (_place, mut granted) = places.line_up(unawaited(Duration::ZERO));
        drop(gone);
        assert!(!has(&mut granted));
        drop(taken);
        assert!(has(&mut granted));
        let state = places.0.lock();
        assert_eq!(
            (state.free, state.free_for_slow),
            (PROBES_MAX - 1, SLOW_PROBES_MAX)
        );
        assert!(state.quick.is_empty());
    }
}
