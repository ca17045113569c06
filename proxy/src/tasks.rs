//! The one place that spawns tasks, so that what runs beside a request can be found by one search.

use std::future::Future;

/// Runs `task` on this worker's runtime. A panic in it ends this task alone; the panic hook reports it.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
