//! What the black-box tests stand on: the real binary between a client and backends that do what a script says.
//!
//! Nothing here shares code with the product. A parser of our own reads what comes out on either side, so that a mistake
//! in the product's parser cannot hide itself. Threads and blocking sockets: what a test does is read from top to bottom.
//! Whatever is waited for has a bound ([`PATIENCE`]); nothing waits a fixed time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do what the test asks for fails that test"
)]

pub mod authority;
pub mod binary;
pub mod client;
pub mod edge;
pub mod gate;
pub mod lines;
pub mod load;
pub mod message;
pub mod metrics;
pub mod name_server;
pub mod origin;
pub mod running;
pub mod turnstile;
pub mod volume;
pub mod wall_clock;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use authority::{Authority, Pair};
pub use client::Client;
pub use edge::Edge;
pub use gate::Gate;
pub use load::Load;
pub use message::{Request, Response};
pub use name_server::{Manner, NameServer};
pub use origin::{Conversation, Origin};
pub use running::RunningEdge;
pub use turnstile::Turnstile;
pub use volume::Volume;
pub use wall_clock::WallClock;

/// How long anything may take that a test waits for. Generous: a loaded machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, looking again and again.
///
/// # Panics
///
/// After [`PATIENCE`], with `what`.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "did not come true: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
