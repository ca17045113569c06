//! Local processes as the endpoints of their pool: in when they listen, ready when the pool's probe says so, out before
//! they are told to stop. Whoever keeps them is told what the probe says of them.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    discovery::found::Source,
    provision::{Event, process::Probed},
    registry::Pool,
    tasks::spawn,
};

/// Between two looks whether a replica is ready, or has nothing left to do.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks which replicas do not answer: shorter than the pause after an attempt to wake the pool (750 ms), so
/// that none that was given up is missed.
const SILENCE_LOOK: Duration = Duration::from_millis(500);

/// Carries what happens to the replicas into the pool, until the last of them is gone.
pub(super) async fn follow(
    pool: Arc<Pool>,
    mut events: mpsc::Receiver<Event>,
    probed: mpsc::Sender<Probed>,
    stopping: CancellationToken,
) {
    let mut replicas = Replicas {
        pool,
        probed,
        stopping,
        serving: BTreeMap::new(),
        attempts: BTreeMap::new(),
        has_failed: false,
    };
    let mut looks = interval(SILENCE_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => replicas.follow(event),
                None => return,
            },
            _ = looks.tick(), if !replicas.serving.is_empty() => replicas.tell_silent(),
        }
    }
}

/// The replicas of a pool, and whom it concerns what happens to them.
struct Replicas {
    pool: Arc<Pool>,
    probed: mpsc::Sender<Probed>,
    stopping: CancellationToken,
    serving: BTreeMap<u32, SocketAddr>,
    /// The attempt to wake the pool that was the last one when each replica was started.
    attempts: BTreeMap<u32, u64>,
    has_failed: bool,
}

impl Replicas {
    fn follow(&mut self, event: Event) {
        match event {
            Event::Listening { replica, address } => {
                self.serving.insert(replica, address);
                self.tell_pool();
                let (pool, probed) = (self.pool.clone(), self.probed.clone());
                spawn(wait_ready(pool, address, replica, probed));
            }
            Event::Draining {
                replica,
                address,
                idle,
            } => {
                self.serving.remove(&replica);
                self.tell_pool();
                let (pool, stopping) = (self.pool.clone(), self.stopping.clone());
                spawn(wait_idle(pool, address, idle, stopping));
            }
            Event::Starting { replica, .. } => {
                self.attempts.insert(replica, self.pool.attempt());
            }
            // The end of that replica is the next that is told.
            Event::Failed { .. } => self.has_failed = true,
            Event::Exited { replica, .. } => {
                let attempt = self.attempts.remove(&replica).unwrap_or_default();
                if std::mem::take(&mut self.has_failed) {
                    self.pool.start_failed(attempt);
                }
                if self.serving.remove(&replica).is_some() {
                    self.tell_pool();
                }
            }
            Event::Acknowledged { .. } => {}
        }
    }

    fn tell_pool(&self) {
        let endpoints = self.serving.values().copied().collect();
        // None: the pool has another source by now, and these replicas are on their way out.
        let _ = self.pool.found(&Source::Processes, endpoints);
    }

    /// Tells whoever keeps the replicas which of them do not answer.
    fn tell_silent(&self) {
        let silent = self.pool.silent();
        if silent.is_empty() {
            return;
        }
        let failed_a_wake = self.pool.wake_timed_out();
        for (address, lasting) in silent {
            let mut serving = self.serving.iter();
            let Some((&replica, _)) = serving.find(|(_, known)| **known == address) else {
                continue;
            };
            // Full: the next look says it again. Waiting here would be waiting for who waits to tell us something.
            let _ = self.probed.try_send(Probed::Silent {
                replica,
                lasting,
                failed_a_wake,
            });
        }
    }
}

/// Ends when the replica answers its probe, or is gone.
async fn wait_ready(
    pool: Arc<Pool>,
    address: SocketAddr,
    replica: u32,
    probed: mpsc::Sender<Probed>,
) {
    loop {
        match pool.starts_at(address) {
            Some(true) => sleep(LOOK).await,
            Some(false) => {
                let _ = probed.send(Probed::Ready { replica }).await; // nobody keeps replicas any more
                return;
            }
            None => return,
        }
    }
}

/// When the process stops its requests are over, or have had their time.
async fn wait_idle(
    pool: Arc<Pool>,
    address: SocketAddr,
    mut idle: oneshot::Sender<()>,
    stopping: CancellationToken,
) {
    let empty = async {
        while !pool.is_idle(address) {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = empty => {}
        () = stopping.cancelled() => {}
        () = idle.closed() => {}
    }
    let _ = idle.send(());
}
