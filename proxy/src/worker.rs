//! A worker: one thread with a runtime of its own that accepts for all listeners and serves what it accepted.
//!
//! Accepting, readiness and connection stay on one thread, so a connection never wakes another core. pingora supplies the
//! service, its thread and its runtime; its own listening service is not used because it cannot gain or lose listeners,
//! and because several of them on one address each own the same descriptor.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::Service,
};
use tokio::{
    sync::watch,
    task::{JoinSet, yield_now},
};

use crate::{
    accept::{self, accept, serve_waiting},
    connection::Handler,
    edge::Edge,
    limits,
    listeners::{Bound, Listeners},
    log,
    tasks::spawn,
    upstream::idle,
};

/// How often a worker's log lines are handed over.
const LOG_TICK: Duration = Duration::from_millis(100);

/// One worker.
#[derive(Debug)]
pub struct Worker<H> {
    /// From 0.
    pub number: usize,
    /// For logs and the thread's name.
    pub name: String,
    /// The proxy.
    pub edge: Arc<Edge>,
    /// What to accept from.
    pub listeners: Arc<Listeners>,
    /// What answers.
    pub handler: Arc<H>,
    /// Turns true when the process begins to stop; dropped when this worker has told its connections.
    pub leaving: Option<watch::Receiver<bool>>,
}

#[async_trait]
impl<H: Handler> Service for Worker<H> {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _per_fd: usize,
    ) {
        spawn(idle::sweep(self.number));
        spawn(hand_over_log());
        let (edge, number) = (self.edge.clone(), self.number);
        spawn(async move { limits::watch_punctuality(&edge, number).await });
        let mut listeners = self.listeners.subscribe();
        let Some(mut leaving) = self.leaving.take() else {
            return;
        };
        let mut accepting = Accepting::default();
        loop {
            accepting.follow(
                &listeners.borrow_and_update().clone(),
                &self.edge,
                &self.handler,
            );
            tokio::select! {
                _ = leaving.wait_for(|leaving| *leaving) => break,
                changed = listeners.changed() => if changed.is_err() { break },
                _ = shutdown.changed() => break,
            }
        }
        accepting.end(&self.edge, &self.handler).await;
        accept::end_connections();
        let_connections_run().await; // they end in order, TLS with a close_notify
        log::flush();
        drop(leaving);
        // Requests in flight go on; this runtime lives until they have ended.
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

async fn hand_over_log() {
    let mut tick = tokio::time::interval(LOG_TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        log::flush();
    }
}

/// The accept loops of one worker, by configured address. Dropping one ends it.
#[derive(Debug, Default)]
struct Accepting(HashMap<SocketAddr, (Arc<Bound>, JoinSet<()>)>);

impl Accepting {
    fn follow<H: Handler>(&mut self, wanted: &[Arc<Bound>], edge: &Arc<Edge>, handler: &Arc<H>) {
        self.0.retain(|_, (bound, _)| {
            let stays = wanted.iter().any(|wanted| Arc::ptr_eq(wanted, bound));
            if !stays {
                serve_waiting(bound, edge, handler);
            }
            stays
        });
        for bound in wanted {
            self.0.entry(bound.configured).or_insert_with(|| {
                let mut task = JoinSet::new();
                task.spawn(accept(bound.clone(), edge.clone(), handler.clone()));
                (bound.clone(), task)
            });
        }
    }

    /// Accepts nothing new. Closes this worker's duplicates, nobody else's.
    async fn end<H: Handler>(self, edge: &Arc<Edge>, handler: &Arc<H>) {
        for (bound, mut task) in self.0.into_values() {
            task.shutdown().await;
            serve_waiting(&bound, edge, handler);
        }
        let_connections_run().await; // they begin what has come on them already
    }
}

/// Two turns of the reactor: sockets learn what came, and then every task that is woken runs.
async fn let_connections_run() {
    for _ in 0..2 {
        yield_now().await;
    }
}
