//! Life and death of an origin: cold start, connections, crash and coming back, on a thread of its own.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use super::{Settings, control, serve::Origin, tally::Report};
use crate::distribution::Distribution;

const BACKLOG: u32 = 4096;

/// Pause after an accept that failed, usually for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What happens to a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// All connections end at once, and nobody listens; for so long, or for ever.
    Crash(Option<Duration>),
    /// The end that was wanted.
    Stop,
}

/// How an origin ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// It crashed on command and was not to come back.
    Crashed,
}

/// An origin that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it is asked.
    pub address: SocketAddr,
    /// Where it is commanded.
    pub control: Option<SocketAddr>,
    origin: Arc<Origin>,
    events: mpsc::UnboundedSender<Event>,
    thread: Option<JoinHandle<Ended>>,
}

/// Starts an origin on a thread of its own.
///
/// # Errors
///
/// An address that cannot be had, or no room for a thread.
pub fn start(settings: &Settings) -> io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let origin = Arc::new(Origin::new(settings)?);
    let (events, received) = mpsc::unbounded_channel();
    let (socket, control) = {
        let _inside = runtime.enter();
        let control = settings
            .control
            .map(|address| bind(address)?.listen(BACKLOG));
        (bind(settings.listen)?, control.transpose()?)
    };
    let address = socket.local_addr()?;
    // Whoever starts a warm origin may ask it at once.
    let door = if settings.cold_start.is_zero() {
        let _inside = runtime.enter();
        Door::Open(socket.listen(BACKLOG)?)
    } else {
        Door::Closed(socket)
    };
    let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;
    let lived = Arc::clone(&origin);
    let commanded = events.clone();
    let cold_start = settings.cold_start;
    let thread = thread::Builder::new()
        .name("origin".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                if let Some(listener) = control {
                    tokio::spawn(control::serve(listener, Arc::clone(&lived), commanded));
                }
                live(&lived, (address, door), cold_start, received).await
            })
        })?;
    Ok(Running {
        address,
        control: control_address,
        origin,
        events,
        thread: Some(thread),
    })
}

/// Whether connections are taken.
enum Door {
    /// The address is ours, and connections are refused.
    Closed(TcpSocket),
    Open(TcpListener),
}

/// A socket that has the address but takes no connection yet: they are refused.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// One life after another.
async fn live(
    origin: &Arc<Origin>,
    (address, mut door): (SocketAddr, Door),
    cold_start: Duration,
    mut events: mpsc::UnboundedReceiver<Event>,
) -> Ended {
    loop {
        let listener = match door {
            Door::Open(listener) => listener,
            Door::Closed(socket) => {
                if sleep_or_stop(origin, cold_start, &mut events).await {
                    return Ended::Stopped;
                }
                let Ok(listener) = socket.listen(BACKLOG) else {
                    return Ended::Crashed;
                };
                listener
            }
        };
        let event = accept(origin, &listener, &mut events).await;
        origin.life.send_modify(|life| *life += 1);
        drop(listener);
        let Event::Crash(restart) = event else {
            return Ended::Stopped;
        };
        let (Some(restart), Ok(next)) = (restart, bind(address)) else {
            return Ended::Crashed;
        };
        door = Door::Closed(next);
        if sleep_or_stop(origin, restart, &mut events).await {
            return Ended::Stopped;
        }
    }
}

/// Sleeps; whether it was stopped meanwhile. Who is down cannot crash.
async fn sleep_or_stop(
    origin: &Origin,
    time: Duration,
    events: &mut mpsc::UnboundedReceiver<Event>,
) -> bool {
    let Some(until) = Instant::now().checked_add(time) else {
        return events.recv().await == Some(Event::Stop);
    };
    let slept = origin.timer.sleep_until(until);
    tokio::pin!(slept);
    loop {
        tokio::select! {
            () = &mut slept => return false,
            event = events.recv() => match event {
                Some(Event::Crash(_)) => {}
                Some(Event::Stop) | None => return true,
            },
        }
    }
}

/// Takes connections until something happens, and ends them then.
async fn accept(
    origin: &Arc<Origin>,
    listener: &TcpListener,
    events: &mut mpsc::UnboundedReceiver<Event>,
) -> Event {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            event = events.recv() => return event.unwrap_or(Event::Stop),
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(Arc::clone(origin), stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// Serves one connection; which version of HTTP, its first bytes say.
async fn converse(origin: Arc<Origin>, stream: TcpStream) {
    // Answers are small: waiting for more of them to fill a segment would add 40 ms.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Arc::clone(&origin).answer(request));
    let builder = auto::Builder::new(TokioExecutor::new());
    // What ends a connection early is the client's, or a crash that was ordered; the counts show it.
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

impl Running {
    /// What was received and sent so far.
    pub fn report(&self) -> Report {
        self.origin.tally.report()
    }

    /// Forgets all counts.
    pub fn reset(&self) {
        self.origin.tally.reset();
    }

    /// Answers nobody until [`resume`](Self::resume).
    pub fn hang(&self) {
        self.origin.frozen.send_replace(true);
    }

    /// Answers again.
    pub fn resume(&self) {
        self.origin.frozen.send_replace(false);
    }

    /// Takes this long from now on.
    pub fn set_service(&self, service: Distribution) {
        self.origin.set_service(service);
    }

    /// Ends all connections and listens no more: for so long and the cold start, or for ever.
    pub fn crash(&self, restart: Option<Duration>) {
        // An error means that it has ended already.
        let _ = self.events.send(Event::Crash(restart));
    }

    /// Until it ends by itself, which only a crash makes it do.
    pub fn wait(mut self) -> Ended {
        let thread = self.thread.take();
        thread.map_or(Ended::Stopped, |thread| {
            thread.join().unwrap_or(Ended::Crashed)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
