//! What an operator and a client would notice, asked of the real binary. One executable: it links once.
#![expect(
    clippy::unwrap_used,
    reason = "a test that does not get what it needs fails"
)]

mod command_line;
mod continuity;
mod first;
mod reload;
mod reload_swaps;
