//! Ctrl-C, SIGTERM and a closed terminal end a demo in order; a second one at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

/// Exit code of a demo that was interrupted: 128 + SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// Whether a signal came.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on, on a thread of its own.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn listen() -> io::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ]
        };
        let flag = came.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(any(&mut signals));
                flag.store(true, Relaxed);
                runtime.block_on(any(&mut signals));
                // Children follow by their parent-death signal.
                std::process::exit(i32::from(EXIT_CODE));
            })?;
        Ok(Self(came))
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.0.load(Relaxed)
    }
}

async fn any([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
