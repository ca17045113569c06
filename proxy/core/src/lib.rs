//! Every decision of Schleuse, as plain functions of plain values.
//!
//! Nothing here reads a clock, waits for a lock, draws a random number or knows a socket: time, randomness and
//! addresses are arguments. So a whole launch day runs in seconds of simulation over the same code that runs the proxy.
//!
//! Who a request belongs to: [`key`] and [`level`] (which office), [`register`] (which places exist), [`path`] and
//! [`host`] (what may be read from a request), [`routes`] and [`identify`] (service, tenant and pool of one request).
//! When the proxy answers by itself: [`refusal`].

pub mod host;
pub mod identify;
pub mod key;
pub mod level;
pub mod path;
pub mod refusal;
pub mod register;
pub mod routes;
pub mod slug;
pub mod time;

mod request_key;

pub use identify::{Facts, Identified, NotIdentified, Way};
pub use key::{Ags, KeyError, RegionalKey, TenantId};
pub use level::Level;
pub use refusal::{CitizenText, Refusal};
pub use register::{Register, RegisterProblem, Row};
pub use routes::{PoolIndex, Routes, RoutesBuilder, RoutesProblem, ServiceIndex, TenantFrom};
pub use time::Timestamp;
