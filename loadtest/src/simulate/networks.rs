//! From which client networks citizens come: a distribution that the operator declares, since nobody can know it.
//!
//! A share of the citizens comes through so many shared addresses (mobile operators, schools, offices), drawn evenly; each
//! of the others has an address of its own. Both limits of client networks follow: their rate (`limits.client`, here by the
//! core's arithmetic, which the proxy's table of networks has as well), and their share of a queue's places.

use std::{cell::RefCell, str::FromStr};

use rustc_hash::FxHashMap;
use schleuse_core::{ArrivalTime, Quota, Timestamp};

use crate::draw::{Purpose, Stream};

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Networks {
    /// Part of the citizens, 0–1, that share addresses.
    pub shared_share: f64,
    /// How many addresses they share.
    pub shared: u32,
}

impl Default for Networks {
    /// Everybody has an address of their own.
    fn default() -> Self {
        Self {
            shared_share: 0.0,
            shared: 1,
        }
    }
}

impl Networks {
    /// All from one address, as a load generator does.
    pub const ONE: Self = Self {
        shared_share: 1.0,
        shared: 1,
    };
}

impl FromStr for Networks {
    type Err = String;

    /// `30% of 2000`: so many of the citizens share so many addresses.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no share of addresses; write as 30% of 2000");
        let (share, shared) = text.split_once(" of ").ok_or_else(wrong)?;
        let percent = share.trim().strip_suffix('%').ok_or_else(wrong)?;
        let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
        let shared: u32 = shared.trim().parse().map_err(|_| wrong())?;
        if !(0.0..=100.0).contains(&percent) || shared == 0 {
            return Err(wrong());
        }
        Ok(Self {
            shared_share: percent / 100.0,
            shared,
        })
    }
}

/// One citizen's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    /// Names it to the queue.
    pub(super) key: u64,
    /// Its number among the shared ones; none: the citizen's own.
    shared: Option<u32>,
}

impl Networks {
    /// Whose network citizen `number` comes through; the same at each request.
    pub(super) fn of(&self, seed: u64, number: u64) -> Network {
        let mut stream = Stream::new(seed, number, Purpose::Network);
        let own = stream.next();
        if self.shared_share <= 0.0 || stream.unit() >= self.shared_share {
            return Network {
                key: own,
                shared: None,
            };
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below the number of addresses"
        )]
        let shared = (stream.unit() * f64::from(self.shared)) as u32;
        Network {
            key: shared.into(),
            shared: Some(shared),
        }
    }
}

/// What the shared networks have used of their rates, by service. A citizen's own network is remembered with the citizen.
#[derive(Debug, Default)]
pub(super) struct SharedRates(RefCell<FxHashMap<(u32, u32), ArrivalTime>>);

impl SharedRates {
    /// Takes one request out of a network's rate at a service; `own` is what the citizen's own network has used.
    ///
    /// # Errors
    ///
    /// When the next one passes.
    pub(super) fn take(
        &self,
        (service, network): (u32, Network),
        own: &mut ArrivalTime,
        quota: &Quota,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        match network.shared {
            None => own.take(quota, now),
            Some(shared) => {
                let mut rates = self.0.borrow_mut();
                rates.entry((service, shared)).or_default().take(quota, now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_share_an_address_as_was_declared() {
        let networks: Networks = "30% of 20".parse().unwrap();
        let mut users = [0_u32; 20];
        for citizen in 0..40_000 {
            let network = networks.of(1, citizen);
            assert_eq!(network, networks.of(1, citizen), "at each request");
            if let Some(shared) = network.shared {
                users[shared as usize] += 1;
            }
        }
        assert!(
            users.iter().all(|users| (500..700).contains(users)),
            "{users:?}"
        );
    }

    #[test]
    fn without_a_declaration_nobody_shares_an_address() {
        let networks = Networks::default();
        let keys: std::collections::HashSet<_> = (0..10_000)
            .map(|citizen| networks.of(1, citizen).key)
            .collect();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn what_is_no_share_of_addresses_is_refused() {
        for text in ["", "30%", "30 of 20", "130% of 20", "30% of 0", "x% of y"] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
    }
}
