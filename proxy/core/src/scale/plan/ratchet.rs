//! What a window has asked for stands until its end: the plan is reckoned from what is learnt on the way, which may come
//! out lower a moment later, and what was announced must not go because of that.

use super::Need;

/// The most that a window has asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratchet {
    most: u32,
}

impl Ratchet {
    /// What is to be ordered when the plan asks for `asked` now and the pool may have `max` replicas.
    pub fn hold(&mut self, asked: Need, max: u32) -> Need {
        self.most = if asked.in_window {
            self.most.max(asked.replicas).min(max)
        } else {
            0
        };
        Need {
            replicas: self.most,
            ..asked
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_counts_again_only_after_the_window() {
        let mut ratchet = Ratchet::default();
        let mut hold = |replicas, in_window| {
            let asked = Need {
                replicas,
                in_window,
            };
            ratchet.hold(asked, 10).replicas
        };
        let asked_for = [
            hold(7, true),
            hold(3, true),
            hold(12, true),
            hold(0, false),
            hold(3, true),
        ];
        assert_eq!(asked_for, [7, 7, 10, 0, 3]);
    }
}
