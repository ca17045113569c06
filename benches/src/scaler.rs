//! KEDA's external scaler under the load of ten thousand objects: how long calls take while all streams are open on one
//! connection, and what the process weighs.
//!
//! The server is the product's own code in a process of its own on the proxies' core, with signals that change four times a
//! second as the recommender's do; the client is a bare HTTP/2 client, which costs the load's core less than a gRPC library.

mod client;
pub mod server;

use std::{env, time::Duration};

use crate::{
    Outcome,
    compare::count,
    figure::{Figure, Unit},
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address},
    procfs::anonymous_bytes,
    statistics::quantile,
};

/// How much is opened, and how long calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Two streams each.
    pub(crate) pools: usize,
    pub(crate) time: Duration,
}

/// Calls of ten thousand objects that are polled every ten seconds, three for each poll.
const CALLS_PER_SECOND: u32 = 3_000;
/// Microseconds at the 99th percentile.
const LATENCY_GOAL: f64 = 5_000.0;
/// MiB.
const MEMORY_GOAL: f64 = 256.0;

/// Latency and memory.
///
/// # Errors
///
/// When a stream or a call fails.
pub(crate) fn measure(size: Size) -> Outcome<Vec<Figure>> {
    let address = free_address()?;
    let pools = size.pools.to_string();
    let program = env::current_exe()?.display().to_string();
    let command = [
        program,
        "serve-scaler".to_owned(),
        address.to_string(),
        pools,
    ];
    let server = Peer::start("scaler", PROXY_CORE, address, &command, Settings::default())?;
    let before = anonymous_bytes(server.pid())?;
    let cpu = || server.cpu_time();
    let mut seen = client::run(address, size, CALLS_PER_SECOND, &cpu)?;
    let streams = 2 * size.pools;
    let memory = anonymous_bytes(server.pid())?;
    let mebibytes = |bytes: u64| count(bytes) / 1024.0 / 1024.0;
    let per_stream = count(memory.saturating_sub(before)) / 1024.0 / count(u64::try_from(streams)?);
    let latencies = &mut seen.latencies_micros;
    let what =
        format!("Scaler: {CALLS_PER_SECOND} calls/s beside {streams} streams on one connection");
    Ok(vec![
        Figure::value(format!("{what}, p99"), Unit::Microseconds, quantile(latencies, 0.99))
            .at_most(LATENCY_GOAL)
            .beside(format!(
                "p50 {:.0} µs, worst {:.0} µs of {} calls; {:.0} % of a core; {} messages pushed meanwhile",
                quantile(latencies, 0.5),
                quantile(latencies, 1.0),
                latencies.len(),
                seen.cpu_share * 100.0,
                seen.pushed
            )),
        Figure::value("The same, memory", Unit::Mebibytes, mebibytes(memory))
            .at_most(MEMORY_GOAL)
            .beside(format!(
                "{:.1} MiB before the first stream; {per_stream:.2} KiB per stream",
                mebibytes(before)
            )),
    ])
}
