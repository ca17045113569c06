//! Every decision of Schleuse, as plain functions of plain values.
//!
//! Nothing here reads a clock, waits for a lock, draws a random number or knows a socket: time, randomness and
//! addresses are arguments. So a whole launch day runs in seconds of simulation over the same code that runs the proxy.
//!
//! Who a request belongs to: [`key`] and [`level`] (which office), [`register`] (which places exist), [`path`] and
//! [`host`] (what may be read from a request), [`identify`] (service, tenant and pool of one request). When the proxy
//! answers by itself: [`refusal`].

pub mod key;
pub mod level;
pub mod refusal;
pub mod time;

pub use key::{Ags, KeyError, RegionalKey, TenantId};
pub use level::Level;
pub use refusal::{CitizenText, Refusal};
pub use time::Timestamp;
