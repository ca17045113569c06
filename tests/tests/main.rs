//! What an operator and a client would notice, asked of the real binary. One executable: it links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, too, fail by panicking"
)]

mod access_log;
mod admin;
mod admin_api;
mod affinity;
mod alarm;
mod autoscale;
mod backend_faults;
mod backend_retries;
mod bodies;
mod clock_jumps;
mod command_line;
mod continuity;
mod discovery;
mod documents;
mod explain;
mod fair_line;
mod fair_queue;
mod fallback_page;
mod first;
mod flood;
mod full_pool;
mod identify;
mod idle;
mod launches;
mod learnt;
mod limits;
mod limits_reload;
mod metrics;
mod one_service;
mod overload;
mod protocol;
mod provision;
mod queue;
mod queue_leaving;
mod queue_reload;
mod queue_wakeups;
mod reload;
mod reload_swaps;
mod replay;
mod replicas;
mod requeue;
mod scaler;
mod seats;
mod seats_reload;
mod second_look;
mod sight;
mod slow_clients;
mod stopping;
mod streaming;
mod streams;
mod systemd;
mod tenant_rates;
mod tls;
mod tls_clients;
mod tls_swap;
mod vector_file;
mod vectors;
mod wake;
mod wake_orders;
mod wake_probes;
mod websocket;
