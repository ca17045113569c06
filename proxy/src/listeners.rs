//! Listening sockets: opened and closed by reloads, owned once, accepted from by every worker through its own duplicate.
//!
//! Each socket exists once per process however many workers there are: several owners of one descriptor close it several
//! times, and the second close can hit another citizen's connection.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use crate::{
    edge::Live,
    log::{self, Level},
    tls::{CertificateError, TlsFrontend},
};

/// Connections that may wait to be accepted; the standard library's 128 overflow within a launch's first second.
const BACKLOG: i32 = 4096;

/// A listening socket.
#[derive(Debug)]
pub struct Bound {
    /// The address in the config; names the listener.
    pub configured: SocketAddr,
    /// The address it really has (port 0 in the config: the one the kernel chose).
    pub local: SocketAddr,
    socket: TcpListener,
    tls: ArcSwapOption<TlsFrontend>,
}

impl Bound {
    fn new(configured: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(configured),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        if configured.is_ipv6() {
            socket.set_only_v6(false)?; // `[::]` takes IPv4 as well, whatever the system's default is
        }
        socket.set_nonblocking(true)?;
        socket.bind(&configured.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        Ok(Self {
            configured,
            local: socket.local_addr()?,
            socket,
            tls: ArcSwapOption::empty(),
        })
    }

    /// A duplicate for one worker, registered with its reactor.
    ///
    /// # Errors
    ///
    /// Out of file handles.
    pub fn duplicate(&self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket.try_clone()?)
    }

    /// A connection that waits to be accepted already.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; otherwise the kernel's.
    pub fn accept_waiting(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (tcp, peer) = self.socket.accept()?;
        tcp.set_nonblocking(true)?;
        Ok((tcp, peer))
    }

    /// TLS, when this listener speaks it now.
    pub fn tls(&self) -> Option<Arc<TlsFrontend>> {
        self.tls.load_full()
    }
}

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// As written.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] CertificateError),
}

/// All listening sockets, and the news of them for the workers.
#[derive(Debug)]
pub struct Listeners {
    bound: Mutex<HashMap<SocketAddr, Arc<Bound>>>,
    news: watch::Sender<Arc<Vec<Arc<Bound>>>>,
}

/// Sockets that are open for a config which is not in force yet.
#[derive(Debug)]
pub struct Opened(HashMap<SocketAddr, Arc<Bound>>);

impl Default for Listeners {
    fn default() -> Self {
        Self {
            bound: Mutex::default(),
            news: watch::Sender::new(Arc::default()),
        }
    }
}

impl Listeners {
    /// Opens what `live` needs and is not open yet; nothing changes for clients before [`Self::adopt`].
    ///
    /// # Errors
    ///
    /// The first address that cannot be had; what was opened for the others is closed again.
    pub fn open(&self, live: &Live) -> Result<Opened, ListenError> {
        let before = self.bound.lock().clone();
        let mut opened = HashMap::new();
        for listener in &live.listeners {
            let address = listener.config.address;
            let bound = match before.get(&address) {
                Some(bound) => bound.clone(),
                None => Arc::new(
                    Bound::new(address).map_err(|source| ListenError::Bind { address, source })?,
                ),
            };
            opened.insert(address, bound);
        }
        Ok(Opened(opened))
    }

    /// Puts opened sockets in force and closes those that are no longer named.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn adopt(&self, opened: Opened, live: &Live) -> Result<(), ListenError> {
        for listener in &live.listeners {
            let Some(bound) = opened.0.get(&listener.config.address) else {
                continue;
            };
            match (&listener.certificates, bound.tls()) {
                (None, _) => bound.tls.store(None),
                (Some(certificates), Some(tls)) => tls.replace(certificates.clone()),
                (Some(certificates), None) => {
                    bound
                        .tls
                        .store(Some(Arc::new(TlsFrontend::new(certificates.clone())?)));
                }
            }
        }
        let mut all: Vec<_> = opened.0.values().cloned().collect();
        all.sort_by_key(|bound| bound.configured);
        let before = std::mem::replace(&mut *self.bound.lock(), opened.0);
        report(&before, &all);
        self.news.send_replace(Arc::new(all));
        Ok(())
    }

    /// Closes all sockets once the workers have let go of them: from then on connections are refused by the kernel.
    pub fn close(&self) {
        let before = std::mem::take(&mut *self.bound.lock());
        self.news.send_replace(Arc::default());
        report(&before, &[]);
    }

    /// The sockets in force, now and after each change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<Arc<Bound>>>> {
        self.news.subscribe()
    }
}

/// Logs which listeners came and which went.
fn report(before: &HashMap<SocketAddr, Arc<Bound>>, after: &[Arc<Bound>]) {
    let log = |event, bound: &Bound| {
        let kind = if bound.tls().is_some() {
            "https"
        } else {
            "http"
        };
        let fields = [
            ("listener", kind),
            ("configured", &*bound.configured.to_string()),
            ("address", &*bound.local.to_string()),
        ];
        log::event(Level::Info, event, &fields);
    };
    let stays = |bound: &Arc<Bound>| after.iter().any(|after| Arc::ptr_eq(after, bound));
    for bound in before.values().filter(|bound| !stays(bound)) {
        log("listener_closed", bound);
    }
    for bound in after {
        if !before.contains_key(&bound.configured) {
            log("listening", bound);
        }
    }
}
