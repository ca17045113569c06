//! What the queue of a pool promises, told as stories through its public events.
//!
//! `order`: whose turn it is. `limits`: rates and requests in flight. `refusals`: who may not wait, and what they are
//! told. `reloads`: what changes under those who wait. `demand`: what replicas are asked for by.
//! `requeue`: endpoints that take no connection, `partial`: that take some. `waking`: pools that sleep. `weights`: weights
//! that change by their whole range. Laws for all inputs are in the tests of `sim`.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

mod demand;
mod limits;
mod order;
mod partial;
mod refusals;
mod reloads;
mod requeue;
mod support;
mod waking;
mod weights;
