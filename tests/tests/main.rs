//! What an operator and a client would notice, asked of the real binary. One executable: it links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, too, fail by panicking"
)]

mod admin_api;
mod backend_faults;
mod backend_retries;
mod bodies;
mod command_line;
mod continuity;
mod first;
mod identify;
mod one_service;
mod protocol;
mod reload;
mod reload_swaps;
mod slow_clients;
mod streaming;
mod vector_file;
mod vectors;
mod websocket;
