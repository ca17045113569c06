//! What the pool of endpoints promises, seen through its public events only.
//!
//! `admission`, `endpoints`, `ejection`: single promises, told as stories. `distribution`: who gets how much over
//! minutes of virtual time. `model`: laws that hold after every step of any sequence of events.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

mod admission;
mod distribution;
mod ejection;
mod endpoints;
mod model;
mod support;
