//! Every decision of Schleuse, as plain functions of plain values.
//!
//! Nothing here reads a clock, waits for a lock, draws a random number or knows a socket: time, randomness and
//! addresses are arguments. So a whole launch day runs in seconds of simulation over the same code that runs the proxy.
//!
//! Who a request belongs to: [`key`] and [`level`] (which office), [`register`] (which places exist), [`path`] and
//! [`host`] (what may be read from a request), [`routes`] and [`identify`] (service, tenant and pool of one request).
//! When the proxy answers by itself: [`refusal`].
//!
//! Where a request goes: [`pool`] (read first) admits and chooses in one event; [`endpoint`] is what it
//! knows, [`ejection`], [`health`], [`retry`] and `connect_pause` are what it decides by, with the load in `balance`,
//! `ewma` and `slow_start`; [`affinity`] is how a session finds its endpoint again. Whose turn it is when a seat comes free: `queue`;
//! how often a tenant may ask: [`rate`]; this process's part of a limit: `fraction`.
//!
//! How a pool that sleeps is woken, and what those who wait are told meanwhile: [`activation`]. How many replicas a pool
//! should have: [`scale`].

pub mod activation;
pub mod affinity;
mod balance;
mod connect_pause;
pub mod ejection;
pub mod endpoint;
mod ewma;
mod fraction;
pub mod health;
pub mod host;
pub mod identify;
pub mod key;
pub mod level;
pub mod path;
pub mod pool;
mod queue;
pub mod rate;
pub mod refusal;
pub mod register;
mod request_key;
pub mod retry;
mod ring;
pub mod routes;
pub mod scale;
mod slow_start;
pub mod slug;
pub mod time;
mod window;

pub use activation::{
    ActivationPolicy, ActivationView, ColdStart, PoolPhase, WakeFailure, WakeNews,
};
pub use ejection::EjectionPolicy;
pub use endpoint::{EndpointId, EndpointView, Mode};
pub use fraction::Fraction;
pub use health::{HealthChange, HealthPolicy};
pub use identify::{Facts, Identified, NotIdentified, Way};
pub use key::{Ags, KeyError, RegionalKey, TenantId};
pub use level::Level;
pub use pool::{
    Admission, Arrival, Failure, Grant, Leave, Outcome, PoolPolicy, PoolState, PoolTotals, Refused,
    Requeued, Retry, SeatTimes, Slot, Stream, Terms, Waiting,
};
pub use queue::{
    flow::FlowKey,
    policy::{FairBy, QueuePolicy},
    ticket::{Class, Ticket},
    view::{FlowView, QueueView},
};
pub use rate::{ArrivalTime, Quota, SharedRate};
pub use refusal::{CitizenText, Language, Refusal, Words};
pub use register::{Register, RegisterProblem, Row};
pub use retry::RetryPolicy;
pub use routes::{
    PoolIndex, Routes, RoutesBuilder, RoutesProblem, ServiceIndex, ServiceSpec, TenantFrom,
    TenantSpec,
};
pub use time::Timestamp;
