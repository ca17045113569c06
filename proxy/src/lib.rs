//! Schleuse, the adapter: sockets, TLS, files, signals and HTTP around the decisions of `schleuse-core`.
//!
//! Read [`gateway`] first: it is the pipeline of one request. `docs/architecture.md` is the map.

pub mod access_log;
pub mod admin;
pub mod admin_view;
pub mod admit;
pub mod affinity;
pub mod app;
pub mod blocking_client;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod context;
pub mod control;
pub mod deadlines;
pub mod demo;
pub mod edge;
pub mod exchange;
pub mod explain;
pub mod forward;
pub mod forwarding;
pub mod gateway;
pub mod identify;
pub mod listeners;
pub mod log;
pub mod metrics;
pub mod outgoing;
pub mod pace;
pub mod pool_clock;
pub mod prefetch;
pub mod probe;
pub mod reference;
pub mod registry;
pub mod reload;
pub mod respond;
pub mod shutdown;
pub mod sight;
pub mod socket;
pub mod systemd;
pub mod tasks;
pub mod text;
pub mod tls;
pub mod upstream;
pub mod wait;
pub mod watch;
pub mod worker;
