//! The one place that spawns tasks, so that what runs beside a request can be found by one search.

use std::future::Future;

use crate::log::{self, Level};

/// Runs a loop that lives as long as the process. When it ends all the same, by a panic or by a mistake, that is an event
/// and `ended` is called: readiness must not stay green over a proxy that no longer probes or reloads.
pub fn spawn_loop(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
    ended: impl FnOnce() + Send + 'static,
) {
    spawn(async move {
        let outcome = match tokio::spawn(task).await {
            Ok(()) => "returned",
            Err(error) if error.is_cancelled() => return, // the runtime is stopping
            Err(_) => "panicked",
        };
        log::event(
            Level::Error,
            "loop_ended",
            &[("loop", name), ("how", outcome)],
        );
        ended();
    });
}

/// Runs `task` on this worker's runtime. A panic in it ends this task alone; the panic hook reports it.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
