//! What may be concluded from the figures of a run, and how surely. Pure: no clock, no IO, no global randomness.
//!
//! | module | answers |
//! |---|---|
//! | [`percentile`] | a percentile with its interval, as `≥` when censored, or not at all when there are too few values |
//! | [`fairness`] | who got less than their entitlement: max-min entitlement, Jain's index, Lorenz curve |
//! | [`survival`] | how patient citizens were, when most were answered before they could lose patience |
//! | [`bootstrap`] | the interval of a mean of few rounds (`BCa`) |
//! | [`normal`] | the normal distribution, as the others need it |

pub mod bootstrap;
pub mod fairness;
pub mod normal;
pub mod percentile;
pub mod survival;

pub use fairness::{Fairness, Share};
pub use percentile::Percentile;
