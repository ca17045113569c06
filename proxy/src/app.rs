//! Wires the parts together and runs them. The only place that registers services.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use pingora_core::server::{
    RunArgs, Server,
    configuration::{Opt, ServerConf},
};
use schleuse_config::Loaded;
use tokio::sync::{Notify, watch};

use crate::{
    control::Control,
    edge::Edge,
    gateway::Gateway,
    listeners::Listeners,
    log::{self, Level},
    metrics::Metrics,
    registry::Registry,
    reload::{Reloader, log_warning},
    scaler::ScalerService,
    shutdown::DrainThenStop,
    upstream::idle,
    worker::Worker,
};

/// More threads than any machine has cores for.
const WORKERS_MAX: usize = 1024;

/// Why the proxy cannot start, in words for an operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Runs the proxy with a loaded config until it is told to stop.
///
/// # Errors
///
/// Before anything is served: a port in use, an unusable certificate.
pub fn run(path: &Path, loaded: Loaded) -> Result<(), StartError> {
    let Loaded {
        snapshot,
        files,
        warnings,
    } = loaded;
    let workers = workers(snapshot.workers)?;
    log::start().map_err(StartError::new)?;
    report_panics();
    decline_huge_pages();
    warnings.iter().for_each(log_warning);
    let beside = Beside {
        admin: bind("admin", snapshot.admin.as_ref().map(|admin| admin.address))?,
        scaler: bind(
            "scaler",
            snapshot.scaler.as_ref().map(|scaler| scaler.address),
        )?,
    };
    idle::set_workers(workers);
    let edge = Arc::new(
        Edge::new(
            snapshot,
            Registry::new(workers),
            Metrics::new().map_err(StartError::new)?,
        )
        .map_err(StartError::new)?,
    );
    let listeners = Arc::new(Listeners::default());
    let live = edge.live();
    edge.limits.prepare_file_handles(&live.snapshot);
    let opened = listeners.open(&live).map_err(StartError::new)?;
    listeners.adopt(opened, &live).map_err(StartError::new)?;
    drop(live);
    beside.report();
    log::drain(Duration::from_secs(1));
    let reloader = Arc::new(Reloader::new(path, files, edge.clone(), listeners.clone()));
    serve(workers, &edge, &listeners, reloader, beside);
    Ok(())
}

/// The listeners beside the public ones; bound before the start and kept until the end.
struct Beside {
    admin: Option<TcpListener>,
    scaler: Option<TcpListener>,
}

impl Beside {
    fn report(&self) {
        for (name, listener) in [("admin", &self.admin), ("scaler", &self.scaler)] {
            if let Some(address) = listener
                .as_ref()
                .and_then(|listener| listener.local_addr().ok())
            {
                let fields = [("listener", name), ("address", &*address.to_string())];
                log::event(Level::Info, "listening", &fields);
            }
        }
    }
}

fn bind(name: &str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let bind = |address| {
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        listener
            .map_err(|error| StartError(format!("cannot listen on {address} ({name}): {error}")))
    };
    address.map(bind).transpose()
}

fn serve(
    workers: usize,
    edge: &Arc<Edge>,
    listeners: &Arc<Listeners>,
    reloader: Arc<Reloader>,
    beside: Beside,
) {
    // No grace period: `DrainThenStop` has waited for the requests before pingora hears of the signal.
    let conf = ServerConf {
        work_stealing: false,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let leaving = watch::Sender::new(false);
    let armed = Arc::<Notify>::default();
    let handler = Arc::new(Gateway::new(edge.clone()));
    for number in 0..workers {
        server.add_service(Worker {
            number,
            name: format!("worker-{number}"),
            edge: edge.clone(),
            listeners: listeners.clone(),
            handler: handler.clone(),
            leaving: Some(leaving.subscribe()),
        });
    }
    server.add_service(Control {
        edge: edge.clone(),
        reloader,
        admin: beside.admin,
        armed: armed.clone(),
    });
    if beside.scaler.is_some() {
        server.add_service(ScalerService {
            edge: edge.clone(),
            listener: beside.scaler,
            leaving: Some(leaving.subscribe()),
        });
    }
    server.run(RunArgs {
        shutdown_signal: Box::new(DrainThenStop {
            edge: edge.clone(),
            listeners: listeners.clone(),
            leaving,
            armed,
        }),
    });
}

/// `SCHLEUSE_WORKERS`, else the config's, else one per core.
fn workers(configured: Option<usize>) -> Result<usize, StartError> {
    if let Ok(text) = std::env::var("SCHLEUSE_WORKERS") {
        let number = text
            .parse()
            .ok()
            .filter(|number| (1..=WORKERS_MAX).contains(number));
        return number.ok_or_else(|| {
            StartError(format!(
                "SCHLEUSE_WORKERS is {text:?}; write a number from 1 to {WORKERS_MAX}"
            ))
        });
    }
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    Ok(configured.unwrap_or_else(cores).clamp(1, WORKERS_MAX))
}

/// A panic is a fault of ours: one event with its place, no backtrace on the operator's terminal.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        log::event(Level::Error, "panic", &[("message", &panic.to_string())]);
    }));
}

/// Memory in steps of 2 MiB is for programs that fill it; thousands of small, mostly idle connections do not, and each
/// reload and each large transfer would take some of them. Where the kernel cannot, nothing is lost but memory.
pub fn decline_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}
