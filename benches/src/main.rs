//! Command line of the benchmarks.

use std::{io::Write as _, net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use schleuse_benches::{
    held_in_memory,
    instructions::{self, Which},
    run::{self, Measurement},
    scaler,
    wake::{hold_process, late_backend},
};

/// As in the product, whose memory the processes of `serve-scaler`, `hold-in-memory` and `hold-cold` stand for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of Schleuse.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Schleuse beside nginx and HAProxy; writes benches/BASELINE.md. HAPROXY, NGINX, ENVOY, CADDY and SCHLEUSE in the
    /// environment name other builds.
    SideBySide {
        /// Few and short rounds: to see that everything works, not to judge.
        #[arg(long)]
        quick: bool,
        /// Only these measurements.
        #[arg(long, value_enum)]
        only: Vec<Measurement>,
    },
    /// The process that `--only scaler` measures.
    #[command(hide = true)]
    ServeScaler {
        /// Where it listens.
        address: SocketAddr,
        /// How many pools there are.
        pools: usize,
    },
    /// A backend of `--only wake`.
    #[command(hide = true)]
    ServeLate {
        /// Of loopback.
        port: u16,
        /// Until it listens.
        #[arg(long)]
        delay_millis: u64,
    },
    /// The process of `--only wake` in which requests wait for cold pools.
    #[command(hide = true)]
    HoldCold {
        /// Of all endpoints.
        port: u16,
        /// How many wait over sockets.
        sockets: usize,
        /// How many wait.
        number: usize,
    },
    /// Identifies one tenant many times, for counters of instructions.
    Identify {
        /// Which tenant of the register.
        which: Which,
        /// How often.
        #[arg(long, default_value_t = 1_000)]
        rounds: u32,
    },
    /// The process that `--only held` measures: holds requests without sockets; prints KiB of each, and milliseconds until all were gone.
    #[command(hide = true)]
    HoldInMemory {
        /// How many.
        number: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::SideBySide { quick, only } => run::side_by_side(quick, &only),
        Command::ServeScaler { address, pools } => scaler::server::serve(address, pools),
        Command::ServeLate { port, delay_millis } => {
            late_backend::serve(port, Duration::from_millis(delay_millis)).map(|()| true)
        }
        Command::HoldCold {
            port,
            sockets,
            number,
        } => hold_process::hold(port, sockets, number).map(|()| true),
        Command::Identify { which, rounds } => instructions::identify(which, rounds).map(|()| true),
        Command::HoldInMemory { number } => held_in_memory::hold(number).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            // Nothing is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "schleuse-benches: {problem}");
            ExitCode::FAILURE
        }
    }
}
