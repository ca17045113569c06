//! Keyed hashes of client networks: nobody can choose networks that meet in one cell, and what the table remembers
//! cannot be turned back into addresses once its salt is gone.
//!
//! SipHash-1-3, the keyed hash of Rust's own maps, by the `siphasher` crate: the standard library's draws its keys from a
//! per-thread seed that never changes, so an old salt could be computed again from the memory of a later day.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// How old a salt may grow, nanoseconds.
pub(super) const RENEWAL: u64 = 24 * 3600 * 1_000_000_000;

/// Keys one generation of hashes.
#[derive(Clone, Copy)]
pub(super) struct Salt([u8; 16]);

impl Salt {
    pub(super) fn draw() -> Self {
        let mut salt = [0; 16];
        // Fails only without an entropy source; then the table can be aimed at and is bounded all the same.
        let _ = aws_lc_rs::rand::fill(&mut salt);
        Self(salt)
    }

    /// For a cheaper hash that need not be renewed.
    pub(super) fn fold(&self) -> Fold {
        let [mask, factor] = halves(u128::from_ne_bytes(self.0));
        Fold { mask, factor }
    }

    /// Of a network as one service sees it.
    pub(super) fn hash(&self, service: u32, network: u128) -> u64 {
        let mut input = [0; 20];
        input[..16].copy_from_slice(&network.to_ne_bytes());
        input[16..].copy_from_slice(&service.to_ne_bytes());
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&input);
        hasher.finish()
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// A keyed hash by multiplication, a nanosecond instead of twenty: enough where nobody sees its results and a collision
/// costs little, as it does not withstand who can look at many of them.
#[derive(Clone, Copy)]
pub(super) struct Fold {
    mask: u64,
    factor: u64,
}

impl Fold {
    pub(super) fn of(self, word: u64) -> u64 {
        folded(word ^ self.mask, self.factor)
    }

    /// Of both halves in turn: networks that differ in either do not meet by any choice of the other.
    pub(super) fn of_network(self, network: u128) -> u64 {
        let [high, low] = halves(network);
        self.of(self.of(high) ^ low)
    }
}

impl std::fmt::Debug for Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fold(..)")
    }
}

/// Both halves of a product, mixed.
pub(super) fn folded(word: u64, factor: u64) -> u64 {
    let [high, low] = halves(u128::from(word) * u128::from(factor | 1));
    high ^ low
}

#[expect(clippy::cast_possible_truncation, reason = "halves are meant")]
fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}

/// The salt in use, and the one before as long as something that counts lies under it.
#[derive(Debug)]
pub(super) struct Salts {
    pub(super) current: Salt,
    previous: Option<(Salt, u64)>,
    renew_at: u64,
}

impl Salts {
    pub(super) fn new(now: u64) -> Self {
        Self {
            current: Salt::draw(),
            previous: None,
            renew_at: now.saturating_add(RENEWAL),
        }
    }

    /// The salt under which live state may still lie.
    pub(super) fn previous(&self) -> Option<Salt> {
        self.previous.map(|(salt, _)| salt)
    }

    /// Draws a new salt when the present one is a day old. `written_until`: when all that lies under it has ceased to
    /// count. While something counts under the one before, a renewal waits: two have to be looked for, never three.
    pub(super) fn advance(&mut self, now: u64, written_until: u64) {
        if self.previous.is_some_and(|(_, until)| until <= now) {
            self.previous = None;
        }
        if self.renew_at <= now && self.previous.is_none() {
            *self = Self {
                previous: Some((self.current, written_until)),
                ..Self::new(now)
            };
        }
    }

    /// State under the previous salt counts until then.
    pub(super) fn keep_previous(&mut self, until: u64) {
        if let Some((_, kept)) = &mut self.previous {
            *kept = until.max(*kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_lives_a_day_and_is_found_until_what_it_hid_has_ceased_to_count() {
        let mut salts = Salts::new(0);
        let first = salts.current.hash(1, 2);
        salts.advance(RENEWAL - 1, RENEWAL + 5);
        assert_eq!(salts.current.hash(1, 2), first);
        salts.advance(RENEWAL, RENEWAL + 5);
        assert_ne!(salts.current.hash(1, 2), first);
        assert_eq!(salts.previous().unwrap().hash(1, 2), first);
        salts.keep_previous(RENEWAL + 9);
        salts.advance(RENEWAL + 8, RENEWAL + 9);
        assert!(salts.previous().is_some());
        salts.advance(RENEWAL + 9, RENEWAL + 9);
        assert!(salts.previous().is_none());
    }

    #[test]
    fn a_salt_is_not_forgotten_before_its_state_even_when_the_next_is_due() {
        let mut salts = Salts::new(0);
        let first = salts.current.hash(1, 2);
        salts.advance(RENEWAL, 3 * RENEWAL);
        salts.advance(2 * RENEWAL, 3 * RENEWAL);
        assert_eq!(salts.previous().unwrap().hash(1, 2), first);
    }

    #[test]
    fn networks_that_differ_in_either_half_do_not_meet_by_choice_of_the_other() {
        let fold = Salt::draw().fold();
        let victim = 0x2001_0db8_u128 << 96 | 7;
        // What the exclusive or of the halves cannot tell apart: an attacker chooses the lower half of its address.
        let high = 0x2001_0db8_u128 << 32 | 1;
        let attacker = high << 64 | (high ^ (victim >> 64) ^ 7);
        assert_ne!(fold.of_network(victim), fold.of_network(attacker));
        assert_eq!(fold.of_network(victim), fold.of_network(victim));
        assert_ne!(
            fold.of_network(victim),
            Salt::draw().fold().of_network(victim)
        );
    }
}
