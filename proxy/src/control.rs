//! The thread beside the workers: admin listener, health probes, reloads by signal and by file.
//!
//! One pingora service on a runtime of its own, so that none of this ever waits for traffic or makes traffic wait.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    time::{Duration, sleep},
};

use crate::{
    admin::Admin,
    alarm, autoscale,
    connection::{self, ConnectionInfo},
    deadlines::Deadlines,
    edge::Edge,
    log::{self, Level},
    probe, readiness,
    reload::Reloader,
    socket::Socket,
    sources, systemd,
    tasks::{spawn, spawn_loop},
    watch,
};

/// Runs everything that is not traffic.
#[derive(Debug)]
pub struct Control {
    /// The proxy.
    pub edge: Arc<Edge>,
    /// Reloads.
    pub reloader: Arc<Reloader>,
    /// Bound before the start, so that a port in use is an error then.
    pub admin: Option<std::net::TcpListener>,
    /// Told when a signal to stop is waited for.
    pub armed: Arc<Notify>,
}

#[async_trait]
impl Service for Control {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _per_fd: usize,
    ) {
        if let Some(listener) = self.admin.take() {
            match TcpListener::from_std(listener) {
                Ok(listener) => spawn(serve_admin(
                    listener,
                    Arc::new(Admin::new(self.edge.clone(), self.reloader.clone())),
                )),
                Err(error) => log::event(
                    Level::Error,
                    "admin_failed",
                    &[("error", &error.to_string())],
                ),
            }
        }
        let (edge, reloader) = (&self.edge, &self.reloader);
        let broken = || {
            let edge = edge.clone();
            move || edge.break_down()
        };
        spawn_loop("pool_clock", edge.registry.clock().run(), broken());
        spawn_loop("alarm", alarm::run(edge.clone()), broken());
        spawn_loop("autoscale", autoscale::run(edge.clone()), broken());
        spawn_loop("probe", probe::run(edge.clone()), broken());
        spawn_loop("readiness", readiness::run(edge.clone()), broken());
        spawn_loop("sources", sources::run(edge.clone()), broken());
        spawn_loop("watch", watch::run(reloader.clone()), broken());
        // A signal without a handler ends the process, so nobody is told of readiness before both are there.
        match signal(SignalKind::hangup()) {
            Ok(hangups) => spawn_loop(
                "hangup",
                reload_on_hangup(hangups, reloader.clone()),
                broken(),
            ),
            Err(error) => log::event(
                Level::Error,
                "signals_unavailable",
                &[("error", &error.to_string())],
            ),
        }
        self.armed.notified().await;
        systemd::notify("READY=1");
        log::event(Level::Info, "ready", &[]);
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &'static str {
        "control"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

async fn reload_on_hangup(mut hangups: Signal, reloader: Arc<Reloader>) {
    while hangups.recv().await.is_some() {
        let reloader = reloader.clone();
        let _ = tokio::task::spawn_blocking(move || reloader.reload("SIGHUP")).await;
    }
}

async fn serve_admin(listener: TcpListener, admin: Arc<Admin>) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let deadlines = Arc::<Deadlines>::default();
                let info = ConnectionInfo {
                    peer,
                    listener: address,
                    tls: None,
                    first_request: true,
                };
                spawn(connection::task(
                    Socket::new(tcp),
                    info,
                    deadlines,
                    admin.clone(),
                ));
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}
