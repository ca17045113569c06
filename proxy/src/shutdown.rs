//! Stopping: readiness goes first, then idle connections, then requests as they end, at most `drain_max`.
//!
//! pingora sends its shutdown signal, sleeps a fixed grace period and drops the runtimes; it waits neither for tasks of
//! ours nor for a service. So the signal is held back here until the last exchange has ended: at once when idle
//! (cloudflare/pingora#727). A second signal ends everything.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    edge::Edge,
    listeners::Listeners,
    log::{self, Level},
    systemd,
};

/// Waits for a signal and then for the requests.
#[derive(Debug)]
pub struct DrainThenStop {
    /// The proxy.
    pub edge: Arc<Edge>,
    /// Closed when the workers have let go of them.
    pub listeners: Arc<Listeners>,
    /// Tells the workers, and is dropped by each when it has told its connections.
    pub leaving: watch::Sender<bool>,
    /// Told when signals are waited for.
    pub armed: Arc<Notify>,
}

#[async_trait]
impl ShutdownSignalWatch for DrainThenStop {
    async fn recv(&self) -> ShutdownSignal {
        match Signals::new() {
            Ok(mut signals) => {
                self.armed.notify_one();
                let name = signals.next().await;
                self.drain(name, &mut signals).await;
            }
            Err(error) => log::event(
                Level::Error,
                "signals_unavailable",
                &[("error", &error.to_string())],
            ),
        }
        log::drain(Duration::from_secs(2));
        ShutdownSignal::GracefulTerminate
    }
}

impl DrainThenStop {
    async fn drain(&self, signal: &str, signals: &mut Signals) {
        self.edge.leave();
        log::stop_batching();
        log::event(Level::Info, "stopping", &[("signal", signal)]);
        systemd::notify("STOPPING=1");
        self.leaving.send_replace(true);
        let requests = &self.edge.requests;
        requests.close();
        let ended = async {
            self.leaving.closed().await; // each worker has dealt with what came before the signal
            self.listeners.close();
            requests.wait().await;
        };
        let drain_max = self.edge.live().snapshot.drain_max;
        tokio::select! {
            drained = timeout(drain_max, ended) => if drained.is_err() {
                log::event(Level::Warn, "drain_max_passed", &[("requests", &requests.len().to_string())]);
            },
            name = signals.next() => return log::event(Level::Warn, "stopping_at_once", &[("signal", name)]),
        }
        // Replicas go last: they answered until here, and what was learnt of them must not be lost because one does not
        // end. What is left when this process ends, their guards kill.
        let ended = async {
            self.edge.autoscale.stop().await;
            self.edge.sources.stop().await;
        };
        tokio::select! {
            () = ended => {}
            name = signals.next() => return log::event(Level::Warn, "stopping_at_once", &[("signal", name)]),
        }
        log::event(Level::Info, "stopped", &[]);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}
