//! One result, told to a CI and to a program.
//!
//! Every report begins with the verdict and its reason, shows the generator's own lag beside the target's latency, and
//! takes its numbers from one place ([`digest`], [`quantity`]), so that no two of them disagree.
//!
//! | module | for |
//! |---|---|
//! | [`junit`] | a CI's list of tests: one per threshold |
//! | [`json`] | programs: the result itself |

pub mod digest;
pub mod json;
pub mod junit;
pub mod quantity;
