//! Whether to wake up for each event or for a handful at once.
//!
//! A wake-up costs about three times what a request costs (estimated on a virtual machine; decision 0027). At 20,000
//! requests a second something happens every 25 µs, and waking for each would cost half of what a processor can generate.
//! So a busy worker sleeps until a moment after the next arrival is due and takes everything that became due or arrived
//! meanwhile. The more happens, the shorter the moment. It is inside own lag and read lag, which are measured and judged. A
//! worker that is not busy wakes for each event; one that is saturated does not sleep at all.

/// As many events (arrivals and answers) are worth a wake-up.
const WORTH: u64 = 6;
/// How long after an arrival was due a busy worker wakes, in nanoseconds, at least and at most.
const MOMENTS: (u64, u64) = (40_000, 130_000);
/// Longest sleep of a busy worker, for the sake of answers that arrive meanwhile.
const SLEEP_MAX: u64 = 180_000;
/// Events that follow each other faster make a worker busy.
const BUSY_GAP: u64 = 50_000;
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
        let is_busy = self.gap < BUSY_GAP && now.saturating_sub(self.last) < BUSY_GAP;
        is_busy && handled < ENOUGH
    }

    /// How long to sleep at `now` when the next arrival is due at `due`.
    pub(super) fn moment(&self, now: u64, due: u64) -> u64 {
        let moment = self.gap.saturating_mul(WORTH).clamp(MOMENTS.0, MOMENTS.1);
        due.saturating_sub(now)
            .saturating_add(moment)
            .min(SLEEP_MAX)
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
    fn it_sleeps_beyond_the_next_arrival_the_shorter_the_more_happens() {
        let after = |gap| {
            let pace = Pace {
                gap,
                ..Pace::default()
            };
            (pace.moment(1_000, 31_000), pace.moment(1_000, u64::MAX))
        };
        assert_eq!(after(25_000), (160_000, SLEEP_MAX));
        assert_eq!(after(10_000), (90_000, SLEEP_MAX));
        assert_eq!(after(1_000), (70_000, SLEEP_MAX));
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
