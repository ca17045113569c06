//! What Schleuse costs, beside what others cost: the side-by-side run and the inputs of the micro-benchmarks.
//!
//! The machine is noisy and different everywhere, so nothing here is judged as an absolute time. Peers alternate in one
//! run, each pair gives one ratio, and the median of the ratios is judged with its bootstrap interval beside it. Read
//! [`run`] first: it is the list of what is measured.

mod autoscaling;
mod backend;
mod certificate;
mod compare;
mod context;
mod delay_backend;
mod envoy_caddy;
mod fair_shares;
mod figure;
mod haproxy;
mod held;
pub mod held_in_memory;
mod http;
mod idle;
mod idle_memory;
pub mod inputs;
pub mod instructions;
mod latency;
mod launchday;
mod layers;
mod limit_reloads;
mod machine;
mod mixed_load;
mod neighbour_run;
mod neighbours;
mod nginx;
mod nuisance;
mod open_loop;
mod overload;
mod peer;
mod procfs;
mod queue_lock;
mod reload;
mod reload_watch;
mod report;
mod request_cost;
pub mod run;
pub mod scaler;
mod schleuse;
mod scrape;
mod shared_pool;
mod simulation;
mod statistics;
mod tenant_memory;
pub mod wake;
mod wrk;

/// Any reason why a measurement cannot be had, with words for the person who started it.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;
/// A measurement, or why there is none.
pub type Outcome<T> = Result<T, Problem>;
