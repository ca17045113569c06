//! Whether to wake up for each event or for a handful at once.
//!
//! A wake-up costs about twice what a request costs. At 20,000 requests a second something happens every 25 µs; waking for
//! each would halve what a processor can generate, and then the generator disturbs its own measurement far more than by
//! looking 50 µs later. So a busy worker sleeps for a fixed moment and takes everything that became due or arrived
//! meanwhile; the moment is inside its own lag and its read lag, which are measured and judged. A worker that is not busy
//! wakes for each event; one that is saturated does not sleep at all.

/// How long a busy worker sleeps, in nanoseconds: with the wake-up itself below the 100 µs that own lag may be at p99.
pub(super) const MOMENT: u64 = 50_000;
/// As many events in one turn leave nothing to gather.
const ENOUGH: u64 = 16;
/// Weight of the last turn in the mean: 1/8.
const SHIFT: u32 = 3;

/// How close events follow each other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Mean time per event, nanoseconds; 0 before the first.
    gap: u64,
    last: u64,
    handled: u64,
}

impl Pace {
    /// Something became due or arrived.
    pub(super) const fn note(&mut self, events: u64) {
        self.handled += events;
    }

    /// Whether to sleep a moment before looking again; called once in each turn.
    pub(super) const fn should_gather(&mut self, now: u64) -> bool {
        let handled = self.handled;
        if let Some(gap) = now.saturating_sub(self.last).checked_div(handled) {
            self.gap = self.gap - (self.gap >> SHIFT) + (gap >> SHIFT);
            self.last = now;
            self.handled = 0;
        }
        let is_busy = self.gap < MOMENT && now.saturating_sub(self.last) < MOMENT;
        is_busy && handled < ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a worker gathers after many turns with so many events, so far apart.
    fn gathers(events: u64, apart: u64) -> bool {
        let mut pace = Pace::default();
        (1..1_000).fold(false, |_, turn| {
            pace.note(events);
            pace.should_gather(turn * apart)
        })
    }

    #[test]
    fn a_busy_worker_gathers_an_idle_or_a_saturated_one_does_not() {
        assert!(gathers(1, 25_000));
        assert!(!gathers(1, 200_000));
        assert!(!gathers(40, 200_000));
    }

    #[test]
    fn after_a_pause_it_wakes_for_each_event_again() {
        let mut pace = Pace::default();
        for turn in 1..1_000 {
            pace.note(1);
            pace.should_gather(turn * 25_000);
        }
        assert!(!pace.should_gather(1_000_000_000));
    }
}
