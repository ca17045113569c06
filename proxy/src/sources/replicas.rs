//! Local processes as the endpoints of their pool: in when they listen, ready when the pool's probe says so, out before
//! they are told to stop.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{discovery::found::Source, provision::Event, registry::Pool, tasks::spawn};

/// Between two looks whether a replica is ready, or has nothing left to do.
const LOOK: Duration = Duration::from_millis(20);

/// Carries what happens to the replicas into the pool, until the last of them is gone.
pub(super) async fn follow(
    pool: Arc<Pool>,
    mut events: mpsc::Receiver<Event>,
    ready: mpsc::Sender<u32>,
    stopping: CancellationToken,
) {
    let mut serving: BTreeMap<u32, SocketAddr> = BTreeMap::new();
    // The attempt to wake the pool that was the last one when each replica was started.
    let mut attempts: BTreeMap<u32, u64> = BTreeMap::new();
    let mut has_failed = false;
    while let Some(event) = events.recv().await {
        match event {
            Event::Listening { replica, address } => {
                serving.insert(replica, address);
                tell(&pool, &serving);
                spawn(wait_ready(pool.clone(), address, replica, ready.clone()));
                continue;
            }
            Event::Draining {
                replica,
                address,
                idle,
            } => {
                serving.remove(&replica);
                tell(&pool, &serving);
                spawn(wait_idle(pool.clone(), address, idle, stopping.clone()));
                continue;
            }
            Event::Starting { replica, .. } => {
                attempts.insert(replica, pool.attempt());
                continue;
            }
            // The end of that replica is the next that is told.
            Event::Failed { .. } => {
                has_failed = true;
                continue;
            }
            Event::Exited { replica, .. } => {
                let attempt = attempts.remove(&replica).unwrap_or_default();
                if std::mem::take(&mut has_failed) {
                    pool.start_failed(attempt);
                }
                if serving.remove(&replica).is_none() {
                    continue;
                }
            }
            Event::Acknowledged { .. } => continue,
        }
        tell(&pool, &serving);
    }
}

fn tell(pool: &Pool, serving: &BTreeMap<u32, SocketAddr>) {
    // None: the pool has another source by now, and these replicas are on their way out.
    let _ = pool.found(&Source::Processes, serving.values().copied().collect());
}

/// Ends when the replica answers its probe, or is gone.
async fn wait_ready(pool: Arc<Pool>, address: SocketAddr, replica: u32, ready: mpsc::Sender<u32>) {
    loop {
        match pool.starts_at(address) {
            Some(true) => sleep(LOOK).await,
            Some(false) => {
                let _ = ready.send(replica).await; // nobody keeps replicas any more
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
