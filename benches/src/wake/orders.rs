//! Takes the orders of a webhook and starts what they ask for: the endpoint of the pool, 300 ms later.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use super::endpoints::{ANSWER, Endpoints};
use crate::Outcome;

/// Until an endpoint listens.
pub(super) const START: Duration = Duration::from_millis(300);
/// Senders that nobody has looked at yet: one per pool comes at once, and the kernel makes others come again later.
const BACKLOG: i32 = 4_096;

/// The first order for a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Of the connection that brought it.
    number: usize,
    pub(super) pool: usize,
    pub(super) at: Instant,
}

/// A running receiver.
#[derive(Debug)]
pub(super) struct Orders {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoints: Arc<Endpoints>,
    taken: Mutex<Vec<Taken>>,
    started: Vec<AtomicBool>,
}

impl Orders {
    /// Starts it for this many pools, `p0` and on; it ends with the runtime.
    ///
    /// # Errors
    ///
    /// When no port is to be had.
    pub(super) fn start(
        runtime: &Handle,
        endpoints: Arc<Endpoints>,
        pools: usize,
    ) -> Outcome<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = std::net::TcpListener::from(socket);
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            endpoints,
            taken: Mutex::default(),
            started: (0..pools).map(|_| AtomicBool::new(false)).collect(),
        });
        runtime.spawn(take(listener, shared.clone()));
        Ok(Self { address, shared })
    }

    /// Where orders are taken.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first order for each pool, as their connections came in.
    pub(super) fn taken(&self) -> Vec<Taken> {
        let mut taken = self.shared.taken.lock().clone();
        taken.sort_unstable_by_key(|taken| taken.number);
        taken
    }
}

async fn take(listener: std::net::TcpListener, shared: Arc<Shared>) -> Outcome<()> {
    let listener = TcpListener::from_std(listener)?;
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        let shared = shared.clone();
        tokio::spawn(async move {
            // A sender that breaks off repeats its order.
            let _ = take_order(number, stream, shared).await;
        });
    }
    Ok(())
}

async fn take_order(number: usize, mut stream: TcpStream, shared: Arc<Shared>) -> Outcome<()> {
    let mut received = Vec::new();
    let pool = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        if let Some(pool) = ordered_pool(&received) {
            break pool;
        }
    };
    let at = Instant::now();
    let known = shared.started.get(pool).ok_or("no such pool")?;
    if !known.swap(true, SeqCst) {
        shared.taken.lock().push(Taken { number, pool, at });
        let endpoints = shared.endpoints.clone();
        tokio::spawn(async move {
            tokio::time::sleep(START).await;
            // A pool without its endpoint answers nobody: the run sees it as requests lost.
            let _ = endpoints.serve(pool).await;
        });
    }
    Ok(stream.write_all(ANSWER).await?)
}

/// The number of `{"pool":"p17",…}`, once the order is whole.
fn ordered_pool(received: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(received).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let (_, rest) = body.strip_suffix('}')?.split_once("\"pool\":\"p")?;
    rest.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_its_pool_once_it_is_whole() {
        let order = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n{\"pool\":\"p17\",\"desired\":1}";
        assert_eq!(ordered_pool(order), Some(17));
        assert_eq!(ordered_pool(order.split_last().unwrap().1), None);
        assert_eq!(ordered_pool(b"POST / HTTP/1.1\r\n"), None);
    }
}
