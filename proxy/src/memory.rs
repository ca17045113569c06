//! Memory goes back to the system after many who waited have left.
//!
//! The allocator gives back what has been free for a while, but only when it is asked for something: after ten thousand
//! clients left at once, their memory stayed until the next traffic came. So each worker, which looks every 100 ms whether
//! it is on time, looks at what is held for waiting requests as well, and has its own free memory given back when that has
//! fallen by half, and once more some seconds later. It costs a few milliseconds, and not while there is more to come.

/// Bytes; it is not worth the while for less.
const FALL_MIN: u64 = 4 << 20;
/// Looks for which the level must stay low. Connections and tasks end a little after what they held.
const LOOKS_LOW: u32 = 5;
/// Looks after which it is given back once more. On a busy machine the last connections end later than that.
const LOOKS_UNTIL_AGAIN: u32 = 50;

/// What was held for waiting requests at its highest, since memory was given back last.
#[derive(Debug, Default)]
pub(crate) struct HighWater {
    bytes: u64,
    looks_low: u32,
    /// Until memory is given back once more; 0: it is not.
    looks_until_again: u32,
}

impl HighWater {
    /// Looks at what is held now and was at the highest since the last look: whether it is time to give memory back.
    pub(crate) fn ebbed(&mut self, highest: u64, held: u64) -> bool {
        self.bytes = self.bytes.max(highest);
        self.looks_until_again = self.looks_until_again.saturating_sub(1);
        let again = self.looks_until_again == 1;
        self.fell(held) || again
    }

    fn fell(&mut self, held: u64) -> bool {
        if held > self.bytes / 2 || self.bytes.saturating_sub(held) < FALL_MIN {
            self.looks_low = 0;
            return false;
        }
        self.looks_low += 1;
        if self.looks_low < LOOKS_LOW {
            return false;
        }
        *self = Self {
            bytes: held,
            looks_low: 0,
            looks_until_again: LOOKS_UNTIL_AGAIN,
        };
        true
    }
}

/// Gives this thread's free memory back to the system.
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "mimalloc has no other way to be asked for it")]
    // SAFETY: takes no pointer, may be called by any thread at any time, and frees only what nobody uses. Where another
    // allocator is the global one, as in unit tests, it finds nothing.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// At which of these looks memory is given back.
    fn ebbs(held: &[u64]) -> Vec<usize> {
        let mut high = HighWater::default();
        (0..held.len())
            .filter(|look| high.ebbed(held[*look] * MIB, held[*look] * MIB))
            .collect()
    }

    #[test]
    fn a_height_between_two_looks_counts() {
        let mut high = HighWater::default();
        assert!(!high.ebbed(40 * MIB, 0));
        assert!((0..4).any(|_| high.ebbed(0, 0)));
    }

    #[test]
    fn memory_is_given_back_once_when_what_is_held_has_fallen_by_half_and_stays_low() {
        assert_eq!(ebbs(&[40, 20, 20, 20, 20, 20, 20, 20]), [5]);
        assert_eq!(ebbs(&[40, 20, 19, 18, 30, 20, 19, 18, 17, 16, 15]), [9]);
        assert_eq!(ebbs(&[40, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]), [5]);
    }

    #[test]
    fn it_is_given_back_once_more_for_those_who_end_late() {
        let mut held = vec![40];
        held.extend([1; 200]);
        assert_eq!(ebbs(&held), [5, 54]);
    }

    #[test]
    fn ordinary_ups_and_downs_and_small_amounts_give_nothing_back() {
        assert_eq!(ebbs(&[40, 21, 40, 21, 21, 21, 21, 21, 21]), [0; 0]);
        assert_eq!(ebbs(&[40, 0, 40, 0, 0, 40, 0, 0, 0, 0, 40]), [0; 0]);
        assert_eq!(ebbs(&[3, 0, 0, 0, 0, 0, 0, 0]), [0; 0]);
    }

    #[test]
    fn asking_for_it_harms_nobody() {
        let kept = vec![7_u8; 1 << 20];
        give_back();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
