//! Keys, register and identification against the official register: one executable, so that it is linked once.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]

mod contradictions;
mod laws;
mod official_register;
mod own_hosts;
mod register_problems;
mod routes_problems;
mod support;
mod ways;
