//! Schleuse, the adapter: sockets, TLS, files, signals and HTTP around the decisions of `schleuse-core`.
//!
//! Read [`gateway`] first: it is the pipeline of one request. `docs/architecture.md` is the map.

pub mod access_log;
pub mod admin;
pub mod admin_view;
pub mod affinity;
pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod context;
pub mod control;
pub mod deadlines;
pub mod demo;
pub mod discovery;
pub mod edge;
pub mod exchange;
pub mod forward;
pub mod forwarding;
pub mod gateway;
pub mod listeners;
pub mod log;
pub mod metrics;
pub mod outgoing;
pub mod pace;
pub mod pool_metrics;
pub mod prefetch;
pub mod probe;
pub mod provision;
pub mod reference;
pub mod registry;
pub mod reload;
pub mod respond;
pub mod shutdown;
pub mod socket;
pub mod systemd;
pub mod tasks;
pub mod text;
pub mod tls;
pub mod upstream;
pub mod watch;
pub mod worker;
