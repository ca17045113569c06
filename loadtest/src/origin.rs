//! `launchday origin`: a real backend for tests, whose behaviour is known because it was asked for.
//!
//! It draws how long each request takes and says so in the answer, works on so many at once and gets slower beyond, starts
//! cold, freezes and crashes on command, and counts by itself what it received and sent, so that a generator's figures can
//! be compared with the truth. A request is taken like this:
//!
//! | step | module |
//! |---|---|
//! | accept, HTTP/1.1 and HTTP/2 without TLS, life and death of connections | `listen` |
//! | read the body to its end, wait while frozen | `serve` |
//! | a seat, or a place in line; slower when many wait | `seats` |
//! | the drawn service time, to 0.1 ms | [`Distribution`](crate::distribution::Distribution), `timer` |
//! | status, size and type as asked by the query | `wish`, `body`; `websocket` for an upgrade |
//! | counts per tenant, step, status and bytes; a histogram | [`tally`] |
//! | commands on a port of its own | `control` |

mod body;
pub mod command;
mod control;
mod listen;
mod seats;
mod serve;
mod settings;
pub mod tally;
#[cfg(test)]
mod tests;
mod timer;
mod websocket;
mod wish;

pub use listen::{Ended, Running, start};
pub use settings::Settings;

/// Field of a request: the citizen's number, by which its service time is drawn.
pub const CITIZEN: &str = "launchday-citizen";

/// Field of a request: the step's number, by which its service time is drawn and it is counted.
pub const STEP: &str = "launchday-step";

/// Field of a request: the tenant's key, by which it is counted. `Schleuse-Tenant`, which the proxy sets, will do as well.
pub const TENANT: &str = "launchday-tenant";

/// Field of an answer: the drawn service time in nanoseconds, before any slowing down.
pub const SERVICE: &str = "launchday-service-ns";
